package users

import (
	"strings"
	"testing"

	"github.com/haul-dl/haul/sdk/errs"
)

func TestAUserNameIsASafeNameOfAFolder(t *testing.T) {
	for _, name := range []string{"admin", "a", "7", "a.b", "a-b_c", "_a", "-", "a..b", "control", "com10", strings.Repeat("a", 32)} {
		if err := CheckName(name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	bad := []string{
		"", ".", "..", ".haul-1", "a.", "A", "Admin", "a/b", `a\b`, "a b", "a\n", "\na", "a\x00", "é", "a:b", "a*", "~",
		"con", "nul.txt", "com1", "lpt9.a", "me", "shared", strings.Repeat("a", 33),
	}
	for _, name := range bad {
		if err := CheckName(name); !errs.Is(err, errs.InvalidRequest) {
			t.Errorf("%q was taken: %v", name, err)
		}
	}
}
