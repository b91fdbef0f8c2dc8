package lab

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// behaviour is what the seeder does for a torrent.
type behaviour int

const (
	seeds        behaviour = iota // serves everything
	seedsNothing                  // there is no such peer
	stalls                        // gives metadata, never data
	hidesInfo                     // is there, never gives metadata
	corrupts                      // gives data that fails its hash
)

// spec describes a torrent; everything else follows from it.
type spec struct {
	name      string
	root      string // info.name
	files     []specFile
	pieceLen  int64
	rate      int64 // bytes per second for all peers together; 0 is unlimited
	behaviour behaviour
	webSeed   bool // served by HTTP alone, without a tracker
	private   bool
	noTracker bool
	onlyLink  bool   // there is a magnet link and nothing else
	raw       string // not a torrent at all
}

// specFile has no path in a torrent of a single file.
type specFile struct {
	path []string
	size int64
	// padding is what only aligns the next file (BEP 47).
	padding bool
}

func single(size int64) []specFile { return []specFile{{size: size}} }

func in(size int64, path ...string) specFile { return specFile{path: path, size: size} }

// padding aligns what follows a file to pieces of the default size.
func padding(after int64) specFile {
	n := defaultPieceLen - after%defaultPieceLen
	return specFile{path: []string{".pad", strconv.FormatInt(n, 10)}, size: n, padding: true}
}

// manyName matches the names of the tiny torrents, of which there are as many
// as somebody asks for.
var manyName = regexp.MustCompile(`^many-\d{4}$`)

// partsName matches the names of torrents of four files each, of which there
// are also as many as somebody asks for.
var partsName = regexp.MustCompile(`^parts-\d{4}$`)

// lookUp returns the description of a torrent.
func lookUp(name string, o swarmOptions) (spec, bool) {
	if manyName.MatchString(name) {
		return spec{name: name, root: name + ".bin", files: single(20_000)}, true
	}
	if partsName.MatchString(name) {
		return spec{name: name, root: name, rate: o.slowRate, files: []specFile{
			in(300_000, "one.bin"), in(200_001, "sub", "two.bin"), in(70_000, "sub", "three.bin"), in(0, "empty"),
		}}, true
	}
	for _, group := range [][]spec{wellBehaved(o), slow(o), misbehaving(), hostile()} {
		for _, s := range group {
			if s.name == name {
				return s, true
			}
		}
	}
	return spec{}, false
}

func wellBehaved(o swarmOptions) []spec {
	// 244 bytes: it fits into a file system, with little room for a suffix.
	longName := strings.Repeat("long-name-", 24) + ".bin"
	return []spec{
		{name: "small", root: "small.bin", files: single(100_000)},
		{name: "big", root: "big.bin", files: single(o.bigSize), pieceLen: 1 << 20},
		{name: "multi", root: "multi", files: []specFile{
			in(1000, "readme.txt"),
			in(3<<20, "disc 1", "a", "b", "c", "video.mkv"),
			in(2<<20, "disc 2", "音楽 – Ünïcödé 😀.flac"),
			in(0, "disc 2", "empty.nfo"),
			in(300_000, "disc 2", "cover.jpg"),
		}},
		{name: "unicode", root: "日本語 Ünï \u202ertl %41 &amp; 'q' \"dq\"", files: []specFile{in(50_000, "файл.bin")}},
		{name: "long", root: longName, files: single(50_000)},
		{name: "private", root: "private.bin", files: single(50_000), private: true},
		{name: "web", root: "web.bin", files: single(4 << 20), webSeed: true, behaviour: seedsNothing},
		{name: "webmulti", root: "webmulti", webSeed: true, behaviour: seedsNothing, files: []specFile{
			in(500_000, "x.bin"), in(500_000, "d", "y z.bin"),
		}},
	}
}

func slow(o swarmOptions) []spec {
	return []spec{
		{name: "slow", root: "slow.bin", files: single(32 << 20), rate: o.slowRate},
		{name: "slowmulti", root: "slowmulti", rate: o.slowRate, files: []specFile{
			in(8<<20, "one.bin"), in(8<<20, "sub", "two.bin"), in(8<<20, "sub", "three.bin"),
		}},
		{name: "padded", root: "padded", rate: o.slowRate, files: []specFile{
			in(12_000_000, "one.bin"), padding(12_000_000),
			in(3_000_000, "sub", "two.bin"), padding(3_000_000), in(2_000_000, "sub", "three.bin"),
		}},
	}
}

func misbehaving() []spec {
	return []spec{
		{name: "stall", root: "stall.bin", files: single(1 << 20), behaviour: stalls},
		{name: "metastall", root: "metastall.bin", files: single(1 << 20), behaviour: hidesInfo},
		{name: "corrupt", root: "corrupt.bin", files: single(1 << 20), behaviour: corrupts},
		{name: "dead", root: "dead.bin", files: single(1 << 20), behaviour: seedsNothing},
		{name: "unknown", root: "unknown.bin", files: single(1), behaviour: seedsNothing, onlyLink: true},
		{name: "trackerless", root: "trackerless.bin", files: single(1), behaviour: seedsNothing, onlyLink: true, noTracker: true},
	}
}

func hostile() []spec {
	return []spec{
		{name: "toolong", root: strings.Repeat("é", 150) + ".bin", files: single(50_000)}, // 304 bytes
		{name: "evil-dotdot", root: "evil-dotdot", files: []specFile{in(20_000, "..", "..", "evil-1.txt"), in(20_000, "ok.txt")}},
		{name: "evil-name", root: "../evil-2.txt", files: single(20_000)},
		{name: "evil-root", root: "..", files: []specFile{in(20_000, "evil-3.txt")}},
		{name: "evil-abs", root: "/tmp/evil-4", files: []specFile{in(20_000, "/tmp", "x.txt")}},
		{name: "evil-slash", root: "evil-slash", files: []specFile{in(20_000, "a/../../evil-5.txt"), in(100, `c:\evil\..\x.txt`)}},
		{name: "evil-dup", root: "evil-dup", files: []specFile{in(20_000, "same.txt"), in(20_000, "same.txt"), in(10, "SAME.txt")}},
		{name: "evil-ctl", root: "evil\nctl\x01\x7f", files: []specFile{
			in(20_000, "new\nline", "tab\t.txt"), in(10, "-rf"), in(10, "bad\xff\xfeutf8.bin"), in(1, " lead"), in(1, "trail. "),
		}},
		{name: "invalid", raw: "d8:announce3:foo4:infod6:lengthi5eee"},
		{name: "html", raw: page},
	}
}

// Many returns the names of n tiny torrents of 20 kB each.
func Many(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("many-%04d", i)
	}
	return names
}
