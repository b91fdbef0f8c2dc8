package tasks

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"slices"
	"syscall"
	"time"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/sdk/errs"
)

// remoteTimeout is how long a node may take to remove the files of a task, or to
// look for them.
const remoteTimeout = time.Minute

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

// errFolderGone is that of deleteFiles where the destination does not exist.
var errFolderGone = errors.New("the destination folder does not exist")

// deleteFiles removes the delivered files of a task, and the folders that it
// brought along where they are empty then. What somebody changed since stays. It
// goes on after a failure, and returns the files that it could not settle.
func (s *Service) deleteFiles(ctx context.Context, t *core.Task) (left []core.DeliveredFile, err error) {
	files := ownFiles(t)
	if len(files) == 0 {
		return nil, nil
	}
	dir, err := s.openDestination(ctx, t)
	switch {
	case errs.Is(err, errs.NotFound):
		return files, errFolderGone
	case errs.Is(err, errs.NotOffered):
		return s.deleteRemote(ctx, t, files)
	case err != nil:
		return files, err
	}
	defer dir.Close()
	return removeAll(dir, files)
}

func removeAll(dir *os.Root, files []core.DeliveredFile) (left []core.DeliveredFile, failed error) {
	for _, f := range files {
		if err := removeOne(dir, f); err != nil {
			left, failed = append(left, f), err
		}
	}
	for _, f := range files {
		for parent := path.Dir(f.Path); parent != "."; parent = path.Dir(parent) {
			if dir.Remove(parent) != nil {
				break // not empty
			}
		}
	}
	return left, failed
}

func removeOne(dir *os.Root, f core.DeliveredFile) error {
	info, err := dir.Lstat(f.Path)
	if err == nil {
		if !info.Mode().IsRegular() || info.Size() != f.Size {
			return nil
		}
		err = dir.Remove(f.Path)
	}
	if err == nil || errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return nil
	}
	return errs.Wrap(err, errs.DestinationReadOnly, "The file %q cannot be removed.", f.Path)
}

// remoteBatch is how many files a node is asked to remove at once.
const remoteBatch = 200

// deleteRemote has a node remove files from a storage that is no folder.
func (s *Service) deleteRemote(ctx context.Context, t *core.Task, files []core.DeliveredFile) (left []core.DeliveredFile, err error) {
	owner, node, err := s.nodeAt(ctx, t)
	if err != nil {
		return files, err
	}
	for batch := range slices.Chunk(files, remoteBatch) {
		if err := s.removeRemote(ctx, node, t.Destination.Storage, inHome(owner, t.Destination.Path), batch); err != nil {
			return files, err
		}
		files = files[len(batch):]
	}
	return nil, nil
}

func (s *Service) removeRemote(ctx context.Context, node core.NodeID, storage core.StorageID, folder string, files []core.DeliveredFile) error {
	ctx, cancel := context.WithTimeout(ctx, remoteTimeout)
	defer cancel()
	return s.registry.RemoveFiles(ctx, node, storage, folder, files)
}

// nodeAt returns a task's owner, and a node that can reach its storage.
func (s *Service) nodeAt(ctx context.Context, t *core.Task) (*core.User, core.NodeID, error) {
	owner, err := s.store.User(ctx, t.Owner)
	if err != nil {
		return nil, "", err
	}
	if s.registry.Online(t.Node) {
		return owner, t.Node, nil
	}
	online := s.registry.OnlineNodes()
	if len(online) == 0 {
		return nil, "", errs.New(errs.NodeOffline, "No node is online that could reach the files.")
	}
	return owner, online[0], nil
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
	owner, node, err := s.nodeAt(ctx, t)
	if err != nil {
		return false, err
	}
	files := ownFiles(t)
	names := make([]string, len(files))
	for i, f := range files {
		names[i] = f.Path
	}
	ctx, cancel := context.WithTimeout(ctx, remoteTimeout)
	defer cancel()
	there, err := s.registry.FindTaken(ctx, node, t.Destination.Storage, inHome(owner, t.Destination.Path), names)
	return len(there) < len(files), err
}
