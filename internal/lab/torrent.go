package lab

import (
	"crypto/sha1" // what BitTorrent v1 is made of
	"encoding/hex"
	"errors"
	"io"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
)

const defaultPieceLen = 64 << 10

// Torrent is one of the swarm's torrents.
type Torrent struct {
	// Name is how the swarm calls it.
	Name string
	// Root is the name inside the torrent: of its folder, or of its only file.
	Root string
	// InfoHash is in lower-case hex.
	InfoHash string
	// Magnet is a magnet link with the swarm's tracker, or web seed, in it.
	Magnet string
	// Bytes is the .torrent file, nil where there is only a link.
	Bytes []byte
	// Files are in the torrent's order.
	Files []File
	// Total is the size of all files together.
	Total int64
}

// File is one file of a torrent.
type File struct {
	// Path is below the torrent's root, with slashes; it is empty in a torrent
	// of a single file.
	Path string
	// Size is in bytes.
	Size int64
	// SHA256 is the digest of its content in hex.
	SHA256 string
}

// Path returns where a client that changes no name puts file i below dir.
func (t Torrent) Path(dir string, i int) string {
	return filepath.Join(dir, t.Root, filepath.FromSlash(t.Files[i].Path))
}

// seeded is a torrent with what is needed to serve it.
type seeded struct {
	Torrent
	spec
	hash     string // 20 bytes
	info     []byte
	contents []payload // one per file
}

// newSeeded makes a torrent whose tracker and web seed are at base.
func newSeeded(s spec, base string) *seeded {
	t := &seeded{spec: s, Torrent: Torrent{Name: s.name, Root: s.root}}
	if s.raw != "" {
		t.Bytes = []byte(s.raw)
		return t
	}
	if t.pieceLen == 0 {
		t.pieceLen = defaultPieceLen
	}
	for i, f := range s.files {
		p := newPayload(s.name+"/"+strconv.Itoa(i), f.size)
		p.padding = f.padding
		t.contents = append(t.contents, p)
		t.Files = append(t.Files, File{Path: strings.Join(f.path, "/"), Size: f.size, SHA256: p.sha256()})
		t.Total += f.size
	}
	t.info = bencode(t.infoDict())
	sum := sha1.Sum(t.info)
	t.hash, t.InfoHash = string(sum[:]), hex.EncodeToString(sum[:])
	t.publish(base)
	return t
}

func (t *seeded) infoDict() dict {
	info := dict{"name": t.root, "piece length": t.pieceLen, "pieces": t.pieces()}
	if t.private {
		info["private"] = 1
	}
	if len(t.files) == 1 && len(t.files[0].path) == 0 {
		info["length"] = t.files[0].size
		return info
	}
	var files list
	for _, f := range t.files {
		var path list
		for _, part := range f.path {
			path = append(path, part)
		}
		file := dict{"length": f.size, "path": path}
		if f.padding {
			file["attr"] = "p"
		}
		files = append(files, file)
	}
	info["files"] = files
	return info
}

// pieces returns the SHA-1 digests of all pieces.
func (t *seeded) pieces() string {
	var digests []byte
	piece := make([]byte, t.pieceLen)
	for off := int64(0); off < t.Total; off += t.pieceLen {
		n := min(t.pieceLen, t.Total-off)
		_ = t.readAt(piece[:n], off) // inside of the torrent
		sum := sha1.Sum(piece[:n])
		digests = append(digests, sum[:]...)
	}
	return string(digests)
}

// publish makes the .torrent file and the magnet link.
func (t *seeded) publish(base string) {
	meta := dict{"created by": "haul lab", "info": t.infoDict()}
	link := "magnet:?xt=urn:btih:" + t.InfoHash + "&dn=" + url.QueryEscape(t.name)
	switch {
	case t.webSeed:
		meta["url-list"] = list{base + "/web/"}
		link += "&ws=" + url.QueryEscape(base+"/web/")
	case !t.noTracker:
		meta["announce"] = base + "/announce"
		link += "&tr=" + url.QueryEscape(base+"/announce")
	}
	t.Magnet = link
	if !t.onlyLink {
		t.Bytes = bencode(meta)
	}
}

// readAt reads from all files in a row.
func (t *seeded) readAt(b []byte, off int64) error {
	for _, c := range t.contents {
		if off >= c.size {
			off -= c.size
			continue
		}
		n, err := c.ReadAt(b, off)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if b = b[n:]; len(b) == 0 {
			return nil
		}
		off = 0
	}
	if len(b) > 0 {
		return io.ErrUnexpectedEOF
	}
	return nil
}
