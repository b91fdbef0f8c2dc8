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
	codePattern    = regexp.MustCompile(`errs\.Code = "([a-z_]+)"`)
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

// ofCore returns the codes that belong to core: of tasks that wait, and of events.
func ofCore(t *testing.T) []string {
	t.Helper()
	var out []string
	for _, file := range []string{"../../core/task.go", "../../core/job.go"} {
		found := codePattern.FindAllStringSubmatch(read(t, file), -1)
		if len(found) == 0 {
			t.Fatalf("%s has no codes any more", file)
		}
		for _, m := range found {
			out = append(out, m[1])
		}
	}
	return out
}

func TestEveryCodeIsExplained(t *testing.T) {
	documented := sections(t)
	want := ofCore(t)
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
