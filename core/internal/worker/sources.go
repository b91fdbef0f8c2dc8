package worker

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"path"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/delivery"
	"github.com/haul-dl/haul/sdk/errs"
	"github.com/haul-dl/haul/sdk/storage"
)

// storageAsked asks for the way to a storage.
type storageAsked struct {
	id    core.StorageID
	reply chan storageFound // has room for the answer
}

type storageFound struct {
	root   string
	driver storage.Driver
	err    error
}

func (n *Node) onStorageAsked(e storageAsked) {
	root, driver, err := n.storageOf(e.id)
	e.reply <- storageFound{root, driver, err}
}

// find returns the way to a storage, from outside of the loop.
func (s *session) find(ctx context.Context, id core.StorageID) (storageFound, error) {
	reply := make(chan storageFound, 1)
	if !s.node.post(storageAsked{id, reply}) {
		return storageFound{}, errStopped()
	}
	select {
	case found := <-reply:
		return found, found.err
	case <-s.node.ended:
		return storageFound{}, errStopped()
	case <-ctx.Done():
		return storageFound{}, ctx.Err()
	}
}

// FindTaken implements core.Session.
func (s *session) FindTaken(ctx context.Context, id core.StorageID, folder string, names []string) ([]string, error) {
	at, err := s.find(ctx, id)
	if err != nil {
		return nil, err
	}
	if at.driver == nil {
		return delivery.FindTaken(ctx, at.root, folder, names)
	}
	return takenObjects(ctx, at.driver, folder, names)
}

// looksAtOnce is how many names a storage is asked for at once.
const looksAtOnce = 8

// takenObjects returns which names are taken in a folder of a storage, in their
// order. One that the storage cannot hold is not.
func takenObjects(ctx context.Context, d storage.Driver, folder string, names []string) ([]string, error) {
	there := make([]bool, len(names))
	looks, ctx := errgroup.WithContext(ctx)
	looks.SetLimit(looksAtOnce)
	for i, name := range names {
		looks.Go(func() error {
			_, err := d.Stat(ctx, path.Join(folder, name))
			if errs.Is(err, errs.NotFound) || errs.Is(err, errs.NameNotPossible) {
				return nil
			}
			there[i] = err == nil
			return err
		})
	}
	if err := looks.Wait(); err != nil {
		return nil, err
	}
	var taken []string
	for i, name := range names {
		if there[i] {
			taken = append(taken, name)
		}
	}
	return taken, nil
}

// RemoveFiles implements core.Session.
func (s *session) RemoveFiles(ctx context.Context, id core.StorageID, folder string, files []core.DeliveredFile) (left []core.DeliveredFile, err error) {
	at, err := s.find(ctx, id)
	if err != nil {
		return files, err
	}
	if at.driver == nil {
		return delivery.RemoveFiles(ctx, at.root, folder, files)
	}
	return removeObjects(ctx, at.driver, folder, files)
}

// removeObjects removes delivered files that are as they were, and the folders
// that are empty then. It gives up when the storage does not answer, and goes on
// after another error. It returns the files that may be there still.
func removeObjects(ctx context.Context, d storage.Driver, folder string, files []core.DeliveredFile) (left []core.DeliveredFile, err error) {
	var mu sync.Mutex // guards failed, settled and folders
	var failed []error
	var settled []core.DeliveredFile
	folders := map[string]bool{}
	removals, each := errgroup.WithContext(ctx)
	removals.SetLimit(looksAtOnce)
	for _, f := range files {
		if f.Skipped {
			continue
		}
		removals.Go(func() error {
			err := removeObject(each, d, path.Join(folder, f.Path), f.Size)
			if errs.Is(err, errs.StorageUnreachable) || errs.Is(err, errs.StorageAuthFailed) || each.Err() != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				failed = append(failed, err)
				return nil
			}
			settled = append(settled, f)
			for parent := path.Dir(f.Path); parent != "."; parent = path.Dir(parent) {
				folders[parent] = true
			}
			return nil
		})
	}
	if err := removals.Wait(); err != nil {
		return core.WithoutFiles(files, settled), err
	}
	if len(failed) > 0 {
		left = core.WithoutFiles(files, settled)
	}
	return left, errors.Join(append(failed, removeFolders(ctx, d, folder, folders))...)
}

// removeObject removes a file that has its size still; what is gone is success.
func removeObject(ctx context.Context, d storage.Driver, name string, size int64) error {
	o, err := d.Stat(ctx, name)
	if err == nil && !o.Dir && o.Size == size {
		err = d.Remove(ctx, name)
	}
	if errs.Is(err, errs.NotFound) {
		return nil
	}
	return err
}

// removeFolders removes the folders that are empty, the deepest first.
func removeFolders(ctx context.Context, d storage.Driver, folder string, folders map[string]bool) error {
	var failed []error
	for _, parent := range deepestFirst(folders) {
		if err := d.Remove(ctx, path.Join(folder, parent)); err != nil && !errs.Is(err, errs.InUse) && !errs.Is(err, errs.NotFound) {
			failed = append(failed, err)
		}
	}
	return errors.Join(failed...)
}

// deepestFirst returns paths so that a folder comes after all that is in it.
func deepestFirst(paths map[string]bool) []string {
	return slices.SortedFunc(maps.Keys(paths), func(a, b string) int { return cmp.Compare(len(b), len(a)) })
}
