// Package docs keeps the documentation true, as far as a program can tell.
package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// root is where the documentation is.
const root = "../../docs"

// pages returns all pages with their text.
func pages(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".md" {
			return err
		}
		text, err := os.ReadFile(path)
		out[path] = string(text)
		return err
	})
	if err != nil || len(out) == 0 {
		t.Fatalf("%d pages, %v", len(out), err)
	}
	return out
}

func TestEveryLinkLeadsSomewhere(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#:]+)(?:#[^)]*)?\)`)
	for page, text := range pages(t) {
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(page), m[1])); err != nil {
				t.Errorf("%s links to %s: %v", page, m[1], err)
			}
		}
	}
}

func TestEveryNameOfTheArchitectureIsInTheCode(t *testing.T) {
	declared := declaredNames(t)
	code := regexp.MustCompile("`([^`\n]+)`")
	// A function, method, type or field, with or without its package.
	name := regexp.MustCompile(`^(?:[a-z]+\.)?(?:\(\*[A-Za-z]+\)\.)?(?:[A-Z][A-Za-z]*\.)?([A-Za-z]+)$`)
	checked := 0
	for _, m := range code.FindAllStringSubmatch(pages(t)[filepath.Join(root, "architecture.md")], -1) {
		parts := name.FindStringSubmatch(m[1])
		if parts == nil || parts[1] == strings.ToLower(parts[1]) && !strings.Contains(m[1], ".") {
			continue // a path, a command, or a plain word
		}
		checked++
		if !declared[parts[1]] && !notOurs[m[1]] {
			t.Errorf("`%s` is not in the code", m[1])
		}
	}
	if checked < 50 {
		t.Errorf("only %d names were found on the page", checked)
	}
}

// notOurs are names of other programs on the page.
var notOurs = map[string]bool{
	"openapi.yaml": true, "aria2.addUri": true, "haul.db": true, "secret.key": true,
}

// declaredNames returns all names that the product's code declares.
func declaredNames(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	for _, dir := range []string{"core", "api", "sdk", "plugins"} {
		err := filepath.WalkDir(filepath.Join("../..", dir), func(path string, _ fs.DirEntry, err error) error {
			if err != nil || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
				return err
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			ast.Inspect(file, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.FuncDecl:
					names[n.Name.Name] = true
				case *ast.TypeSpec:
					names[n.Name.Name] = true
				case *ast.Field:
					for _, id := range n.Names {
						names[id.Name] = true
					}
				case *ast.ValueSpec:
					for _, id := range n.Names {
						names[id.Name] = true
					}
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return names
}
