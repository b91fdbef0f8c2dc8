package source

import (
	"strings"
	"testing"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

func TestKindsAreDetected(t *testing.T) {
	for in, want := range map[string]downloader.SourceKind{
		"magnet:?xt=urn:btih:" + hashHex:       downloader.SourceMagnet,
		"Magnet:?xt=urn:btih:" + hashHex:       downloader.SourceMagnet,
		"http://h.example/f.iso":               downloader.SourceHTTP,
		"HTTPS://h.example":                    downloader.SourceHTTP,
		"https://h.example/f.torrent":          downloader.SourceTorrent,
		"https://h.example/F.TORRENT?key=1#x":  downloader.SourceTorrent,
		"https://h.example/get?f=x.torrent":    downloader.SourceHTTP,
		"https://h.example/f.metalink":         downloader.SourceMetalink,
		"https://h.example/f.meta4":            downloader.SourceMetalink,
		"ftp://h.example/f":                    downloader.SourceFTP,
		"ftps://user:pw@h.example:990/f":       downloader.SourceFTP,
		"http://[::1]:8080/f":                  downloader.SourceHTTP,
		"http://münchen.example/straße":        downloader.SourceHTTP,
		"http://h.example/with a space/f%20.x": downloader.SourceHTTP,
	} {
		t.Run(in, func(t *testing.T) {
			if got, err := Detect(in); err != nil || got != want {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
}

func TestWhatIsNoSourceIsRefused(t *testing.T) {
	for in, want := range map[string]errs.Code{
		"":                                errs.InvalidSource,
		"hello":                           errs.InvalidSource,
		"example.com/f":                   errs.InvalidSource,
		"example.com:8080/f":              errs.InvalidSource,
		"/etc/passwd":                     errs.InvalidSource,
		"//h.example/f":                   errs.InvalidSource,
		hashHex:                           errs.InvalidSource,
		"http:":                           errs.InvalidSource,
		"http://":                         errs.InvalidSource,
		"http:///f":                       errs.InvalidSource,
		"http:h.example/f":                errs.InvalidSource,
		"http://:80/f":                    errs.InvalidSource,
		"http://h:0/f":                    errs.InvalidSource,
		"http://h:65536/f":                errs.InvalidSource,
		"http://h:x/f":                    errs.InvalidSource,
		"http://h/%zz":                    errs.InvalidSource,
		"http://a b/f":                    errs.InvalidSource,
		"http://h/\x00":                   errs.InvalidSource,
		"http://h/\r\nX: y":               errs.InvalidSource,
		"ftp://h/a%0d%0aDELE b":           errs.InvalidSource,
		"ftp://u%0d%0aDELE:p@h/a":         errs.InvalidSource,
		"http://h/\xff":                   errs.InvalidSource,
		"http://h/%ff":                    errs.InvalidSource,
		"http://h/" + longText:            errs.InvalidSource,
		"file:///etc/passwd":              errs.SourceSchemeUnknown,
		"javascript:alert(1)":             errs.SourceSchemeUnknown,
		"sftp://h/f":                      errs.SourceSchemeUnknown,
		"data:text/plain,x":               errs.SourceSchemeUnknown,
		"ed2k://|file|x|1|" + hashHex:     errs.SourceSchemeUnknown,
		strings.Repeat("a", 9000) + "://": errs.SourceSchemeUnknown,
	} {
		t.Run(in[:min(len(in), 30)], func(t *testing.T) {
			_, err := Detect(in)
			if !errs.Is(err, want) {
				t.Errorf("got %v", err)
			}
			if errs.HintOf(err) == "" || len(errs.MessageOf(err)) > 200 {
				t.Errorf("the answer has no hint, or is too long: %q", errs.MessageOf(err))
			}
		})
	}
}

var longText = strings.Repeat("x", 9000)

func TestAnInfoHashAloneGetsAHint(t *testing.T) {
	_, err := Detect(hashHex)
	if want := "magnet:?xt=urn:btih:" + hashHex; !strings.Contains(errs.HintOf(err), want) {
		t.Errorf("the hint is %q", errs.HintOf(err))
	}
}

func TestURLsSuggestANameAndLoseTheirFragment(t *testing.T) {
	for in, want := range map[string]struct{ url, name string }{
		"http://h/a/f.iso":                     {"http://h/a/f.iso", "f.iso"},
		"HTTP://h/f?x=/y#frag":                 {"http://h/f?x=/y", "f"},
		"http://h":                             {"http://h", ""},
		"http://h/":                            {"http://h/", ""},
		"http://h/a/":                          {"http://h/a/", "a"},
		"http://h/..":                          {"http://h/..", ""},
		"http://h/%2e%2e%2fpasswd":             {"http://h/%2e%2e%2fpasswd", "passwd"},
		"http://h/a%5Cb":                       {"http://h/a%5Cb", "a_b"},
		"http://h/%E2%80%AEtxt.exe":            {"http://h/%E2%80%AEtxt.exe", "txt.exe"},
		"http://h/stra%C3%9Fe%20x.txt":         {"http://h/stra%C3%9Fe%20x.txt", "straße x.txt"},
		"http://h/" + longText[:1000]:          {"http://h/" + longText[:1000], longText[:255]},
		"http://h/" + longText[:1000] + ".iso": {"http://h/" + longText[:1000] + ".iso", longText[:251] + ".iso"},
	} {
		t.Run(in[:min(len(in), 30)], func(t *testing.T) {
			u, name, err := ParseURL(in)
			if err != nil {
				t.Fatal(err)
			}
			if u.String() != want.url || name != want.name {
				t.Errorf("got %q, %q", u, name)
			}
		})
	}
}

func TestFileNamesAreSafe(t *testing.T) {
	for in, want := range map[string]string{
		"a.txt": "a.txt", " a ": "a", "a/b": "a_b", "..": "", ".": "", "": "", "/": "", "\x00\n": "", ".hidden": ".hidden",
		strings.Repeat("é", 200): strings.Repeat("é", 127),
	} {
		if got := FileName(in); got != want {
			t.Errorf("FileName(%q) is %q", in, got)
		}
	}
}
