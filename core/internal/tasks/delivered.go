package tasks

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"time"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/delivery"
	"github.com/haul-dl/haul/sdk/errs"
)

// removeTimeout is how long it may take to remove the files of a task, lookTimeout
// how long a node may take to look for them.
const (
	removeTimeout = time.Minute
	lookTimeout   = time.Minute
)

// OpenFile opens a delivered file.
func (s *Service) OpenFile(ctx context.Context, id core.TaskID, index int) (*core.FileContent, error) {
	t, err := s.mine(ctx, id)
	if err != nil {
		return nil, err
	}
	if len(t.Files) == 0 {
		return nil, errs.New(errs.NotDelivered, "The task is %s: its files are not at their destination.", t.State)
	}
	for _, f := range t.Files {
		if f.Index == index {
			return s.open(ctx, t, f)
		}
	}
	return nil, errs.New(errs.NotFound, "The task has no file %d.", index)
}

func (s *Service) open(ctx context.Context, t *core.Task, f core.DeliveredFile) (*core.FileContent, error) {
	if f.Skipped {
		return nil, errs.New(errs.NotDelivered, "The file was not delivered: something else has its name at the destination.")
	}
	dir, err := s.openDestination(ctx, t)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	file, err := dir.Open(f.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errs.New(errs.NotFound, "The file is not at its destination any more.")
	}
	if err != nil {
		return nil, errs.Wrap(err, errs.Internal, "The file cannot be read.")
	}
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return nil, errs.Wrap(errors.Join(err, file.Close()), errs.NotFound, "There is no file of that name at the destination any more.")
	}
	return &core.FileContent{ReadSeekCloser: file, Name: path.Base(f.Path), Size: info.Size(), ModTime: info.ModTime()}, nil
}

// openDestination opens the folder that a task delivers to, so that nothing
// outside of it can be reached through it. It fails with errs.NotOffered where
// that is no folder.
func (s *Service) openDestination(ctx context.Context, t *core.Task) (*os.Root, error) {
	storage, err := s.registry.Storage(string(t.Destination.Storage))
	if err != nil {
		return nil, err
	}
	if storage.Kind != core.StorageLocal {
		return nil, errs.New(errs.NotOffered, "The files are at the storage %q, which haul does not read from.", storage.Name).
			WithHint("Open them there with a program for storages of that kind.")
	}
	owner, err := s.store.User(ctx, t.Owner)
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(storage.Root)
	if err != nil {
		return nil, errs.Wrap(err, errs.Unavailable, "The storage %q cannot be opened.", storage.Name)
	}
	defer root.Close()
	dir, err := openBelow(root, owner.Home(), t.Destination.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errs.New(errs.NotFound, "The destination folder does not exist any more.")
	}
	if err != nil {
		return nil, errs.Wrap(err, errs.Unavailable, "The destination folder cannot be opened.")
	}
	return dir, nil
}

// openBelow opens a folder of a home, so that no link in the home leads to
// another one.
func openBelow(root *os.Root, home, folder string) (*os.Root, error) {
	dir, err := root.OpenRoot(home)
	if err != nil || folder == "" {
		return dir, err
	}
	defer dir.Close()
	return dir.OpenRoot(folder)
}

// ownFiles returns what haul itself has put to the destination.
func ownFiles(t *core.Task) []core.DeliveredFile {
	return slices.DeleteFunc(slices.Clone(t.Files), func(f core.DeliveredFile) bool { return f.Skipped })
}

// deleteFiles removes the delivered files of a task, and the folders that it
// brought along where they are empty then. What somebody changed since stays. It
// goes on after a failure, and returns with that the files that may be there still.
func (s *Service) deleteFiles(ctx context.Context, t *core.Task) (left []core.DeliveredFile, err error) {
	files := ownFiles(t)
	if len(files) == 0 {
		return nil, nil
	}
	storage, err := s.registry.Storage(string(t.Destination.Storage))
	if err != nil {
		return onlyIfThere(files, err)
	}
	owner, err := s.store.User(ctx, t.Owner)
	if err != nil {
		return onlyIfThere(files, err)
	}
	ctx, cancel := context.WithTimeout(ctx, removeTimeout)
	defer cancel()
	folder := inHome(owner, t.Destination.Path)
	if storage.Kind == core.StorageLocal {
		if err := homeIsThere(storage, owner); err != nil {
			return files, err
		}
		return delivery.RemoveFiles(ctx, storage.Root, folder, files)
	}
	node, err := s.nodeReaching(t)
	if err != nil {
		return files, err
	}
	return s.registry.RemoveFiles(ctx, node, storage.ID, folder, files)
}

// onlyIfThere settles files whose storage or owner haul does not have any more.
func onlyIfThere(files []core.DeliveredFile, err error) (left []core.DeliveredFile, _ error) {
	if errs.Is(err, errs.NotFound) {
		return nil, nil
	}
	return files, err
}

// homeIsThere fails where not even the owner's home is at a local storage: that
// is not mounted then. A folder alone somebody may have removed.
func homeIsThere(storage *core.Storage, owner *core.User) error {
	_, err := os.Stat(filepath.Join(storage.Root, owner.Home()))
	if err == nil {
		return nil
	}
	return errs.Wrap(err, errs.Unavailable, "The owner's home is not at the storage %q.", storage.Name).
		WithHint("See whether the storage is mounted. The task can be deleted without its data.")
}

// nodeReaching returns a node that can reach a task's storage.
func (s *Service) nodeReaching(t *core.Task) (core.NodeID, error) {
	if s.registry.Online(t.Node) {
		return t.Node, nil
	}
	online := s.registry.OnlineNodes()
	if len(online) == 0 {
		return "", errs.New(errs.NodeOffline, "No node is online that could reach the files.")
	}
	return online[0], nil
}

// filesMissing reports whether a delivered file is not at the destination any
// more, or in a folder with another size.
func (s *Service) filesMissing(ctx context.Context, t *core.Task) (bool, error) {
	dir, err := s.openDestination(ctx, t)
	switch {
	case errs.Is(err, errs.NotFound):
		return true, nil
	case errs.Is(err, errs.NotOffered):
		return s.remoteMissing(ctx, t)
	case err != nil:
		return false, err
	}
	defer dir.Close()
	for _, f := range ownFiles(t) {
		if info, err := dir.Stat(f.Path); err != nil || !info.Mode().IsRegular() || info.Size() != f.Size {
			return true, nil
		}
	}
	return false, nil
}

// remoteMissing has a node look whether files are at a storage that is no folder.
func (s *Service) remoteMissing(ctx context.Context, t *core.Task) (bool, error) {
	owner, err := s.store.User(ctx, t.Owner)
	if err != nil {
		return false, err
	}
	node, err := s.nodeReaching(t)
	if err != nil {
		return false, err
	}
	files := ownFiles(t)
	names := make([]string, len(files))
	for i, f := range files {
		names[i] = f.Path
	}
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	there, err := s.registry.FindTaken(ctx, node, t.Destination.Storage, inHome(owner, t.Destination.Path), names)
	return len(there) < len(files), err
}
