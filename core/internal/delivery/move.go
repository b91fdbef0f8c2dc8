package delivery

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sync/errgroup"

	"github.com/haul-dl/haul/sdk/errs"
)

// flushers is how many files of one entry are written to the disk at once:
// file systems join concurrent calls into one write of their journal.
const flushers = 8

// move renames an entry, or copies it where that is impossible.
func (x *execution) move(ctx context.Context, i int) error {
	e := &x.plan.Entries[i]
	switch err := x.prune(ctx, e.Name); {
	case crossesDevices(err): // a folder of another user, which can be read at least
		return x.duplicate(ctx, i)
	case err != nil:
		return sourceError(err)
	}
	x.at("data pruned")
	if err := x.flush(ctx, e.Name); err != nil {
		return sourceError(err)
	}
	x.at("data flushed")
	err := x.settle(ctx, i, x.fromDir, e.Name)
	if crossesDevices(err) {
		return x.duplicate(ctx, i)
	}
	if err != nil {
		return destinationError(err, "renaming")
	}
	return nil
}

// crossesDevices reports whether a rename failed for a reason that a copy does
// not have. Renaming another user's folder needs the right to write into it.
func crossesDevices(err error) bool {
	return errors.Is(err, syscall.EXDEV) || errors.Is(err, syscall.EACCES) || errors.Is(err, syscall.EPERM)
}

// settle gives what is named old in dir its final name, atomically and never
// in place of something else: ErrReplan.
func (x *execution) settle(ctx context.Context, i int, dir *os.File, old string) error {
	e := &x.plan.Entries[i]
	if !e.Claimed {
		err := x.names.renameNew(dir, old, x.toDir, e.As)
		if !errors.Is(err, errors.ErrUnsupported) {
			x.at("renamed")
			return taken(err)
		}
	}
	if !e.Dir && !e.Claimed {
		err := x.names.link(dir, old, x.toDir, e.As)
		if err == nil {
			x.at("linked")
			return x.names.unlink(dir, old)
		}
		if !cannotLink(err) || errors.Is(err, syscall.EXDEV) {
			return taken(err)
		}
	}
	return x.claim(ctx, i, dir, old)
}

// claim makes an empty file or folder of the final name, which nobody else can
// then take, and renames over it. That it may be ours is stored before.
func (x *execution) claim(ctx context.Context, i int, dir *os.File, old string) error {
	e := &x.plan.Entries[i]
	if !e.Claimed {
		e.Claimed = true
		if err := x.save(ctx); err != nil {
			return err
		}
	}
	x.at("claim stored")
	err := x.makeEmpty(e)
	if errors.Is(err, fs.ErrExist) {
		if there, statErr := x.to.Lstat(e.As); statErr != nil || there.IsDir() != e.Dir || !isEmpty(x.to, e.As, there) {
			return ErrReplan
		}
		err = nil
	}
	if err != nil {
		return err
	}
	x.at("claimed")
	err = x.names.rename(dir, old, x.toDir, e.As)
	x.at("renamed")
	if err != nil {
		return errors.Join(taken(err), x.to.Remove(e.As))
	}
	return nil
}

func (x *execution) makeEmpty(e *Entry) error {
	if e.Dir {
		return x.to.Mkdir(e.As, folderMode)
	}
	f, err := x.to.OpenFile(e.As, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

func (x *execution) save(ctx context.Context) error {
	return x.hooks.Save(ctx, Plan{Entries: append([]Entry(nil), x.plan.Entries...)})
}

func taken(err error) error {
	if errors.Is(err, fs.ErrExist) || errors.Is(err, syscall.ENOTEMPTY) {
		return ErrReplan
	}
	return err
}

// flush writes an entry's data to the disk, so that a power failure after the
// rename does not leave an empty file at the destination, and opens it up for
// its future owner. It checks once more that there are only files and folders.
func (x *execution) flush(ctx context.Context, top string) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(flushers)
	err := x.walkListed(ctx, top, func(name string, info fs.FileInfo) error {
		g.Go(func() error { return flushOne(x.from, name, info) })
		return nil
	})
	return errors.Join(g.Wait(), err)
}

func flushOne(root *os.Root, name string, info fs.FileInfo) error {
	f, err := openSame(root, name, info)
	if err != nil {
		return err
	}
	defer f.Close()
	if mode := deliveredMode(info); mode != info.Mode().Perm()|info.Mode()&specialBits {
		// A daemon of another user owns its files: then they stay as they are.
		if err := f.Chmod(mode); err != nil && !errors.Is(err, fs.ErrPermission) {
			return err
		}
	}
	return f.Sync()
}

// specialBits never come along: nobody asked for a set-user-id file.
const specialBits = fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky

// deliveredMode lets the owner and the group read what they were given: some
// daemons write with a umask of 077.
func deliveredMode(info fs.FileInfo) fs.FileMode {
	if info.IsDir() {
		return info.Mode().Perm() | 0o750
	}
	return info.Mode().Perm() | 0o640
}

// openSame opens a file or folder that was looked at before, and nothing that
// has taken its name since.
func openSame(root *os.Root, name string, info fs.FileInfo) (*os.File, error) {
	f, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	now, err := f.Stat()
	if err == nil && !os.SameFile(info, now) {
		err = errs.New(errs.UnsafeFile, "%q changes while it is delivered.", filepath.Base(name))
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}
