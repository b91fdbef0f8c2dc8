package conformance

import (
	"path"

	"github.com/haul-dl/haul/sdk/downloader"
)

// content is what a job loads.
type content struct {
	source downloader.Source
	hash   string // of a torrent
	// files are in the torrent's order, by their path below the job's directory.
	files []contentFile
	total int64
	shelf *shelf
}

type contentFile struct {
	path string
	data []byte
}

// fileSize is the usual size of a file: no multiple of anything.
const fileSize = 300_007

// slowSize is that of a file which does not end by itself while it is slow.
const slowSize = 6 << 20

// content returns a file of the case's kind, at once at full speed.
func (c *C) content(size int) content {
	out := c.slowContent(size)
	out.shelf.open()
	return out
}

// slowContent returns a file of the case's kind that comes slowly until its
// shelf is opened.
func (c *C) slowContent(size int) content {
	if c.kind == downloader.SourceTorrent {
		name := c.fileName()
		return c.torrent(name, torrentFile{data: randomBytes(size)})
	}
	name, data := c.fileName(), randomBytes(size)
	h := c.newShelf(map[string][]byte{name: data})
	return content{
		source: downloader.Source{Kind: downloader.SourceHTTP, URI: h.base + name, Name: name},
		files:  []contentFile{{name, data}}, total: int64(size), shelf: h,
	}
}

// fileName returns a name that tells jobs apart where a daemon shows it.
func (c *C) fileName() string { return c.newID() + ".bin" }

// torrent returns a torrent that comes slowly until its shelf is opened.
func (c *C) torrent(name string, files ...torrentFile) content {
	out := content{source: downloader.Source{Kind: downloader.SourceTorrent}}
	served := map[string][]byte{}
	for _, f := range files {
		p := path.Join(append([]string{name}, f.path...)...)
		out.files = append(out.files, contentFile{p, f.data})
		out.total += int64(len(f.data))
		served[p] = f.data
	}
	out.shelf = c.newShelf(served)
	out.source.Content, out.hash = makeTorrent(out.shelf.base, name, files)
	return out
}

// nested returns a torrent of three files in folders. Their sizes are whole
// pieces, so that a selection shares none with its neighbours.
func (c *C) nested() content {
	return c.torrent(c.newID(),
		torrentFile{[]string{"one.bin"}, randomBytes(4 * pieceLength)},
		torrentFile{[]string{"a folder", "deeper", "two – zwei.bin"}, randomBytes(8 * pieceLength)},
		torrentFile{[]string{"a folder", "three.bin"}, randomBytes(2 * pieceLength)},
	)
}
