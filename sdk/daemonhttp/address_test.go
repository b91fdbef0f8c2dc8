package daemonhttp

import (
	"testing"

	"github.com/haul-dl/haul/sdk/errs"
)

func aria2() Daemon {
	return Daemon{
		Name: "aria2", Port: "6800", Path: "/jsonrpc", Example: "http://127.0.0.1:6800/jsonrpc",
		StartHint: "Start aria2 with --enable-rpc.",
	}
}

func TestAddressIsTakenInAllFormsPeopleWrite(t *testing.T) {
	for in, want := range map[string]string{
		"nas":                               "http://nas:6800/jsonrpc",
		"nas:6801":                          "http://nas:6801/jsonrpc",
		" nas:6801/ ":                       "http://nas:6801/jsonrpc",
		"nas:6801//":                        "http://nas:6801/jsonrpc",
		"10.0.0.1:6800/jsonrpc/":            "http://10.0.0.1:6800/jsonrpc",
		"http://nas:6800/jsonrpc":           "http://nas:6800/jsonrpc",
		"http://nas:6800":                   "http://nas:6800/jsonrpc",
		"http://nas/":                       "http://nas/jsonrpc",
		"HTTPS://nas.example/aria2/jsonrpc": "https://nas.example/aria2/jsonrpc",
		"https://nas/a%20b/":                "https://nas/a%20b",
		"ws://nas:6800/jsonrpc":             "http://nas:6800/jsonrpc",
		"wss://nas/x/":                      "https://nas/x",
		"::1":                               "http://[::1]:6800/jsonrpc",
		"[::1]:6801":                        "http://[::1]:6801/jsonrpc",
		"[::1]":                             "http://[::1]:6800/jsonrpc",
		"fd00::2/jsonrpc":                   "http://[fd00::2]:6800/jsonrpc",
		"fe80::1%eth0":                      "http://[fe80::1%25eth0]:6800/jsonrpc",
		"http://[fd00::2]:6800/jsonrpc":     "http://[fd00::2]:6800/jsonrpc",
	} {
		got, err := aria2().ParseAddress(in)
		if err != nil || got.String() != want {
			t.Errorf("%q: got %v (%v), want %s", in, got, err, want)
		}
	}
	plain := Daemon{Name: "qBittorrent", Port: "8080"}
	if got, err := plain.ParseAddress("nas/"); err != nil || got.String() != "http://nas:8080" {
		t.Errorf("a daemon without a path: %v (%v)", got, err)
	}
}

func TestAddressThatCannotBeOneIsRefused(t *testing.T) {
	for _, in := range []string{
		"", " ", "http://", "ftp://nas", "file:///etc/passwd", "http://user:pass@nas:6800", "unix:///run/x",
		"http://nas:6800/jsonrpc?x=1", "http://nas:6800/#x", "nas:port", "nas:0", "nas:99999", "a b", "http://na\ns", "[::1",
		"http://::1", "http://fd00::2:6800/x", "::1%a b",
	} {
		got, err := aria2().ParseAddress(in)
		if !errs.Is(err, errs.InvalidSettings) || errs.HintOf(err) == "" {
			t.Errorf("%q: got %v, %v", in, got, err)
		}
	}
}

func FuzzParseAddress(f *testing.F) {
	for _, seed := range []string{"http://nas:6800/jsonrpc", "::1/x", "fe80::1%eth0", "wss://[::1]:1//", "a%2Fb/%"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in string) {
		u, err := aria2().ParseAddress(in)
		if err != nil {
			return
		}
		again, err := aria2().ParseAddress(u.String())
		if err != nil || again.String() != u.String() {
			t.Errorf("%q became %q, which becomes %v (%v)", in, u, again, err)
		}
		if u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" {
			t.Errorf("%q became %q", in, u)
		}
	})
}
