package worker

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/haul-dl/haul/sdk/errs"
)

func TestADownloadFolderServesOneNode(t *testing.T) {
	shared := filepath.Join(t.TempDir(), "downloads")
	open := func(nodeDir string) error {
		d := &jobDirs{path: shared, nodeDir: nodeDir}
		if err := d.open(); err != nil {
			return err
		}
		return d.close()
	}
	first, second := t.TempDir(), t.TempDir()
	for range 2 {
		if err := open(first); err != nil {
			t.Fatal(err)
		}
	}
	if err := open(second); !errs.Is(err, errs.InUse) || errs.HintOf(err) == "" {
		t.Errorf("another node gets %v", err)
	}
	if err := os.Remove(filepath.Join(shared, claimName)); err != nil {
		t.Fatal(err)
	}
	if err := open(second); err != nil {
		t.Errorf("after the claim is gone: %v", err)
	}
}
