package delivery

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// btrfs mounts a file system whose files can share data, which takes root and
// its tools.
func btrfs(t *testing.T) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	if _, err := exec.LookPath("mkfs.btrfs"); err != nil {
		t.Fatal("mkfs.btrfs is missing, install it: apt-get install btrfs-progs")
	}
	image, dir := filepath.Join(t.TempDir(), "image"), t.TempDir()
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(image, 128<<20); err != nil {
		t.Fatal(err)
	}
	for _, command := range [][]string{{"mkfs.btrfs", "-q", image}, {"mount", "-o", "loop", image, dir}} {
		if out, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
			t.Skipf("no btrfs here: %v: %s", err, out)
		}
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", dir).CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
	})
	return dir
}

func TestAFileSystemThatCanCloneIsMadeTo(t *testing.T) {
	dir := btrfs(t)
	for _, volume := range []string{"jobs", "storage"} {
		if out, err := exec.Command("btrfs", "subvolume", "create", filepath.Join(dir, volume)).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	files := tree{"a": strings.Repeat("A", 1<<20), "d/b": strings.Repeat("B", 1<<20), "d/empty": ""}
	for use, data := range map[string]DataUse{"move": DataMove, "link": DataLink, "copy": DataCopy} {
		for _, root := range []string{"jobs", "storage"} {
			job := newJobIn(t, filepath.Join(dir, "jobs", use+root), files)
			job.Root, job.Path, job.Data = filepath.Join(dir, root), use, data
			want := MethodClone
			switch {
			case root == "jobs" && data == DataMove:
				want = MethodRename
			case root == "jobs" && data == DataLink:
				want = MethodLink
			}
			r := mustDeliver(t, job)
			if r.Method != want {
				t.Errorf("%s to %s: %s, want %s: %s", use, root, r.Method, want, r.Why)
			}
			assertTree(t, job.folder(), files)
			if data == DataCopy {
				assertTree(t, job.Source, files)
				info, err := os.Stat(filepath.Join(job.folder(), "a"))
				if err != nil || names(info) != 1 {
					t.Errorf("a copy has another name: %v", err)
				}
			}
		}
	}
}
