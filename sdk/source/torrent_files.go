package source

import (
	"math"
	"strings"
	"unicode/utf8"

	"github.com/haul-dl/haul/sdk/errs"
)

// maxPaths bounds the memory of all paths of a torrent, in bytes: a small file
// may say a long prefix for each of very many names.
const maxPaths = 64 << 20

func readName(info bvalue) (string, error) {
	name, err := preferUTF8(info, "name", func(v bvalue) (string, error) {
		s, ok := v.bytes()
		if !ok {
			return "", errs.New(errs.InvalidTorrent, "The torrent has no valid name.")
		}
		return safePart(s)
	})
	if err == nil && name == "" {
		return "", errs.New(errs.InvalidTorrent, "The torrent has no name.")
	}
	return name, err
}

// preferUTF8 reads key and its twin in UTF-8, which older tools add. Both must
// be safe, since it is the daemon that chooses.
func preferUTF8(dict bvalue, key string, read func(bvalue) (string, error)) (out string, err error) {
	for _, k := range []string{key, key + ".utf-8"} {
		v := dict.get(k)
		if v == nil {
			continue
		}
		if out, err = read(v); err != nil {
			return "", err
		}
	}
	return out, nil
}

// safePart returns one part of a path.
func safePart(b []byte) (string, error) {
	s := string(b)
	if s == "" || s == "." || s == ".." || strings.ContainsAny(s, "/\\\x00") {
		return "", errs.New(errs.UnsafeTorrent, "The torrent has a file name that is empty, '.', '..', or has a separator in it.")
	}
	return text(b), nil
}

// text returns b as UTF-8. What is not, is taken for Latin-1: that keeps names
// apart that differ.
func text(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	var out strings.Builder
	for _, c := range b {
		out.WriteRune(rune(c))
	}
	return out.String()
}

// readV1 reads the files of version 1 and checks that the pieces cover them.
func readV1(info bvalue, name string, pieceLength int64) ([]TorrentFile, error) {
	list, length := info.get("files"), info.get("length")
	if (list == nil) == (length == nil) {
		return nil, errs.New(errs.InvalidTorrent, "The torrent must have either one file or a list of files.")
	}
	files, err := readV1Files(list, length, name)
	if err != nil {
		return nil, err
	}
	var total int64
	for _, f := range files {
		if f.Size > math.MaxInt64-total {
			return nil, errs.New(errs.InvalidTorrent, "The torrent's files are larger than any disk.")
		}
		total += f.Size
	}
	pieces, ok := info.get("pieces").bytes()
	if !ok || len(pieces)%20 != 0 || int64(len(pieces)/20) != pieceCount(total, pieceLength) {
		return nil, errs.New(errs.InvalidTorrent, "The torrent's pieces do not match the size of its files.")
	}
	return files, nil
}

func readV1Files(list, length bvalue, name string) ([]TorrentFile, error) {
	if list == nil {
		size, err := readSize(length)
		return []TorrentFile{{Path: name, Size: size}}, err
	}
	var files []TorrentFile
	budget := maxPaths
	for entry := range list.items {
		f, err := readV1File(entry, name)
		if err != nil {
			return nil, err
		}
		if budget -= len(f.Path); budget < 0 {
			return nil, errTooManyNames()
		}
		files = append(files, f)
	}
	if len(files) == 0 {
		return nil, errs.New(errs.InvalidTorrent, "The torrent has no files.")
	}
	return files, nil
}

func readV1File(entry bvalue, name string) (TorrentFile, error) {
	size, err := readSize(entry.get("length"))
	if err != nil {
		return TorrentFile{}, err
	}
	path, err := preferUTF8(entry, "path", func(v bvalue) (string, error) { return joinParts(name, v) })
	if err != nil {
		return TorrentFile{}, err
	}
	if path == "" {
		return TorrentFile{}, errs.New(errs.InvalidTorrent, "The torrent has a file without a path.")
	}
	return TorrentFile{Path: path, Size: size, Padding: isPadding(entry)}, nil
}

func joinParts(name string, list bvalue) (string, error) {
	var path strings.Builder
	path.WriteString(name)
	empty := true
	for part := range list.items {
		b, ok := part.bytes()
		if !ok {
			return "", errs.New(errs.InvalidTorrent, "The torrent has a path that is not text.")
		}
		s, err := safePart(b)
		if err != nil {
			return "", err
		}
		path.WriteByte('/')
		path.WriteString(s)
		empty = false
	}
	if empty {
		return "", errs.New(errs.UnsafeTorrent, "The torrent has a file with an empty path.")
	}
	return path.String(), nil
}

func isPadding(entry bvalue) bool {
	attr, _ := entry.get("attr").bytes()
	return strings.Contains(string(attr), "p")
}

func readSize(v bvalue) (int64, error) {
	n, ok := v.int()
	if !ok || n < 0 {
		return 0, errs.New(errs.InvalidTorrent, "The torrent has a file without a valid size.")
	}
	return n, nil
}

func pieceCount(total, pieceLength int64) int64 {
	n := total / pieceLength
	if total%pieceLength != 0 {
		n++
	}
	return n
}

func errTooManyNames() error {
	return errs.New(errs.InvalidTorrent, "The torrent's file names take more than %d MiB.", maxPaths>>20)
}

// checkFiles returns the size of all files but padding. No file may be there
// twice, or be the folder of another.
func checkFiles(files []TorrentFile) (total int64, _ error) {
	const file, folder = 1, 2
	seen := make(map[string]byte, len(files))
	for _, f := range files {
		if f.Padding {
			continue
		}
		if seen[f.Path] != 0 {
			return 0, errDuplicate()
		}
		seen[f.Path] = file
		for i := strings.LastIndexByte(f.Path, '/'); i > 0; i = strings.LastIndexByte(f.Path[:i], '/') {
			if seen[f.Path[:i]] == folder {
				break
			}
			if seen[f.Path[:i]] == file {
				return 0, errDuplicate()
			}
			seen[f.Path[:i]] = folder
		}
		if f.Size > math.MaxInt64-total {
			return 0, errs.New(errs.InvalidTorrent, "The torrent's files are larger than any disk.")
		}
		total += f.Size
	}
	return total, nil
}

func errDuplicate() error {
	return errs.New(errs.InvalidTorrent, "The torrent has two files of the same path.")
}
