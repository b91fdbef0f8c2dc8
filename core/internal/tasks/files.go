package tasks

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/sdk/errs"
)

// Files lists the files of a task, once they are known.
func (s *Service) Files(ctx context.Context, id core.TaskID) ([]core.TaskFile, error) {
	t, err := s.mine(ctx, id)
	if err != nil {
		return nil, err
	}
	out := make([]core.TaskFile, 0, len(t.Files))
	for _, f := range t.Files {
		out = append(out, core.TaskFile{Index: f.Index, Path: f.Path, Size: f.Size, Delivered: true})
	}
	return out, nil
}

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
// outside of it can be reached through it.
func (s *Service) openDestination(ctx context.Context, t *core.Task) (*os.Root, error) {
	storage, err := s.registry.Storage(string(t.Destination.Storage))
	if err != nil {
		return nil, err
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

// deleteFiles removes the delivered files of a task, and the folders that it
// brought along where they are empty then. What somebody changed since stays.
func (s *Service) deleteFiles(ctx context.Context, t *core.Task) error {
	if len(t.Files) == 0 {
		return nil
	}
	dir, err := s.openDestination(ctx, t)
	if errs.Is(err, errs.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	defer dir.Close()
	for _, f := range t.Files {
		if info, err := dir.Lstat(f.Path); err != nil || !info.Mode().IsRegular() || info.Size() != f.Size {
			continue
		}
		if err := dir.Remove(f.Path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return errs.Wrap(err, errs.DestinationReadOnly, "The file %q cannot be removed.", f.Path)
		}
	}
	for _, f := range t.Files {
		for parent := path.Dir(f.Path); parent != "."; parent = path.Dir(parent) {
			if dir.Remove(parent) != nil {
				break // not empty
			}
		}
	}
	return nil
}
