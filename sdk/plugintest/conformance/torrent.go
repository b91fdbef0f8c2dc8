package conformance

import (
	"bytes"
	"crypto/sha1" //nolint:gosec // what BitTorrent v1 is made of
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
)

const pieceLength = 64 << 10

// torrentFile is one file of a torrent to make. A torrent of a single file has
// one without a path.
type torrentFile struct {
	path []string
	data []byte
}

// makeTorrent returns a torrent file, whose only source is a web seed, and its
// info hash. Names go in as they are, hostile ones too.
func makeTorrent(webSeed, name string, files []torrentFile) (content []byte, hash string) {
	info := map[string]any{"name": name, "piece length": pieceLength, "pieces": pieces(files)}
	if len(files) == 1 && len(files[0].path) == 0 {
		info["length"] = len(files[0].data)
	} else {
		list := make([]any, len(files))
		for i, f := range files {
			path := make([]any, len(f.path))
			for k, part := range f.path {
				path[k] = part
			}
			list[i] = map[string]any{"length": len(f.data), "path": path}
		}
		info["files"] = list
	}
	sum := sha1.Sum(bencode(info)) //nolint:gosec // see above
	meta := map[string]any{"created by": "haul", "info": info, "url-list": []any{webSeed}}
	return bencode(meta), hex.EncodeToString(sum[:])
}

// pieces returns the digests of all pieces.
func pieces(files []torrentFile) string {
	var all, digests []byte
	for _, f := range files {
		all = append(all, f.data...)
	}
	for piece := range slices.Chunk(all, pieceLength) {
		sum := sha1.Sum(piece) //nolint:gosec // see above
		digests = append(digests, sum[:]...)
	}
	return string(digests)
}

// bencode encodes int, string, []any and map[string]any.
func bencode(v any) []byte {
	var b bytes.Buffer
	bencodeTo(&b, v)
	return b.Bytes()
}

func bencodeTo(b *bytes.Buffer, v any) {
	switch v := v.(type) {
	case int:
		fmt.Fprintf(b, "i%de", v)
	case string:
		fmt.Fprintf(b, "%d:%s", len(v), v)
	case []any:
		b.WriteByte('l')
		for _, e := range v {
			bencodeTo(b, e)
		}
		b.WriteByte('e')
	case map[string]any:
		b.WriteByte('d')
		for _, key := range slices.Sorted(maps.Keys(v)) {
			bencodeTo(b, key)
			bencodeTo(b, v[key])
		}
		b.WriteByte('e')
	}
}
