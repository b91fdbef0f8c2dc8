package source

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/haul-dl/haul/sdk/errs"
)

const piece = 16384

func singleInfo() dict {
	return dict{"length": 20000, "name": "a.iso", "piece length": piece, "pieces": strings.Repeat("x", 40)}
}

func multiInfo(paths ...list) dict {
	var files list
	for _, p := range paths {
		files = append(files, dict{"length": 1, "path": p})
	}
	return dict{"files": files, "name": "folder", "piece length": piece, "pieces": strings.Repeat("x", 20)}
}

var root32 = strings.Repeat("r", 32)

func v2Info() dict {
	return dict{
		"file tree": dict{
			"a": dict{"": dict{"length": 20000, "pieces root": root32}},
			"b": dict{"c": dict{"": dict{"length": 5, "pieces root": strings.Repeat("s", 32)}}},
		},
		"meta version": 2, "name": "folder", "piece length": piece,
	}
}

func v2Torrent() dict {
	return dict{"info": v2Info(), "piece layers": dict{root32: strings.Repeat("h", 64)}}
}

func hybridTorrent() dict {
	t := v2Torrent()
	info := t["info"].(dict)
	info["pieces"] = strings.Repeat("x", 60)
	info["files"] = list{
		dict{"length": 20000, "path": list{"a"}},
		dict{"attr": "p", "length": 2*piece - 20000, "path": list{".pad", "12768"}},
		dict{"length": 5, "path": list{"b", "c"}},
	}
	return t
}

func parse(t *testing.T, v any) *Torrent {
	t.Helper()
	got, err := ParseTorrent([]byte(encode(v)))
	if err != nil {
		t.Fatalf("%v", err)
	}
	return got
}

func paths(t *Torrent) string {
	var out []string
	for _, f := range t.Files {
		out = append(out, f.Path)
	}
	return strings.Join(out, " ")
}

func TestATorrentOfOneFileIsRead(t *testing.T) {
	info := singleInfo()
	info["private"] = 1
	got := parse(t, dict{
		"announce":      "http://tracker.example/announce",
		"announce-list": list{list{"udp://a.example:1", "javascript:alert(1)"}, list{"http://tracker.example/announce"}},
		"url-list":      "https://seed.example/a.iso",
		"info":          info,
	})
	if got.Name != "a.iso" || paths(got) != "a.iso" || got.TotalBytes != 20000 || !got.Private {
		t.Errorf("got %+v", got)
	}
	if want := []string{"http://tracker.example/announce", "udp://a.example:1"}; !slices.Equal(got.Trackers, want) {
		t.Errorf("trackers are %q", got.Trackers)
	}
	if !slices.Equal(got.WebSeeds, []string{"https://seed.example/a.iso"}) {
		t.Errorf("web seeds are %q", got.WebSeeds)
	}
	if got.InfoHashV2 != "" {
		t.Errorf("v2 hash is %q", got.InfoHashV2)
	}
}

func TestTheInfoHashIsThatOfTheBytesAsTheyAre(t *testing.T) {
	// printf 'd6:lengthi0e4:name1:a12:piece lengthi16384e6:pieces0:e' | sha1sum
	got, err := ParseTorrent([]byte("d4:infod6:lengthi0e4:name1:a12:piece lengthi16384e6:pieces0:ee"))
	if err != nil {
		t.Fatal(err)
	}
	if want := "5b7e4b42bfee1ce1be9a5ce6fd76ff2a7834afe8"; got.InfoHash != want {
		t.Errorf("got %s, want %s", got.InfoHash, want)
	}
}

func TestVersionsOfTorrentsAreRead(t *testing.T) {
	single := v2Torrent()
	single["info"].(dict)["file tree"] = dict{"folder": dict{"": dict{"length": 20000, "pieces root": root32}}}
	for name, c := range map[string]struct {
		torrent any
		paths   string
		total   int64
		v1, v2  bool
	}{
		"version 1, files":      {dict{"info": multiInfo(list{"a"}, list{"b", "c"})}, "folder/a folder/b/c", 2, true, false},
		"version 2":             {v2Torrent(), "folder/a folder/b/c", 20005, false, true},
		"version 2, one file":   {single, "folder", 20000, false, true},
		"both versions, padded": {hybridTorrent(), "folder/a folder/.pad/12768 folder/b/c", 20005, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			got := parse(t, c.torrent)
			if paths(got) != c.paths || got.TotalBytes != c.total {
				t.Errorf("got %q, %d bytes", paths(got), got.TotalBytes)
			}
			if (len(got.InfoHash) == 40) != c.v1 || (len(got.InfoHashV2) == 64) != c.v2 {
				t.Errorf("hashes are %q and %q", got.InfoHash, got.InfoHashV2)
			}
		})
	}
}

func TestNamesThatAreNotUTF8StayApart(t *testing.T) {
	got := parse(t, dict{"info": multiInfo(list{"\xb0\xa1"}, list{"\xb0\xa2"})})
	if got.Files[0].Path == got.Files[1].Path {
		t.Errorf("both are %q", got.Files[0].Path)
	}
}

func TestTheNameInUTF8IsPreferred(t *testing.T) {
	info := multiInfo(list{"\xb0\xa1"})
	info["name.utf-8"] = "ordner"
	info["files"].(list)[0].(dict)["path.utf-8"] = list{"日本"}
	if got := paths(parse(t, dict{"info": info})); got != "ordner/日本" {
		t.Errorf("got %q", got)
	}
}

func TestUnsafeTorrentsAreRefused(t *testing.T) {
	parts := map[string]string{
		"a parent": "..", "the folder itself": ".", "nothing": "", "an absolute path": "/etc/passwd",
		"a slash": "a/b", "a backslash": `a\b`, "a NUL": "a\x00b",
	}
	for what, part := range parts {
		named := singleInfo()
		named["name"] = part
		twin := multiInfo(list{"a"})
		twin["files"].(list)[0].(dict)["path.utf-8"] = list{"a", part}
		tree := v2Torrent()
		tree["info"].(dict)["file tree"] = dict{"d": dict{part: dict{"": dict{"length": 0}}, "x": dict{"": dict{"length": 0}}}}
		for where, torrent := range map[string]any{
			"the name":       dict{"info": named},
			"a path":         dict{"info": multiInfo(list{"a"}, list{"b", part, "c"})},
			"a path's twin":  dict{"info": twin},
			"the file tree":  tree,
			"a lone element": dict{"info": multiInfo(list{part})},
		} {
			if what == "nothing" && where == "the file tree" {
				continue // an empty key means a file there
			}
			t.Run(what+" in "+where, func(t *testing.T) {
				if _, err := ParseTorrent([]byte(encode(torrent))); !errs.Is(err, errs.UnsafeTorrent) {
					t.Errorf("got %v", err)
				}
			})
		}
	}
}

// with returns a torrent of version 1 whose info is changed.
func with(key string, value any) dict {
	info := singleInfo()
	if value == nil {
		delete(info, key)
	} else {
		info[key] = value
	}
	return dict{"info": info}
}

func TestMalformedTorrentsAreRefused(t *testing.T) {
	v2With := func(change func(torrent, info dict)) dict {
		d := v2Torrent()
		change(d, d["info"].(dict))
		return d
	}
	for name, torrent := range map[string]any{
		"a list":                            list{},
		"no info":                           dict{"announce": "http://h/"},
		"info that is text":                 dict{"info": "x"},
		"no name":                           with("name", nil),
		"a name that is a number":           with("name", 1),
		"no size":                           with("length", nil),
		"a negative size":                   with("length", -1),
		"no piece length":                   with("piece length", nil),
		"a piece length of zero":            with("piece length", 0),
		"no pieces":                         with("pieces", nil),
		"a piece too few":                   with("pieces", strings.Repeat("x", 20)),
		"half a piece":                      with("pieces", strings.Repeat("x", 41)),
		"one file and a list":               with("files", list{}),
		"an unknown version":                with("meta version", 3),
		"no files":                          dict{"info": multiInfo()},
		"a file that is text":               dict{"info": dict{"files": list{"x"}, "name": "n", "piece length": piece, "pieces": ""}},
		"two files of a path":               dict{"info": multiInfo(list{"a"}, list{"a"})},
		"a file in a file":                  dict{"info": multiInfo(list{"a"}, list{"a", "b"})},
		"a folder that is a file":           dict{"info": multiInfo(list{"a", "b"}, list{"a"})},
		"a path of numbers":                 dict{"info": multiInfo(list{1})},
		"v2 without a tree":                 v2With(func(_, info dict) { delete(info, "file tree") }),
		"v2 with an odd piece length":       v2With(func(_, info dict) { info["piece length"] = 20000 }),
		"v2 with small pieces":              v2With(func(_, info dict) { info["piece length"] = 1024 }),
		"v2 without files":                  v2With(func(_, info dict) { info["file tree"] = dict{} }),
		"v2 without layers":                 v2With(func(d, _ dict) { delete(d, "piece layers") }),
		"v2 with short layers":              v2With(func(d, _ dict) { d["piece layers"] = dict{root32: "short"} }),
		"v2 with a file without a hash":     v2With(func(_, info dict) { info["file tree"] = dict{"a": dict{"": dict{"length": 1}}} }),
		"v2 with a file that is a folder":   v2With(func(_, info dict) { info["file tree"] = dict{"a": dict{"": dict{"length": 0}, "b": dict{}}} }),
		"v2 with text in the tree":          v2With(func(_, info dict) { info["file tree"] = dict{"a": "x"} }),
		"versions that list other files":    hybridWith("path", list{"z"}),
		"versions that list other sizes":    hybridWith("length", 6),
		"sizes that overflow when added up": dict{"info": overflowing()},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := ParseTorrent([]byte(encode(torrent))); !errs.Is(err, errs.InvalidTorrent) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func hybridWith(key string, value any) dict {
	d := hybridTorrent()
	d["info"].(dict)["files"].(list)[2].(dict)[key] = value
	return d
}

func overflowing() dict {
	info := multiInfo(list{"a"}, list{"b"})
	for _, f := range info["files"].(list) {
		f.(dict)["length"] = 1 << 62
	}
	info["files"] = append(info["files"].(list), dict{"length": 1 << 62, "path": list{"c"}})
	return info
}

func TestWhatIsNoTorrentSaysWhatItIs(t *testing.T) {
	for name, c := range map[string]struct{ in, want string }{
		"a web page":      {"\n<!DOCTYPE html><html><body>Log in</body></html>", "web page"},
		"an XHTML page":   {`<?xml version="1.0"?><html xmlns="x"></html>`, "web page"},
		"an empty file":   {"", "cut off"},
		"a picture":       {"\x89PNG\r\n", "not bencoded"},
		"a torrent's end": {encode(dict{"info": singleInfo()})[:60], "cut off"},
		"a torrent twice": {strings.Repeat(encode(dict{"info": singleInfo()}), 2), "after the end"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParseTorrent([]byte(c.in))
			if !errs.Is(err, errs.InvalidTorrent) || !strings.Contains(errs.MessageOf(err), c.want) {
				t.Errorf("got %v", err)
			}
			if errs.HintOf(err) == "" {
				t.Error("there is no hint")
			}
		})
	}
}

func TestAPrefixSaidForManyNamesIsBounded(t *testing.T) {
	files := make([]list, 40)
	for i := range files {
		files[i] = list{strings.Repeat("d", i+1)}
	}
	info := multiInfo(files...)
	info["name"] = strings.Repeat("n", 2<<20)
	if _, err := ParseTorrent([]byte(encode(dict{"info": info}))); !errs.Is(err, errs.InvalidTorrent) {
		t.Errorf("got %v", err)
	}
}

func FuzzTorrent(f *testing.F) {
	seeds := map[string]any{
		"v1": dict{"info": singleInfo()}, "files": dict{"info": multiInfo(list{"a"}, list{"b", "c"})},
		"v2": v2Torrent(), "hybrid": hybridTorrent(), "unsafe": dict{"info": multiInfo(list{"..", "x"})},
	}
	for _, name := range slices.Sorted(maps.Keys(seeds)) {
		f.Add([]byte(encode(seeds[name])))
	}
	f.Add([]byte("<html>"))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := ParseTorrent(b)
		if err != nil {
			if errs.Is(err, errs.Internal) {
				t.Errorf("an error without a code: %v", err)
			}
			return
		}
		if got.InfoHash == "" && got.InfoHashV2 == "" || len(got.Files) == 0 || got.TotalBytes < 0 {
			t.Errorf("accepted %+v", got)
		}
		for _, file := range got.Files {
			if !filepath.IsLocal(file.Path) || file.Size < 0 {
				t.Errorf("accepted the file %+v", file)
			}
		}
	})
}
