package source

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

type (
	dict = map[string]any
	list = []any
)

// encode writes a value as bencode does.
func encode(v any) string {
	var b strings.Builder
	switch v := v.(type) {
	case string:
		fmt.Fprintf(&b, "%d:%s", len(v), v)
	case int:
		fmt.Fprintf(&b, "i%de", v)
	case list:
		b.WriteByte('l')
		for _, item := range v {
			b.WriteString(encode(item))
		}
		b.WriteByte('e')
	case dict:
		b.WriteByte('d')
		for _, key := range slices.Sorted(maps.Keys(v)) {
			b.WriteString(encode(key) + encode(v[key]))
		}
		b.WriteByte('e')
	default:
		panic(fmt.Sprintf("bencode has no %T", v))
	}
	return b.String()
}

func TestBencodeIsStrict(t *testing.T) {
	for name, in := range map[string]string{
		"nothing":                          "",
		"a letter":                         "x",
		"an end alone":                     "e",
		"a number without digits":          "ie",
		"a number without end":             "i12",
		"a leading zero":                   "i01e",
		"a negative zero":                  "i-0e",
		"a plus sign":                      "i+1e",
		"a number over 64 bits":            "i9223372036854775808e",
		"a string cut off":                 "5:abc",
		"a string without colon":           "5abcde",
		"a length with a leading zero":     "01:a",
		"a length over 64 bits":            "99999999999999999999:a",
		"a length that overflows with its": "9223372036854775807:a",
		"a list without end":               "l1:a",
		"a dictionary without end":         "d1:a1:b",
		"a dictionary without a value":     "d1:ae",
		"a key that is a number":           "di1e1:be",
		"keys out of order":                "d1:bi1e1:ai1ee",
		"a key twice":                      "d1:ai1e1:ai2ee",
		"an empty key twice":               "d0:i1e0:i2ee",
		"bytes after the end":              "i1ei2e",
		"lists without bottom":             strings.Repeat("l", 1_000_000),
		"dictionaries without bottom":      strings.Repeat("d1:a", 1_000_000),
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := parseBencode([]byte(in)); err == nil {
				t.Error("it was accepted")
			}
		})
	}
}

func TestBencodeIsRead(t *testing.T) {
	v, err := parseBencode([]byte(encode(dict{"": "empty", "i": -42, "l": list{"a", list{}, 7}, "s": ""})))
	if err != nil {
		t.Fatal(err)
	}
	if n, ok := v.get("i").int(); !ok || n != -42 {
		t.Errorf("i is %d", n)
	}
	if s, ok := v.get("").bytes(); !ok || string(s) != "empty" {
		t.Errorf("the empty key is %q", s)
	}
	if s, ok := v.get("s").bytes(); !ok || len(s) != 0 {
		t.Errorf("s is %q", s)
	}
	var kinds []byte
	for item := range v.get("l").items {
		kinds = append(kinds, item[0])
	}
	if string(kinds) != "1li" {
		t.Errorf("l has %q", kinds)
	}
	if v.get("missing") != nil {
		t.Error("a missing key has a value")
	}
}

func TestHostileTorrentsCostLittle(t *testing.T) {
	const size = 2 << 20
	deep := strings.Repeat("d1:a", 90)
	for name, in := range map[string]string{
		"numbers":        "l" + strings.Repeat("i0e", size/3) + "e",
		"a file tree":    encodeTree(deep + "d" + manyKeys(size) + "e" + strings.Repeat("e", 90)),
		"many trackers":  "d13:announce-list" + "l" + strings.Repeat("l9:udp://a:1e", size/13) + "e4:info" + encode(singleInfo()) + "e",
		"a lot of lists": "l" + strings.Repeat("le", size/2) + "e",
	} {
		t.Run(name, func(t *testing.T) {
			started := time.Now()
			_, _ = ParseTorrent([]byte(in)) // any answer will do, at once
			if took := time.Since(started); took > 20*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
}

func encodeTree(tree string) string {
	return "d4:infod9:file tree" + tree + "12:meta versioni2e4:name1:n12:piece lengthi16384eee"
}

func manyKeys(size int) string {
	var b strings.Builder
	for i := 0; b.Len() < size; i++ {
		fmt.Fprintf(&b, "7:%07dd0:d6:lengthi0eee", i)
	}
	return b.String()
}

func FuzzBencode(f *testing.F) {
	for _, seed := range []string{"", "i-1e", "d1:ai1e1:bl1:xee", "5:abc", "lllleeee", "d0:0:e", "i9223372036854775807e"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := parseBencode(b)
		if err != nil {
			return
		}
		if got := rebuild(v); got != string(b) {
			t.Errorf("%q reads as %q", b, got)
		}
	})
}

// rebuild writes again what was read: the strict form has one spelling.
func rebuild(v bvalue) string {
	if n, ok := v.int(); ok {
		return fmt.Sprintf("i%de", n)
	}
	if s, ok := v.bytes(); ok {
		return encode(string(s))
	}
	var b strings.Builder
	b.WriteByte(v[0])
	for item := range v.items {
		b.WriteString(rebuild(item))
	}
	for e := range v.entries {
		b.WriteString(encode(string(e.key)) + rebuild(e.value))
	}
	return b.String() + "e"
}
