package driver

import (
	"errors"
	"strings"

	"github.com/haul-dl/haul/plugins/transmission/internal/transmissionrpc"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

func asRefusal(err error) (*transmissionrpc.Error, bool) {
	return errors.AsType[*transmissionrpc.Error](err)
}

// failures are found in the daemon's words, which are mostly the system's.
var failures = []struct {
	says      string
	code      errs.Code
	msg, hint string
}{
	{"no space left", errs.OutOfSpace, "The disk that Transmission writes to is full.", ""},
	{"quota exceeded", errs.OutOfSpace, "The quota on the disk that Transmission writes to is used up.", ""},
	{"file too large", errs.OutOfSpace, "The file system that Transmission writes to does not take files of that size.", ""},
	{"permission denied", errs.PathNotWritable, "Transmission may not write in the download folder.", ""},
	{"operation not permitted", errs.PathNotWritable, "Transmission may not write in the download folder.", ""},
	{"read-only file system", errs.PathNotWritable, "The file system that Transmission writes to is read-only.", ""},
	{"name too long", errs.InvalidTorrent, "The torrent has a file name that is too long for the file system.", "Choose another torrent of the same content."},
	{"no data found", errs.FilesMissing, "The data has gone from the download folder.", "Retry the task: it is loaded again."},
	{"no such file", errs.FilesMissing, "The data has gone from the download folder.", "Retry the task: it is loaded again."},
}

// failure puts the daemon's error into haul's terms. Its words go to the log
// alone, as they may hold a path.
func (t *torrent) failure() error {
	words := errors.New("Transmission: " + t.message)
	text := strings.ToLower(t.message)
	for _, f := range failures {
		if !strings.Contains(text, f.says) {
			continue
		}
		e := errs.Wrap(words, f.code, "%s", f.msg)
		e.Hint = f.hint
		return e
	}
	return errs.Wrap(words, errs.DownloaderError, "Transmission gave the torrent up.").
		WithHint("Transmission says why in its own window, and the server's log at level debug.")
}

// failed returns why the torrent has failed, or nil.
func (t *torrent) failed() error {
	if t.err != localError {
		return nil
	}
	return t.failure()
}

// addFailure explains why the daemon did not take a source.
func addFailure(err error, kind downloader.SourceKind) error {
	refused, ok := asRefusal(err)
	if !ok {
		return err
	}
	text := strings.ToLower(refused.Result)
	switch {
	case strings.Contains(text, "corrupt"), strings.Contains(text, "unrecognized info"), strings.Contains(text, "invalid"):
		if kind == downloader.SourceMagnet {
			return errs.Wrap(refused, errs.InvalidMagnet, "Transmission does not take this magnet link.")
		}
		return errs.Wrap(refused, errs.InvalidTorrent, "Transmission cannot read the torrent.").
			WithHint("It may be damaged, or name the same file twice.")
	case strings.Contains(text, "not absolute"):
		return errs.Wrap(refused, errs.PathNotShared, "Transmission does not take the job's folder: its path is not absolute there.").
			WithHint("Correct the downloader's path_map.")
	}
	return errs.Wrap(refused, errs.DownloaderError, "Transmission does not take the download: %s.", refused.Result)
}
