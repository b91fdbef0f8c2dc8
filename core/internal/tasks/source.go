package tasks

import (
	"cmp"
	"slices"
	"strings"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
	"github.com/haul-dl/haul/sdk/source"
)

// maxURI is how long a magnet link or URL may be, in bytes.
const maxURI = 64 << 10

// readSource fills in what a source tells of its task, and returns the torrent
// that was uploaded, if any.
func (s *Service) readSource(t *core.Task, src *core.NewSource) (*source.Torrent, error) {
	if src.Content != nil {
		return s.readTorrent(t, src)
	}
	return nil, readURI(t, src)
}

func readURI(t *core.Task, src *core.NewSource) error {
	if len(src.URI) > maxURI {
		return errs.New(errs.InvalidSource, "The source is longer than %d bytes.", maxURI)
	}
	uri := strings.TrimSpace(src.URI)
	kind, err := source.Detect(uri)
	if err != nil {
		return err
	}
	if kind, err = chooseKind(kind, src.Kind); err != nil {
		return err
	}
	t.Source = core.TaskSource{Kind: kind, URI: uri}
	if kind == downloader.SourceMagnet {
		m, err := source.ParseMagnet(uri)
		if err != nil {
			return err
		}
		t.Name, t.InfoHash = cmp.Or(m.Name, m.InfoHash, m.InfoHashV2), m.InfoHash
		return nil
	}
	_, t.Name, err = source.ParseURL(uri)
	return err
}

// chooseKind lets a caller who knows better correct what the URI looks like:
// whether a web address leads to the file itself or to a description of it.
func chooseKind(guessed, wanted downloader.SourceKind) (downloader.SourceKind, error) {
	if wanted == "" || wanted == guessed {
		return guessed, nil
	}
	if !slices.Contains(core.SourceKinds, wanted) {
		return "", errs.New(errs.InvalidSource, "There is no kind of source %q.", wanted)
	}
	byURL := []downloader.SourceKind{downloader.SourceHTTP, downloader.SourceTorrent, downloader.SourceMetalink}
	if slices.Contains(byURL, guessed) && slices.Contains(byURL, wanted) {
		return wanted, nil
	}
	return "", errs.New(errs.InvalidSource, "The source is of kind %q and cannot be taken as %q.", guessed, wanted)
}

// readTorrent checks an uploaded torrent file.
func (s *Service) readTorrent(t *core.Task, src *core.NewSource) (*source.Torrent, error) {
	if int64(len(src.Content)) > s.torrentLimit {
		return nil, errs.New(errs.TorrentTooLarge, "The torrent file has %d bytes; %d is the most.", len(src.Content), s.torrentLimit)
	}
	torrent, err := source.ParseTorrent(src.Content)
	if err != nil {
		return nil, err
	}
	t.Source = core.TaskSource{Kind: downloader.SourceTorrent, URI: src.URI, Uploaded: true}
	t.Name, t.InfoHash, t.TotalBytes = torrent.Name, torrent.InfoHash, torrent.TotalBytes
	return torrent, nil
}
