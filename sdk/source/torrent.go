package source

import (
	"bytes"
	"crypto/sha1" //nolint:gosec // the v1 info hash is defined by it
	"crypto/sha256"
	"encoding/hex"
	"slices"

	"github.com/haul-dl/haul/sdk/errs"
)

// Torrent is what a .torrent file says.
type Torrent struct {
	// InfoHash is the v1 info hash in 40 lower-case hex digits; empty for v2 alone.
	InfoHash string
	// InfoHashV2 is the v2 info hash in 64 lower-case hex digits; empty for v1 alone.
	InfoHashV2 string
	// Name is that of the file, or of the folder that all files lie in.
	Name string
	// Files are in the order of the torrent, padding included.
	Files []TorrentFile
	// TotalBytes is the size of all files but padding.
	TotalBytes int64
	// Private reports that only the torrent's own trackers may be asked for peers.
	Private bool
	// Trackers and WebSeeds are well-formed URLs, each once.
	Trackers []string
	WebSeeds []string
}

// TorrentFile is one file of a torrent.
type TorrentFile struct {
	// Path has slashes, and begins with the torrent's name. It is safe: no part
	// is empty, ".", "..", or has a separator.
	Path string
	// Size is in bytes.
	Size int64
	// Padding marks a file that only aligns others (BEP 47).
	Padding bool
}

// ParseTorrent reads a .torrent file of version 1, 2, or both. The caller bounds
// its size.
//
// Errors: errs.InvalidTorrent, errs.UnsafeTorrent.
func ParseTorrent(b []byte) (*Torrent, error) {
	if isWebPage(b) {
		return nil, errs.New(errs.InvalidTorrent, "This is a web page, not a torrent.").
			WithHint("The link may need a login, or lead to a page about the torrent: download the .torrent file itself.")
	}
	root, err := parseBencode(b)
	if err != nil {
		return nil, errs.Wrap(err, errs.InvalidTorrent, "The file is not a valid torrent: %v.", err)
	}
	info := root.get("info")
	if !info.is('d') {
		return nil, errs.New(errs.InvalidTorrent, "The file is not a torrent: it has no info dictionary.")
	}
	t := &Torrent{}
	if err := t.readInfo(root, info); err != nil {
		return nil, err
	}
	t.readLinks(root)
	return t, nil
}

func (t *Torrent) readInfo(root, info bvalue) error {
	name, err := readName(info)
	if err != nil {
		return err
	}
	t.Name = name
	private, _ := info.get("private").int()
	t.Private = private == 1

	pieceLength, ok := info.get("piece length").int()
	if !ok || pieceLength <= 0 {
		return errs.New(errs.InvalidTorrent, "The torrent has no valid piece length.")
	}
	v2, err := isV2(info)
	if err != nil {
		return err
	}
	v1 := !v2 || info.get("pieces") != nil
	if v2 {
		if t.Files, err = readV2(root, info, name, pieceLength); err != nil {
			return err
		}
		hash := sha256.Sum256(info)
		t.InfoHashV2 = hex.EncodeToString(hash[:])
	}
	if v1 {
		files, err := readV1(info, name, pieceLength)
		if err != nil {
			return err
		}
		if v2 && !sameFiles(files, t.Files) {
			return errs.New(errs.InvalidTorrent, "The torrent says different things to clients of version 1 and 2.")
		}
		t.Files = files
		hash := sha1.Sum(info) //nolint:gosec // the v1 info hash is defined by it
		t.InfoHash = hex.EncodeToString(hash[:])
	}
	t.TotalBytes, err = checkFiles(t.Files)
	return err
}

func isV2(info bvalue) (bool, error) {
	version := info.get("meta version")
	if version == nil {
		return false, nil
	}
	if n, ok := version.int(); !ok || n != 2 {
		return false, errs.New(errs.InvalidTorrent, "The torrent is of a version that is not known.")
	}
	return true, nil
}

// sameFiles reports whether both versions list the same files but padding.
func sameFiles(a, b []TorrentFile) bool {
	padding := func(f TorrentFile) bool { return f.Padding }
	return slices.Equal(
		slices.DeleteFunc(slices.Clone(a), padding),
		slices.DeleteFunc(slices.Clone(b), padding))
}

func (t *Torrent) readLinks(root bvalue) {
	addText := func(v bvalue) {
		if s, ok := v.bytes(); ok {
			t.Trackers = addLink(t.Trackers, string(s), trackerSchemes)
		}
	}
	addText(root.get("announce"))
	for tier := range root.get("announce-list").items {
		for tracker := range tier.items {
			addText(tracker)
		}
	}
	seeds := root.get("url-list")
	if s, ok := seeds.bytes(); ok {
		t.WebSeeds = addLink(t.WebSeeds, string(s), webSeedSchemes)
	}
	for seed := range seeds.items {
		if s, ok := seed.bytes(); ok {
			t.WebSeeds = addLink(t.WebSeeds, string(s), webSeedSchemes)
		}
	}
}

// isWebPage reports whether b begins as HTML does.
func isWebPage(b []byte) bool {
	head := bytes.ToLower(bytes.TrimLeft(b[:min(len(b), 1024)], "\xef\xbb\xbf \t\r\n"))
	for _, begin := range []string{"<!doctype html", "<html", "<head", "<body", "<script"} {
		if bytes.HasPrefix(head, []byte(begin)) {
			return true
		}
	}
	return bytes.HasPrefix(head, []byte("<?xml")) && bytes.Contains(head, []byte("<html"))
}
