package app

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/store"
	"github.com/haul-dl/haul/sdk/errs"
)

// bootstrap makes what the first start makes, the node and the storage of this
// machine, and returns the node.
func bootstrap(ctx context.Context, st *store.Store, files string, now time.Time) (*core.Node, error) {
	root, err := filepath.Abs(files)
	if err != nil {
		return nil, fmt.Errorf("find the files directory: %w", err)
	}
	if err := os.MkdirAll(root, 0o755); err != nil {
		return nil, fmt.Errorf("make the files directory: %w", err)
	}
	var local *core.Node
	err = st.Update(ctx, func(tx *store.Tx) error {
		if local, err = ensureNode(tx, now); err != nil {
			return err
		}
		return ensureStorage(tx, root, now)
	})
	return local, err
}

func ensureNode(tx *store.Tx, now time.Time) (*core.Node, error) {
	n, err := tx.NodeByName(core.LocalNodeName)
	if !errs.Is(err, errs.NotFound) {
		return n, err
	}
	n = &core.Node{ID: core.NewID[core.NodeID](), Name: core.LocalNodeName, CreatedAt: now.UTC()}
	return n, tx.PutNode(n)
}

// ensureStorage also follows a data directory that was moved.
func ensureStorage(tx *store.Tx, root string, now time.Time) error {
	s, err := tx.StorageByName(core.LocalStorageName)
	if errs.Is(err, errs.NotFound) {
		s = &core.Storage{ID: core.NewID[core.StorageID](), Name: core.LocalStorageName, Kind: core.StorageLocal, CreatedAt: now.UTC()}
	} else if err != nil {
		return err
	}
	s.Root = root
	return tx.PutStorage(s)
}
