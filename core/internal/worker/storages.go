package worker

import (
	"context"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
	"github.com/haul-dl/haul/sdk/storage"
)

// storageOf returns the root of a local storage, or the driver of another one.
func (n *Node) storageOf(id core.StorageID) (root string, driver storage.Driver, err error) {
	s, ok := n.storages[id]
	if !ok || s.Kind != core.StorageLocal {
		return "", nil, errs.New(errs.StorageMissing, "The task's storage does not exist on this node.")
	}
	return s.Root, nil, nil
}

// TestStorage implements core.Session.
func (s *session) TestStorage(context.Context, core.DesiredStorage) (downloader.TestResult, error) {
	return downloader.TestResult{}, errs.New(errs.NotOffered, "The node cannot test storages.")
}

// FindTaken implements core.Session.
func (s *session) FindTaken(context.Context, core.StorageID, string, []string) ([]string, error) {
	return nil, errs.New(errs.NotOffered, "The node cannot look into storages.")
}

// RemoveFiles implements core.Session.
func (s *session) RemoveFiles(context.Context, core.StorageID, string, []core.DeliveredFile) error {
	return errs.New(errs.NotOffered, "The node cannot remove files.")
}
