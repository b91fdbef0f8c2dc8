package worker

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"time"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/pluginhost"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
	"github.com/haul-dl/haul/sdk/storage"
)

const (
	// usedStorageTest and idleStorageTest are how often a storage is tested,
	// while files go there and while not. A test writes a small file.
	usedStorageTest = time.Minute
	idleStorageTest = 10 * time.Minute
	// downStorageTest is how often one is tested that does not answer, while
	// files wait for it.
	downStorageTest = 10 * time.Second
	// storageTestTimeout bounds one test.
	storageTestTimeout = time.Minute
)

// storageTested is the result of a test that the node made on its own.
type storageTested struct {
	id       core.StorageID
	instance StorageInstance // nil of a local storage
	revision int64
	pid      int // of the process that was tested
	found    storageFindings
}

// storageFindings are what a test has found.
type storageFindings struct {
	free, total int64
	err         error
}

// driveStorages begins the tests that are due.
func (n *Node) driveStorages(now time.Time) {
	for id, k := range n.storages {
		if k.removed || k.testing || !k.running() {
			continue
		}
		if now.Before(k.lookAt) {
			n.wakeAt(k.lookAt)
			continue
		}
		if !k.testedAt.IsZero() && now.Sub(k.testedAt) < idleStorageTest && k.health.State == core.HealthOK && !n.deliversTo(id) {
			k.lookAt = now.Add(usedStorageTest)
			n.wakeAt(k.lookAt)
			continue
		}
		n.testStorageNow(k)
	}
}

// suspectStorage has a storage tested soon that a delivery found to be down: so
// what waits for it goes on when it is back, however long its own pause is.
func (n *Node) suspectStorage(id core.StorageID, err error) {
	k := n.storages[id]
	if k == nil || !errs.Is(err, errs.StorageUnreachable) {
		return
	}
	if soon := k.testedAt.Add(downStorageTest); soon.Before(k.lookAt) {
		k.lookAt = soon
		n.wakeAt(soon)
	}
}

// deliversTo reports whether files go to a storage now, or wait to.
func (n *Node) deliversTo(id core.StorageID) bool {
	for _, j := range n.jobs {
		if !j.dataIsThere() {
			continue
		}
		for _, d := range j.Deliveries {
			if d.Want.Storage == id && d.open() {
				return true
			}
		}
	}
	return false
}

func (n *Node) testStorageNow(k *depot) {
	k.testing = true
	e := storageTested{id: k.want.ID, instance: k.inst, revision: k.want.Revision, pid: k.status.PID}
	root := k.want.Root
	n.steps.Go(func() {
		ctx, cancel := context.WithTimeout(n.ctx, storageTestTimeout)
		defer cancel()
		if e.instance == nil {
			e.found = findFolder(root)
		} else {
			e.found = findStorage(ctx, e.instance.Driver())
		}
		n.post(e)
	})
}

// findFolder tests a local storage.
func findFolder(root string) storageFindings {
	found := storageFindings{free: -1, total: -1, err: tryFolder(root)}
	if free, total, err := statfs(root); err == nil {
		found.free, found.total = free, total
	}
	return found
}

// findStorage tests a storage that is no local folder.
func findStorage(ctx context.Context, d storage.Driver) storageFindings {
	found := storageFindings{free: -1, total: -1}
	result, err := d.Test(ctx)
	if err != nil {
		found.err = err
		return found
	}
	for _, c := range result.Checks {
		if c.Err != nil {
			found.err = c.Err
			return found
		}
	}
	if space, err := d.Space(ctx); err == nil {
		found.free, found.total = space.Free, space.Total
	}
	return found
}

func (n *Node) onStorageTested(e storageTested) {
	k := n.storages[e.id]
	if k == nil {
		return
	}
	k.testing = false
	if k.removed || k.inst != e.instance || k.want.Revision != e.revision || k.status.PID != e.pid || !k.running() {
		return // it was another one that was tested; this one's turn is to come
	}
	k.testedAt = time.Now()
	k.lookAt = k.testedAt.Add(usedStorageTest)
	if errs.Is(e.found.err, errs.StorageUnreachable) && n.deliversTo(e.id) {
		k.lookAt = k.testedAt.Add(downStorageTest)
	}
	k.free, k.total = e.found.free, e.found.total
	switch {
	case e.found.err != nil:
		n.setStorageHealth(k, core.HealthDegraded, e.found.err)
	case k.status.State != pluginhost.StateDegraded:
		n.setStorageHealth(k, core.HealthOK, nil)
	}
	n.storagesDirty = true
}

// testFolder proves that a local storage can be written.
func testFolder(root string) downloader.TestResult {
	check := downloader.TestCheck{Name: "writable", Message: "Files can be made there."}
	if err := tryFolder(root); err != nil {
		check.Err, check.Message = err, errs.MessageOf(err)
	}
	return downloader.TestResult{Checks: []downloader.TestCheck{check}}
}

func tryFolder(root string) error {
	f, err := os.CreateTemp(root, core.TemporaryPrefix+"test-*")
	if errors.Is(err, fs.ErrNotExist) {
		return errs.Wrap(err, errs.DestinationReadOnly, "The folder %s is not there.", root).
			WithHint("Make it, or mount what is to be there.")
	}
	if err != nil {
		return errs.Wrap(err, errs.DestinationReadOnly, "The folder %s cannot be written.", root)
	}
	if err := errors.Join(f.Close(), os.Remove(f.Name())); err != nil {
		return errs.Wrap(err, errs.DestinationReadOnly, "A file in %s cannot be removed.", root)
	}
	return nil
}
