package errs_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/haul-dl/haul/sdk/errs"
)

var (
	sectionPattern = regexp.MustCompile("(?s)### `([a-z_]+)`\n\n(.*)")
	waitingPattern = regexp.MustCompile(`errs\.Code = "(waiting_[a-z_]+)"`)
)

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// sections returns what docs/errors.md says of each code.
func sections(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	for part := range strings.SplitSeq(read(t, "../../docs/errors.md"), "\n### ") {
		m := sectionPattern.FindStringSubmatch("### " + part)
		if m == nil {
			continue
		}
		if _, twice := out[m[1]]; twice {
			t.Errorf("%s has two sections", m[1])
		}
		out[m[1]] = m[2]
	}
	return out
}

// waiting returns the codes of tasks that wait, which belong to core.
func waiting(t *testing.T) []string {
	t.Helper()
	var out []string
	for _, m := range waitingPattern.FindAllStringSubmatch(read(t, "../../core/task.go"), -1) {
		out = append(out, m[1])
	}
	if len(out) == 0 {
		t.Fatal("core/task.go has no waiting codes any more")
	}
	return out
}

func TestEveryCodeIsExplained(t *testing.T) {
	documented := sections(t)
	want := waiting(t)
	for _, code := range errs.Codes() {
		want = append(want, string(code))
		line := "*Kind: " + string(code.Kind())
		if code.Retryable() {
			line += ", may work later"
		}
		if text, ok := documented[string(code)]; ok && !strings.Contains(text, line+".*") {
			t.Errorf("the section of %s does not say %q", code, line)
		}
	}
	for _, code := range want {
		text, ok := documented[code]
		if !ok {
			t.Errorf("docs/errors.md has no section %q", code)
		} else if !strings.Contains(text, "**Meaning.** ") || !strings.Contains(text, "**Cure.** ") {
			t.Errorf("the section of %s lacks its meaning or its cure", code)
		}
	}
	for code := range documented {
		if !slices.Contains(want, code) {
			t.Errorf("docs/errors.md explains %q, which does not exist", code)
		}
	}
}
