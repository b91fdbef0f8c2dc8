package folderprobe

import (
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // what BitTorrent v1 is made of
	"fmt"
	"path/filepath"
	"strings"

	"github.com/haul-dl/haul/sdk/downloader"
)

// pieceSize is the smallest that all clients take. Each file begins with a
// piece of its own, so that none is needed for another.
const pieceSize = 16 << 10

// sample is what a probe has the downloader load.
type sample struct {
	// name is the torrent's root folder, or the file's name, unlike any other.
	name string
	// placed is put in place by the node, empty is to be made and loaded to be
	// loaded by the downloader. The first two are nil for a plain file.
	placed, empty, loaded *file
}

// file has a path relative to the job's folder.
type file struct {
	path    string
	content []byte
}

func newTorrentSample() sample {
	name := newName()
	return sample{
		name:   name,
		placed: newFile(pieceSize, name, "placed", "by-haul.bin"),
		empty:  newFile(0, name, "made", "by", "downloader.bin"),
		loaded: newFile(2*pieceSize, name, "loaded", "by", "downloader.bin"),
	}
}

func newFileSample() sample {
	name := newName() + ".bin"
	return sample{name: name, loaded: newFile(2*pieceSize, name)}
}

func newName() string { return "haul-test-" + rand.Text() }

func newFile(size int, path ...string) *file {
	f := &file{path: filepath.Join(path...), content: make([]byte, size)}
	_, _ = rand.Read(f.content) // never fails
	return f
}

// files are those of the torrent, in its order.
func (s *sample) files() []*file {
	if s.placed == nil {
		return []*file{s.loaded}
	}
	return []*file{s.placed, s.empty, s.loaded}
}

// urlPath is where a web seed has a file.
func (f *file) urlPath() string { return filepath.ToSlash(f.path) }

// source describes the sample to the downloader; base is the URL of the folder
// that the files are served from, with a slash at its end.
func (s *sample) source(base string) downloader.Source {
	if s.placed == nil {
		return downloader.Source{Kind: downloader.SourceHTTP, URI: base + s.loaded.urlPath(), Name: s.name}
	}
	return downloader.Source{Kind: downloader.SourceTorrent, Content: s.torrent(base)}
}

// torrent is the .torrent file. A private one without trackers has its web seed
// and nothing else.
func (s *sample) torrent(base string) []byte {
	var files, pieces strings.Builder
	for _, f := range s.files() {
		var path strings.Builder
		for part := range strings.SplitSeq(strings.TrimPrefix(f.urlPath(), s.name+"/"), "/") {
			path.WriteString(text(part))
		}
		fmt.Fprintf(&files, "d6:lengthi%de4:pathl%see", len(f.content), path.String())
		for rest := f.content; len(rest) > 0; rest = rest[pieceSize:] {
			sum := sha1.Sum(rest[:pieceSize]) //nolint:gosec // BitTorrent v1 has no other
			pieces.Write(sum[:])
		}
	}
	return fmt.Appendf(nil, "d4:infod5:filesl%se4:name%s12:piece lengthi%de6:pieces%s7:privatei1ee8:url-list%se",
		files.String(), text(s.name), pieceSize, text(pieces.String()), text(base))
}

// text encodes a string as torrents do.
func text(s string) string { return fmt.Sprintf("%d:%s", len(s), s) }
