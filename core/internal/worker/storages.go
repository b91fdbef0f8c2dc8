package worker

import (
	"context"
	"errors"
	"os"

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
func (s *session) TestStorage(_ context.Context, st core.DesiredStorage) (downloader.TestResult, error) {
	if st.Kind == core.StorageLocal {
		return testFolder(st.Root), nil
	}
	return downloader.TestResult{}, errs.New(errs.PluginMissing, "There is no plugin for storages of kind %q.", st.Kind)
}

// testFolder proves that a local storage can be written.
func testFolder(root string) downloader.TestResult {
	check := downloader.TestCheck{Name: "writable", Message: "Files can be made there."}
	if err := tryFolder(root); err != nil {
		check.Err = err
		check.Message = errs.MessageOf(err)
	}
	return downloader.TestResult{Checks: []downloader.TestCheck{check}}
}

func tryFolder(root string) error {
	f, err := os.CreateTemp(root, core.TemporaryPrefix+"test-*")
	if err != nil {
		return errs.Wrap(err, errs.DestinationReadOnly, "The folder %s cannot be written.", root)
	}
	if err := errors.Join(f.Close(), os.Remove(f.Name())); err != nil {
		return errs.Wrap(err, errs.DestinationReadOnly, "A file in %s cannot be removed.", root)
	}
	return nil
}
