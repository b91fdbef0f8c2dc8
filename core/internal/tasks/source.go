package tasks

import (
	"bytes"
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

// content is what a torrent or metalink file says.
type content struct {
	kind downloader.SourceKind
	// name is "" where it does not tell.
	name                 string
	infoHash, infoHashV2 string
	private              bool
	files                []downloader.File
	// size is in bytes, -1 where not known.
	size int64
}

// fill puts into a task what it does not know better.
func (c *content) fill(t *core.Task) {
	t.Source.Kind, t.Private = c.kind, c.private
	t.InfoHash, t.InfoHashV2 = c.infoHash, c.infoHashV2
	t.TotalBytes = max(c.size, 0)
}

// known returns the list of files; nil where there is none.
func (c *content) known() []downloader.File {
	if c == nil {
		return nil
	}
	return c.files
}

// readSource fills in what a source tells of its task, and returns what was
// uploaded, if anything.
func (s *Service) readSource(t *core.Task, src *core.NewSource) (*content, error) {
	if src.Content == nil {
		return nil, readURI(t, src)
	}
	kind := downloader.SourceTorrent
	if src.Kind == downloader.SourceMetalink || src.Kind == "" && bytes.HasPrefix(bytes.TrimSpace(src.Content), []byte("<?xml")) {
		kind = downloader.SourceMetalink
	}
	c, err := s.readContent(kind, src.Content)
	if err != nil {
		return nil, err
	}
	t.Source = core.TaskSource{URI: src.URI, Uploaded: true}
	c.fill(t)
	t.Name = cmp.Or(c.name, source.FileName(src.URI))
	return c, nil
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
		t.Name = cmp.Or(m.Name, m.InfoHash, m.InfoHashV2)
		t.InfoHash, t.InfoHashV2 = m.InfoHash, m.InfoHashV2
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

// readContent checks a torrent or metalink file.
func (s *Service) readContent(kind downloader.SourceKind, b []byte) (*content, error) {
	if int64(len(b)) > s.torrentLimit {
		return nil, errs.New(errs.TorrentTooLarge, "The torrent file has %d bytes; %d is the most.", len(b), s.torrentLimit)
	}
	if kind == downloader.SourceMetalink {
		return readMetalink(b)
	}
	torrent, err := source.ParseTorrent(b)
	if err != nil {
		return nil, err
	}
	return &content{
		kind: downloader.SourceTorrent, name: torrent.Name, private: torrent.Private,
		infoHash: torrent.InfoHash, infoHashV2: torrent.InfoHashV2,
		files: torrentFiles(torrent), size: torrent.TotalBytes,
	}, nil
}

// readMetalink adds the sizes up, where all are known; of one file it takes the name.
func readMetalink(b []byte) (*content, error) {
	m, err := source.ParseMetalink(b)
	if err != nil {
		return nil, err
	}
	c := &content{kind: downloader.SourceMetalink, files: metalinkFiles(m)}
	if len(m.Files) == 1 {
		c.name = m.Files[0].Name
	}
	for _, f := range m.Files {
		if f.Size <= 0 {
			c.size = -1
			break
		}
		c.size += f.Size
	}
	return c, nil
}
