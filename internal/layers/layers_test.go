package layers

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/haul-dl/haul"

// root is the module's folder, from here.
const root = "../.."

// list returns all packages of the module, with the imports that are ours. It
// reads the files itself, so that go test sees on what its result depends, and
// files for other systems count as well.
func list(t *testing.T) []Package {
	t.Helper()
	packages := map[string]*Package{}
	goFiles(t, root, func(path string) {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		dir, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.ToSlash(dir)
		if packages[name] == nil {
			packages[name] = &Package{Path: name}
		}
		if p := packages[name]; strings.HasSuffix(path, "_test.go") {
			p.TestImports = append(p.TestImports, ours(file)...)
		} else {
			p.Imports = append(p.Imports, ours(file)...)
		}
	})
	all := make([]Package, 0, len(packages))
	for _, name := range slices.Sorted(maps.Keys(packages)) {
		all = append(all, *packages[name])
	}
	return all
}

// goFiles calls f with each Go file below dir that belongs to a package.
func goFiles(t *testing.T, dir string, f func(path string)) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := e.Name()
		if e.IsDir() && path != dir && (name == "testdata" || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_")) {
			return fs.SkipDir
		}
		if !e.IsDir() && strings.HasSuffix(name, ".go") {
			f(path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func ours(file *ast.File) []string {
	var out []string
	for _, spec := range file.Imports {
		if rel, ok := strings.CutPrefix(strings.Trim(spec.Path.Value, `"`), module+"/"); ok {
			out = append(out, rel)
		}
	}
	return out
}

func TestEveryPackageKeepsToItsLayer(t *testing.T) {
	all := list(t)
	if len(all) < 10 {
		t.Fatalf("only %d packages listed", len(all))
	}
	for _, p := range all {
		for _, broken := range Check(p) {
			t.Error(broken)
		}
	}
}

func TestWhatBreaksARuleIsFound(t *testing.T) {
	tests := []struct {
		name string
		pkg  Package
		want int
	}{
		{"a plugin may import the SDK and itself", Package{Path: "plugins/a", Imports: []string{"sdk/errs", "plugins/a/internal/x"}}, 0},
		{"a plugin must not import another one", Package{Path: "plugins/a", Imports: []string{"plugins/b"}}, 1},
		{"a plugin whose name begins like another's is not that one", Package{Path: "plugins/a", Imports: []string{"plugins/ab"}}, 1},
		{"a plugin must not import core", Package{Path: "plugins/a/internal/x", Imports: []string{"core"}}, 1},
		{"the SDK must not import core", Package{Path: "sdk/wire", Imports: []string{"core"}}, 1},
		{"core must not import api", Package{Path: "core/internal/tasks", Imports: []string{"api/client"}}, 1},
		{"app may import both", Package{Path: "core/internal/app", Imports: []string{"api/rest", "core/internal/tasks"}}, 0},
		{"nobody in core imports app", Package{Path: "core/internal/tasks", Imports: []string{"core/internal/app"}}, 1},
		{"rest may import core", Package{Path: "api/rest", Imports: []string{"core", "api/apigen"}}, 0},
		{"rest must not import what is inside core", Package{Path: "api/rest", Imports: []string{"core/internal/tasks"}}, 1},
		{"the command line must not import core", Package{Path: "api/cli", Imports: []string{"core"}}, 1},
		{"the store must not import the plugin host", Package{Path: "core/internal/store/bolt", Imports: []string{"core/internal/pluginhost"}}, 1},
		{"a test may import the lab", Package{Path: "core/internal/worker", TestImports: []string{"internal/lab"}}, 0},
		{"other code must not import the lab", Package{Path: "core/internal/worker", Imports: []string{"internal/lab"}}, 1},
		{"a test of core must not import api", Package{Path: "core/internal/worker", TestImports: []string{"api/client"}}, 1},
		{"a package of no layer is found", Package{Path: "elsewhere"}, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Check(tt.pkg); len(got) != tt.want {
				t.Errorf("got %q, want %d", got, tt.want)
			}
		})
	}
}

// TestCoreKnowsNoPlugin: what a backend can do is data that its plugin declares.
func TestCoreKnowsNoPlugin(t *testing.T) {
	names := map[string]bool{"aria2": true, "qbittorrent": true, "transmission": true}
	plugins, err := os.ReadDir(filepath.Join(root, "plugins"))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range plugins {
		names[p.Name()] = true
	}
	goFiles(t, filepath.Join(root, "core"), func(path string) {
		if strings.HasSuffix(path, "_test.go") {
			return
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for name := range names {
			if bytes.Contains(bytes.ToLower(text), []byte(name)) {
				t.Errorf("%s names the plugin %s", path, name)
			}
		}
	})
}
