package aria2rpc

import (
	"testing"

	"github.com/haul-dl/haul/sdk/errs"
)

func TestAddressIsTakenInAllFormsPeopleWrite(t *testing.T) {
	for in, want := range map[string]string{
		"nas":                               "http://nas:6800/jsonrpc",
		"nas:6801":                          "http://nas:6801/jsonrpc",
		" nas:6801/ ":                       "http://nas:6801/jsonrpc",
		"10.0.0.1:6800/jsonrpc/":            "http://10.0.0.1:6800/jsonrpc",
		"http://nas:6800/jsonrpc":           "http://nas:6800/jsonrpc",
		"http://nas:6800":                   "http://nas:6800/jsonrpc",
		"http://nas/":                       "http://nas/jsonrpc",
		"https://nas.example/aria2/jsonrpc": "https://nas.example/aria2/jsonrpc",
		"ws://nas:6800/jsonrpc":             "http://nas:6800/jsonrpc",
		"wss://nas/x/":                      "https://nas/x",
		"::1":                               "http://[::1]:6800/jsonrpc",
		"[::1]:6801":                        "http://[::1]:6801/jsonrpc",
		"fd00::2/jsonrpc":                   "http://[fd00::2]:6800/jsonrpc",
		"http://[fd00::2]:6800/jsonrpc":     "http://[fd00::2]:6800/jsonrpc",
	} {
		got, err := ParseAddress(in)
		if err != nil || got.String() != want {
			t.Errorf("%q: got %v (%v), want %s", in, got, err, want)
		}
	}
}

func TestAddressThatCannotBeOneIsRefused(t *testing.T) {
	for _, in := range []string{
		"", " ", "http://", "ftp://nas", "file:///etc/passwd", "http://user:pass@nas:6800",
		"http://nas:6800/jsonrpc?x=1", "http://nas:6800/#x", "nas:port", "nas:0", "nas:99999", "a b", "http://na\ns",
	} {
		if got, err := ParseAddress(in); !errs.Is(err, errs.InvalidSettings) {
			t.Errorf("%q: got %v, %v", in, got, err)
		}
	}
}

func FuzzParseAddress(f *testing.F) {
	f.Add("http://nas:6800/jsonrpc")
	f.Add("::1/x")
	f.Fuzz(func(t *testing.T, in string) {
		u, err := ParseAddress(in)
		if err != nil {
			return
		}
		if again, err := ParseAddress(u.String()); err != nil || again.String() != u.String() {
			t.Errorf("%q became %q, which becomes %v (%v)", in, u, again, err)
		}
	})
}
