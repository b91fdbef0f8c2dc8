package delivery

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/haul-dl/haul/sdk/errs"
)

func TestNoLinkInAHomeLeadsToAnotherHome(t *testing.T) {
	for _, path := range []string{"alice/link", "alice/link/new/folder"} {
		job := newJob(t, tree{"a.bin": "A"})
		job.Path = path
		for _, home := range []string{"alice", "bob"} {
			if err := os.Mkdir(filepath.Join(job.Root, home), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Symlink("../bob", filepath.Join(job.Root, "alice", "link")); err != nil {
			t.Fatal(err)
		}
		if _, err := deliver(newMover(), job); !errs.Is(err, errs.InvalidDestination) {
			t.Errorf("%s: %v", path, err)
		}
		if left, err := os.ReadDir(filepath.Join(job.Root, "bob")); err != nil || len(left) != 0 {
			t.Errorf("%s: in the other home are %v, %v", path, left, err)
		}
	}
}
