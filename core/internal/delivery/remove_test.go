package delivery

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/sdk/errs"
)

func TestTakenNamesAreFound(t *testing.T) {
	root := t.TempDir()
	tree{"home/movies/a": "A", "home/movies/d/b": "B"}.write(t, root)
	if err := os.Symlink("nowhere", filepath.Join(root, "home/movies/link")); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		path  string
		names []string
		want  []string
		code  errs.Code
	}{
		{path: "home/movies", names: []string{"x", "d", "link", "a", "a/b"}, want: []string{"d", "link", "a"}},
		{path: "home/none", names: []string{"a"}},
		{path: "home/movies", names: []string{"../movies"}, code: errs.InvalidDestination},
		{path: "../x", names: []string{"a"}, code: errs.InvalidDestination},
	}
	for _, tt := range tests {
		got, err := FindTaken(t.Context(), root, tt.path, tt.names)
		if errs.CodeOf(err) != tt.code || !slices.Equal(got, tt.want) {
			t.Errorf("%q in %s: %q, %v", tt.names, tt.path, got, err)
		}
	}
}

func TestOnlyWhatWasDeliveredIsRemoved(t *testing.T) {
	root := t.TempDir()
	tree{
		"home/a": "A", "home/d/e/b": "B", "home/d/e/c": "C", "home/f/own": "own", "home/f/g": "G",
		"home/changed": "longer than before", "home/skipped": "S", "other/x": "X",
	}.write(t, root)
	if err := os.Symlink("f", filepath.Join(root, "home/link")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("../other", filepath.Join(root, "home/out")); err != nil {
		t.Fatal(err)
	}
	files := []core.DeliveredFile{
		{Path: "a", Size: 1},
		{Path: "d/e/b", Size: 1},
		{Path: "d/e/c", Size: 1},
		{Path: "f/g", Size: 1},
		{Path: "changed", Size: 1},
		{Path: "skipped", Size: 1, Skipped: true},
		{Path: "link/own", Size: 3},
		{Path: "out/x", Size: 1},
		{Path: "../other/x", Size: 1},
		{Path: "gone/file", Size: 1},
		{Path: "f", Size: 0},
	}
	for range 2 {
		if left, err := RemoveFiles(t.Context(), root, "home", files); err != nil || len(left) > 0 {
			t.Fatal(left, err)
		}
	}
	for _, link := range []string{"link", "out"} {
		if err := os.Remove(filepath.Join(root, "home", link)); err != nil {
			t.Errorf("the link %s: %v", link, err)
		}
	}
	assertTree(t, root, tree{"home/f/own": "own", "home/changed": "longer than before", "home/skipped": "S", "other/x": "X"})
	if left, err := RemoveFiles(t.Context(), root, "none", files); err != nil || len(left) > 0 {
		t.Errorf("a folder that is gone: %v, %v", left, err)
	}
}

func TestWhatSomebodyPutIntoADeliveredFolderStays(t *testing.T) {
	for use, data := range map[string]DataUse{"move": DataMove, "link": DataLink, "copy": DataCopy} {
		files := tree{"a": "A", "d/b": "B"}
		job := newJob(t, files)
		job.Data = data
		plan := mustPlan(t, job)
		if _, err := execute(newMover(), job, &plan); err != nil {
			t.Fatal(err)
		}
		tree{"d/mine": "mine", "a": "changed"}.write(t, job.folder())
		if err := newMover().Retract(t.Context(), job, plan); err != nil {
			t.Fatal(err)
		}
		got := read(t, job.folder())
		if got["d/mine"] != "mine" || got["d/b"] != "" || len(got) != 2 {
			t.Errorf("%s: left %q", use, got.names())
		}
		if read(t, job.Source)["d/b"] != "B" {
			t.Errorf("%s: the download is not whole again", use)
		}
	}
}

func TestWhatCannotBeRemovedIsLeft(t *testing.T) {
	root := t.TempDir()
	for _, name := range []string{"a", "sub/b", "moved/c"} {
		if err := errors.Join(os.MkdirAll(filepath.Dir(filepath.Join(root, "home", name)), 0o755), os.WriteFile(filepath.Join(root, "home", name), []byte("one"), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	// A folder that was moved away, with a link in its place, is settled.
	if err := errors.Join(os.Rename(filepath.Join(root, "home/moved"), filepath.Join(root, "else")), os.Symlink(filepath.Join(root, "else"), filepath.Join(root, "home/moved"))); err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("x", 300) // a name that no file system lets one look at
	files := []core.DeliveredFile{{Path: "a", Size: 3}, {Path: "sub/" + long, Size: 3}, {Path: "sub/b", Size: 3}, {Path: "moved/c", Size: 3}}
	left, err := RemoveFiles(t.Context(), root, "home", files)
	if !errs.Is(err, errs.DestinationReadOnly) || !slices.Equal(left, files[1:2]) {
		t.Errorf("left are %v, %v", left, err)
	}
	for name, want := range map[string]bool{"else/c": true, "home/moved": true, "home/a": false, "home/sub/b": false} {
		if _, err := os.Lstat(filepath.Join(root, name)); (err == nil) != want {
			t.Errorf("%s: %v, want it there: %t", name, err, want)
		}
	}
}
