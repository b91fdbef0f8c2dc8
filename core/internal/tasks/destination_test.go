package tasks

import (
	"strings"
	"testing"

	"github.com/haul-dl/haul/sdk/errs"
)

func TestADestinationStaysInsideTheHome(t *testing.T) {
	good := map[string]string{
		"": "", ".": "", "a": "a", "a/b": "a/b", "a//b/": "a/b", "./a": "a", "Ünï/音楽": "Ünï/音楽", "..a/b..": "..a/b..",
	}
	for in, want := range good {
		if got, err := cleanDestination(in); err != nil || got != want {
			t.Errorf("%q: got %q, %v, want %q", in, got, err, want)
		}
	}
	bad := []string{
		"..", "../x", "a/../..", "a/../b", "/", "/etc", "a\\b", "..\\x", "a\x00b", "a\nb", "\xff",
		".haul-x", "a/.haul-1", strings.Repeat("a", 256), strings.Repeat("a/", 600),
	}
	for _, in := range bad {
		if got, err := cleanDestination(in); !errs.Is(err, errs.InvalidDestination) {
			t.Errorf("%q: got %q, %v, want invalid_destination", in, got, err)
		}
	}
}

func FuzzDestination(f *testing.F) {
	f.Add("a/../b")
	f.Fuzz(func(t *testing.T, in string) {
		out, err := cleanDestination(in)
		if err == nil && (strings.HasPrefix(out, "/") || strings.Contains("/"+out+"/", "/../")) {
			t.Errorf("%q became %q", in, out)
		}
	})
}
