package driver

import (
	"context"
	"errors"
	"strings"
	"sync"

	"github.com/haul-dl/haul/sdk/errs"
)

// maxReasonLooks is how often the log is searched for one failure.
const maxReasonLooks = 5

// reasons has why torrents failed: qBittorrent's list does not tell, only its log.
type reasons struct {
	mu    sync.Mutex // guards known
	known map[string]reason
}

type reason struct {
	text  string // a line of the log, "" while not found
	looks int
}

func newReasons() *reasons { return &reasons{known: map[string]reason{}} }

func (r *reasons) get(id string) reason {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.known[id]
}

func (r *reasons) set(id string, to reason) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.known[id] = to
}

func (r *reasons) forget(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.known, id)
}

func (r *reasons) keep(has func(id string) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id := range r.known {
		if !has(id) {
			delete(r.known, id)
		}
	}
}

// learnReasons searches the log, once for all, where a torrent has failed and
// nothing is known of why.
func (d *Driver) learnReasons(ctx context.Context, jobs []job) {
	var puzzling []job
	for _, j := range jobs {
		if !d.isOurs(j) {
			continue
		}
		if j.torrent.State != "error" {
			d.reasons.forget(j.torrent.ID)
			continue
		}
		if r := d.reasons.get(j.torrent.ID); r.text == "" && r.looks < maxReasonLooks {
			puzzling = append(puzzling, j)
		}
	}
	if len(puzzling) == 0 {
		return
	}
	lines, err := d.client.Warnings(ctx)
	if err != nil {
		d.logger.Debug("qBittorrent's log cannot be read", "err", err)
		return
	}
	for _, j := range puzzling {
		r := d.reasons.get(j.torrent.ID)
		d.reasons.set(j.torrent.ID, reason{text: lastAbout(lines, j), looks: r.looks + 1})
	}
}

// lastAbout returns the last line that names a file of the job, or its name. The
// log may be in any language.
func lastAbout(lines []string, j job) string {
	for _, needle := range []string{strings.TrimRight(j.handle.Dir, "/") + "/", `"` + j.torrent.Name + `"`} {
		for i := len(lines) - 1; i >= 0; i-- {
			if strings.Contains(lines[i], needle) {
				return lines[i]
			}
		}
	}
	return ""
}

// systemErrors are those of the operating system, which does not translate them.
var systemErrors = []struct {
	text string
	code errs.Code
	msg  string
}{
	{"No space left on device", errs.OutOfSpace, "The disk that qBittorrent writes to is full."},
	{"Disk quota exceeded", errs.OutOfSpace, "The disk quota of qBittorrent's user is used up."},
	{"Permission denied", errs.PathNotWritable, "qBittorrent may not write in the download folder."},
	{"Operation not permitted", errs.PathNotWritable, "qBittorrent may not write in the download folder."},
	{"Read-only file system", errs.PathNotWritable, "qBittorrent cannot write in the download folder: its file system is read-only."},
	{"File name too long", errs.PathNotWritable, "A file name of the torrent is too long for the file system."},
	{"No such file or directory", errs.FilesMissing, "Files of the torrent are missing in the download folder."},
}

// failure says why a torrent failed, and what the system said, for the details.
func (d *Driver) failure(j job) (message string, err error) {
	if j.torrent.State == "missingFiles" {
		return "", errs.New(errs.FilesMissing, "qBittorrent does not find the files that it has loaded.").
			WithHint("Retry the task to load them again.")
	}
	r := d.reasons.get(j.torrent.ID)
	for _, e := range systemErrors {
		if strings.Contains(r.text, e.text) {
			return e.text, errs.Wrap(errors.New(r.text), e.code, "%s", e.msg)
		}
	}
	failed := errs.New(errs.DownloaderError, "qBittorrent reports an error of the torrent.").
		WithHint("qBittorrent's log (Execution Log) says more.")
	if r.text != "" {
		failed.Err = errors.New(r.text)
	}
	return "", failed
}
