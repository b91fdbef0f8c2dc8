package delivery

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/sdk/errs"
)

// ntfs mounts a file system that takes the names of Windows only, and does not
// tell case apart; it takes root and ntfs-3g.
func ntfs(t *testing.T) string {
	t.Helper()
	image, dir := filepath.Join(t.TempDir(), "image"), t.TempDir()
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(image, 16<<20); err != nil {
		t.Fatal(err)
	}
	for _, command := range [][]string{{"mkfs.ntfs", "-q", "-F", "-f", image}, {"lowntfs-3g", "-o", "windows_names,ignore_case", image, dir}} {
		if out, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
			t.Skipf("no NTFS here: %v: %s", err, out)
		}
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", dir).CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
	})
	return dir
}

func TestNamesFitARealFileSystemOfWindows(t *testing.T) {
	dir := ntfs(t)
	files := tree{"what?.bin": "A", "Read.me": "B", "read.me": "C", "d/a:b": "D", "d/end.": "E", "d/X": "F", "d/x": "G", "plain/y": "H"}
	for _, policy := range []core.ConflictPolicy{core.ConflictRename, core.ConflictOverwrite} {
		job := newJob(t, files)
		job.Root, job.Path, job.OnConflict = dir, string(policy), policy
		r, err := deliver(newMover(), job)
		// The file system may show names in other letters than they were given.
		for _, f := range r.Files {
			got, readErr := os.ReadFile(filepath.Join(job.folder(), f.Path))
			if want := files[job.Files[f.Index].Path]; readErr != nil || string(got) != want {
				t.Errorf("%s has %q, want %q: %v", f.Path, got, want, readErr)
			}
		}
		switch policy {
		case core.ConflictRename:
			if err != nil || len(r.Files) != len(files) || !strings.Contains(r.Why, "each became _") {
				t.Errorf("%v: delivered %s, %s", err, paths(r), r.Why)
			}
		default:
			if !errs.Is(err, errs.NameNotPossible) || paths(r) != "Read.me|d/X|plain/y" {
				t.Errorf("%v: delivered %s", err, paths(r))
			}
		}
	}
}
