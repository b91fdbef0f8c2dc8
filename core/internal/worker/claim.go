package worker

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/haul-dl/haul/sdk/errs"
)

const (
	// claimName is the file in the directory of jobs that says whose it is.
	claimName = ".haul-node"
	// claimKeptName is the node's own copy.
	claimKeptName = "downloads.id"
)

// claim makes sure that the directory of jobs is this node's: jobs that a node
// does not know are removed, and another one's would be. It fails with
// errs.InUse.
func (d *jobDirs) claim() error {
	if strings.HasPrefix(d.path, d.nodeDir+string(filepath.Separator)) {
		return nil // the node's own directory has one node
	}
	kept := filepath.Join(d.nodeDir, claimKeptName)
	id, err := os.ReadFile(kept)
	if errors.Is(err, fs.ErrNotExist) {
		id = []byte(rand.Text())
		err = os.WriteFile(kept, id, 0o600)
	}
	if err != nil {
		return fmt.Errorf("claim the jobs' directory: %w", err)
	}
	claimed, err := d.root.ReadFile(claimName)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(claimed) == 0 {
		err = d.root.WriteFile(claimName, id, 0o640)
		claimed = id
	}
	if err != nil {
		return fmt.Errorf("claim the jobs' directory: %w", err)
	}
	if string(claimed) != string(id) {
		return errs.New(errs.InUse, "The download folder %s belongs to another haul.", d.path).
			WithHint("Give each server a folder of its own (--downloads). If no other one uses this folder any more, delete the file %s in it.", claimName)
	}
	return nil
}
