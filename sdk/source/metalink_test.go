package source

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/haul-dl/haul/sdk/errs"
)

const metalinkV4 = `<?xml version="1.0" encoding="UTF-8"?>
<!-- made by hand -->
<metalink xmlns="urn:ietf:params:xml:ns:metalink">
  <file name="dir/a.iso">
    <size>14471447</size>
    <hash type="SHA-256">F0AD929CD259957E160EA442EB80986B5F01AB</hash>
    <hash type="md5">not hex</hash>
    <url>http://last.example/a.iso</url>
    <url location="de" priority="2">ftp://second.example/a.iso</url>
    <url priority="1"> https://first.example/a.iso </url>
    <url priority="3">rsync://other.example/a.iso</url>
    <metaurl mediatype="torrent">http://t.example/a.torrent</metaurl>
  </file>
</metalink>
`

const metalinkV3 = `<metalink version="3.0" xmlns="http://www.metalinker.org/">
  <files>
    <file name="a.iso">
      <size>5</size>
      <verification><hash type="sha1">00ff</hash></verification>
      <resources>
        <url type="http" preference="10">http://second.example/a.iso</url>
        <url type="http" preference="90">http://first.example/a.iso</url>
        <url type="bittorrent" preference="100">magnet:?xt=x</url>
      </resources>
    </file>
  </files>
</metalink>`

func TestMetalinksAreRead(t *testing.T) {
	for name, c := range map[string]struct {
		in   string
		want MetalinkFile
	}{
		"version 4": {metalinkV4, MetalinkFile{
			Name: "dir/a.iso", Size: 14471447,
			Hashes: map[string]string{"sha-256": "f0ad929cd259957e160ea442eb80986b5f01ab"},
			URLs:   []string{"https://first.example/a.iso", "ftp://second.example/a.iso", "http://last.example/a.iso"},
		}},
		"version 3": {metalinkV3, MetalinkFile{
			Name: "a.iso", Size: 5, Hashes: map[string]string{"sha1": "00ff"},
			URLs: []string{"http://first.example/a.iso", "http://second.example/a.iso"},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ParseMetalink([]byte(c.in))
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got.Files, []MetalinkFile{c.want}) {
				t.Errorf("got %+v", got.Files)
			}
		})
	}
}

func metalinkOf(name, rest string) string {
	return fmt.Sprintf(`<metalink xmlns="urn:ietf:params:xml:ns:metalink"><file name=%q>%s</file></metalink>`, name, rest)
}

func TestMetalinksThatAreWrongAreRefused(t *testing.T) {
	const url = "<url>http://h/f</url>"
	for name, in := range map[string]string{
		"nothing":               "",
		"text":                  "hello",
		"a web page":            "<!DOCTYPE html><html></html>",
		"another document":      "<rss></rss>",
		"no files":              "<metalink></metalink>",
		"a file without URLs":   metalinkOf("a", ""),
		"URLs of other schemes": metalinkOf("a", "<url>file:///etc/passwd</url>"),
		"a size that is none":   metalinkOf("a", "<size>big</size>"+url),
		"a negative size":       metalinkOf("a", "<size>-1</size>"+url),
		"no name":               metalinkOf("", url),
		"an absolute name":      metalinkOf("/etc/passwd", url),
		"a parent":              metalinkOf("../a", url),
		"a hidden parent":       metalinkOf("a/../../b", url),
		"a backslash":           `<metalink><file name="a\b">` + url + `</file></metalink>`,
		"a line break":          `<metalink><file name="a&#10;b">` + url + `</file></metalink>`,
		"a name twice":          strings.Replace(metalinkOf("a", url), "</metalink>", `<file name="a">`+url+`</file></metalink>`, 1),
		"cut off":               metalinkV4[:300],
		"two documents":         metalinkV3 + metalinkV3,
		"an unknown entity":     metalinkOf("a", "<size>&xxe;</size>"+url),
		"another encoding":      `<?xml version="1.0" encoding="utf-16"?>` + metalinkV3,
		"depth without bottom":  "<metalink>" + strings.Repeat("<file>", 200_000),
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := ParseMetalink([]byte(in)); !errs.Is(err, errs.InvalidMetalink) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func FuzzMetalink(f *testing.F) {
	for _, seed := range []string{metalinkV4, metalinkV3, metalinkOf("../x", "<url>http://h/</url>"), "<metalink/>", ""} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := ParseMetalink(b)
		if err != nil {
			if !errs.Is(err, errs.InvalidMetalink) {
				t.Errorf("got %v", err)
			}
			return
		}
		for _, file := range m.Files {
			if !safePath(file.Name) || len(file.URLs) == 0 || file.Size < 0 {
				t.Errorf("accepted %+v", file)
			}
		}
	})
}
