package source

import (
	"bytes"

	"github.com/haul-dl/haul/sdk/errs"
)

// minPieceLength is the smallest of version 2, and the size of its blocks.
const minPieceLength = 16 << 10

// tree reads the file tree of version 2.
type tree struct {
	pieceLength int64
	layers      map[string]int // length of the piece layer by pieces root
	budget      int            // bytes of paths that are left
	files       []TorrentFile
}

func readV2(root, info bvalue, name string, pieceLength int64) ([]TorrentFile, error) {
	if pieceLength < minPieceLength || pieceLength&(pieceLength-1) != 0 {
		return nil, errs.New(errs.InvalidTorrent, "The torrent's piece length is not a power of two of at least 16 KiB.")
	}
	top := info.get("file tree")
	if !top.is('d') {
		return nil, errs.New(errs.InvalidTorrent, "The torrent has no file tree.")
	}
	t := &tree{pieceLength: pieceLength, layers: readLayers(root), budget: maxPaths}
	prefix := name + "/"
	if isSingleFile(top, name) {
		prefix = ""
	}
	if _, err := t.folder(top, 0, prefix); err != nil {
		return nil, err
	}
	if len(t.files) == 0 {
		return nil, errs.New(errs.InvalidTorrent, "The torrent has no files.")
	}
	return t.files, nil
}

func readLayers(root bvalue) map[string]int {
	layers := map[string]int{}
	for e := range root.get("piece layers").entries {
		if hashes, ok := e.value.bytes(); ok {
			layers[string(e.key)] = len(hashes)
		}
	}
	return layers
}

// isSingleFile reports whether the tree is one file that has the torrent's name.
func isSingleFile(top bvalue, name string) bool {
	n := 0
	for range top.entries {
		n++
	}
	return n == 1 && top.get(name).get("") != nil
}

// folder reads the dictionary at b[at:] and returns where it ends. It goes over
// the tree once, however deep that is.
func (t *tree) folder(b bvalue, at int, prefix string) (end int, err error) {
	for at++; b[at] != 'e'; {
		key, start, err := scanString(b, at)
		if err != nil {
			return 0, err
		}
		part, err := safePart(key)
		if err != nil {
			return 0, err
		}
		path := prefix + part
		if t.budget -= len(path); t.budget < 0 {
			return 0, errTooManyNames()
		}
		if at, err = t.node(b, start, path); err != nil {
			return 0, err
		}
	}
	return at + 1, nil
}

// node reads what lies at path: a file where the dictionary has an entry with an
// empty key, which is then the first, else a folder.
func (t *tree) node(b bvalue, at int, path string) (end int, _ error) {
	if b[at] != 'd' {
		return 0, errs.New(errs.InvalidTorrent, "The torrent's file tree is not valid.")
	}
	if !bytes.HasPrefix(b[at:], []byte("d0:")) {
		return t.folder(b, at, path+"/")
	}
	end, err := scan(b, at, 0)
	if err != nil {
		return 0, err
	}
	return end, t.file(b[at:end], path)
}

func (t *tree) file(v bvalue, path string) error {
	for e := range v.entries {
		if len(e.key) != 0 {
			return errs.New(errs.InvalidTorrent, "The torrent has a file that is a folder too.")
		}
	}
	leaf := v.get("")
	size, err := readSize(leaf.get("length"))
	if err != nil {
		return err
	}
	if err := t.checkPieces(leaf, size); err != nil {
		return err
	}
	t.files = append(t.files, TorrentFile{Path: path, Size: size, Padding: isPadding(leaf)})
	return nil
}

// checkPieces checks that a file has a root hash, and a hash for each piece
// where it has more than one.
func (t *tree) checkPieces(leaf bvalue, size int64) error {
	if size == 0 {
		return nil
	}
	root, ok := leaf.get("pieces root").bytes()
	if !ok || len(root) != 32 {
		return errs.New(errs.InvalidTorrent, "The torrent has a file without a valid hash.")
	}
	if size <= t.pieceLength {
		return nil
	}
	if n := t.layers[string(root)]; n%32 != 0 || int64(n/32) != pieceCount(size, t.pieceLength) {
		return errs.New(errs.InvalidTorrent, "The torrent's pieces do not match the size of its files.")
	}
	return nil
}
