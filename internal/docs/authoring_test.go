package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/haul-dl/haul/sdk/errs"
)

// authoring returns the page for plugin authors.
func authoring(t *testing.T) string {
	t.Helper()
	return pages(t)[filepath.Join(root, "plugin-authoring.md")]
}

func TestAuthorsReadOfEveryPhaseAndCapability(t *testing.T) {
	page := authoring(t)
	constant := regexp.MustCompile(`(?m)^\t(?:Phase|Capability)\w+\s+(?:Phase|Capability)\s+= "(\w+)"`)
	found := 0
	for _, file := range []string{"status.go", "description.go"} {
		code, err := os.ReadFile(filepath.Join("../../sdk/downloader", file))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range constant.FindAllSubmatch(code, -1) {
			found++
			if !strings.Contains(page, "\n| `"+string(m[1])+"` |") {
				t.Errorf("no row is about %s", m[1])
			}
		}
	}
	if found < 16 {
		t.Errorf("only %d phases and capabilities were found in the code", found)
	}
}

func TestTheCodesThatAuthorsReadOfExist(t *testing.T) {
	known := map[string]bool{}
	for _, c := range errs.Codes() {
		known[string(c)] = true
	}
	row := regexp.MustCompile("(?m)^\\| ((?:`[a-z_]+`(?:, )?)+) \\|")
	code := regexp.MustCompile("`([a-z_]+)`")
	checked := 0
	for _, section := range []string{"## Errors", "## When it does not work"} {
		_, rest, _ := strings.Cut(authoring(t), section)
		rest, _, _ = strings.Cut(rest, "\n## ")
		for _, m := range row.FindAllStringSubmatch(rest, -1) {
			for _, c := range code.FindAllStringSubmatch(m[1], -1) {
				checked++
				if !known[c[1]] {
					t.Errorf("there is no code %s", c[1])
				}
			}
		}
	}
	if checked < 25 {
		t.Errorf("only %d codes were found on the page", checked)
	}
}

func TestTheFilesThatAuthorsAreToChangeAreInTheTemplate(t *testing.T) {
	file := regexp.MustCompile("(?m)^\\| `((?:internal/|main)[a-z_./]+)` \\|")
	found := file.FindAllStringSubmatch(authoring(t), -1)
	if len(found) < 6 {
		t.Errorf("only %d files were found on the page", len(found))
	}
	for _, m := range found {
		if _, err := os.Stat(filepath.Join("../../sdk/template", m[1])); err != nil {
			t.Error(err)
		}
	}
}
