package source

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/haul-dl/haul/sdk/errs"
)

const (
	hashHex    = "c9e15763f722f23e98a29decdfae341b98d53056"
	hashBase32 = "ZHQVOY7XELZD5GFCTXWN7LRUDOMNKMCW"
	hashV2     = "caf1e1c30e81cb361b9ee167c4aa64228a7fa4fa9f6105232b28ad099f3a302e"
)

func TestMagnetLinksAreRead(t *testing.T) {
	for name, c := range map[string]struct {
		uri  string
		want Magnet
	}{
		"a hash in hex":                {"magnet:?xt=urn:btih:" + hashHex, Magnet{InfoHash: hashHex}},
		"a hash in upper-case hex":     {"MAGNET:?XT=URN:BTIH:" + strings.ToUpper(hashHex), Magnet{InfoHash: hashHex}},
		"a hash in base32":             {"magnet:?xt=urn:btih:" + hashBase32, Magnet{InfoHash: hashHex}},
		"a hash in lower-case base32":  {"magnet:?xt=urn:btih:" + strings.ToLower(hashBase32), Magnet{InfoHash: hashHex}},
		"version 2":                    {"magnet:?xt=urn:btmh:1220" + hashV2, Magnet{InfoHashV2: hashV2}},
		"both versions":                {"magnet:?xt=urn:btih:" + hashHex + "&xt=urn:btmh:1220" + hashV2, Magnet{InfoHash: hashHex, InfoHashV2: hashV2}},
		"numbered topics":              {"magnet:?xt.1=urn:ed2k:x&xt.2=urn:btih:" + hashHex, Magnet{InfoHash: hashHex}},
		"the same hash twice":          {"magnet:?xt=urn:btih:" + hashHex + "&xt=urn:btih:" + hashBase32, Magnet{InfoHash: hashHex}},
		"an escaped topic":             {"magnet:?xt=urn%3Abtih%3A" + hashHex, Magnet{InfoHash: hashHex}},
		"a link from a page's source":  {"magnet:?xt=urn:btih:" + hashHex + "&amp;dn=a", Magnet{InfoHash: hashHex, Name: "a"}},
		"a name":                       {"magnet:?xt=urn:btih:" + hashHex + "&dn=A+b%20c.iso", Magnet{InfoHash: hashHex, Name: "A b c.iso"}},
		"a name with a stray percent":  {"magnet:?xt=urn:btih:" + hashHex + "&dn=100%", Magnet{InfoHash: hashHex, Name: "100%"}},
		"a name that leads elsewhere":  {"magnet:?xt=urn:btih:" + hashHex + "&dn=../../etc/passwd", Magnet{InfoHash: hashHex, Name: ".._.._etc_passwd"}},
		"a name of dots":               {"magnet:?xt=urn:btih:" + hashHex + "&dn=..", Magnet{InfoHash: hashHex}},
		"a size":                       {"magnet:?xt=urn:btih:" + hashHex + "&xl=123", Magnet{InfoHash: hashHex, Size: 123}},
		"a negative size":              {"magnet:?xt=urn:btih:" + hashHex + "&xl=-1", Magnet{InfoHash: hashHex}},
		"trackers, of which some fine": {"magnet:?xt=urn:btih:" + hashHex + "&tr=udp%3A%2F%2Ft.example%3A1&tr=file:///x&tr=x&tr=udp://t.example:1", Magnet{InfoHash: hashHex, Trackers: []string{"udp://t.example:1"}}},
		"a web seed":                   {"magnet:?xt=urn:btih:" + hashHex + "&ws=http://w.example/f", Magnet{InfoHash: hashHex, WebSeeds: []string{"http://w.example/f"}}},
		"what nobody knows":            {"magnet:?xt=urn:btih:" + hashHex + "&foo=bar&&=", Magnet{InfoHash: hashHex}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ParseMagnet(c.uri)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(*got, c.want) {
				t.Errorf("got %+v", *got)
			}
		})
	}
}

func TestMagnetLinksWithoutAValidHashAreRefused(t *testing.T) {
	for name, uri := range map[string]string{
		"nothing":                "",
		"another scheme":         "http://h/?xt=urn:btih:" + hashHex,
		"no hash":                "magnet:?dn=x",
		"a short hash":           "magnet:?xt=urn:btih:abc",
		"a hash with a g":        "magnet:?xt=urn:btih:g" + hashHex[1:],
		"base32 with a 1":        "magnet:?xt=urn:btih:1" + hashBase32[1:],
		"another kind of link":   "magnet:?xt=urn:ed2k:31d6cfe0d16ae931b73c59d7e0c089c0",
		"another multihash":      "magnet:?xt=urn:btmh:1114" + hashHex,
		"a short multihash":      "magnet:?xt=urn:btmh:1220" + hashHex,
		"two different hashes":   "magnet:?xt=urn:btih:" + hashHex + "&xt=urn:btih:" + strings.Repeat("a", 40),
		"a line break":           "magnet:?xt=urn:btih:" + hashHex + "\n",
		"no question mark":       "magnet:xt=urn:btih:" + hashHex,
		"a link without an end":  "magnet:?xt=urn:btih:" + hashHex + "&dn=" + strings.Repeat("x", 100_000),
		"bytes that are no text": "magnet:?xt=urn:btih:" + hashHex + "&dn=\xff",
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := ParseMagnet(uri); !errs.Is(err, errs.InvalidMagnet) || errs.HintOf(err) == "" {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestTrackersAreBounded(t *testing.T) {
	var uri strings.Builder
	uri.WriteString("magnet:?xt=urn:btih:" + hashHex)
	for i := range 1000 {
		fmt.Fprintf(&uri, "&tr=udp://t%d.example:1", i)
	}
	got, err := ParseMagnet(uri.String())
	if err != nil || len(got.Trackers) != 200 {
		t.Errorf("got %d trackers, %v", len(got.Trackers), err)
	}
}

func FuzzMagnet(f *testing.F) {
	for _, seed := range []string{
		"magnet:?xt=urn:btih:" + hashHex + "&dn=a%20b&tr=udp://t:1&xl=5", "magnet:?xt=urn:btih:" + hashBase32,
		"magnet:?xt=urn:btmh:1220" + hashV2, "magnet:?xt.1=urn:btih:" + hashHex + "&amp;ws=http://w/", "magnet:?", "",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, uri string) {
		m, err := ParseMagnet(uri)
		if err != nil {
			if !errs.Is(err, errs.InvalidMagnet) {
				t.Errorf("got %v", err)
			}
			return
		}
		if len(m.InfoHash) != 40 && len(m.InfoHashV2) != 64 {
			t.Errorf("accepted %+v", m)
		}
		if m.Name != FileName(m.Name) || len(m.Name) > 255 || strings.ContainsAny(m.Name, "/\\\x00") {
			t.Errorf("accepted the name %q", m.Name)
		}
	})
}
