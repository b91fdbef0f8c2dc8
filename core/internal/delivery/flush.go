package delivery

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"syscall"

	"golang.org/x/sync/errgroup"

	"github.com/haul-dl/haul/sdk/errs"
)

// flushers is how many files of one entry are written to the disk at once:
// file systems join concurrent calls into one write of their journal.
const flushers = 8

// flush writes an entry's data to the disk, so that a power failure after the
// rename does not leave an empty file at the destination, and opens it up for
// its future owner. It checks once more that there are only files and folders.
func (x *execution) flush(ctx context.Context, top string) error {
	sync := (*os.File).Sync
	if x.bulk {
		if err := x.syncSource(); err != nil {
			return err
		}
		sync = func(*os.File) error { return nil }
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(flushers)
	err := x.walkListed(ctx, top, func(name string, info fs.FileInfo) error {
		g.Go(func() error { return flushOne(x.from, name, info, sync) })
		return nil
	})
	return errors.Join(g.Wait(), err)
}

// syncSource writes all of the job's data to the disk in one call.
func (x *execution) syncSource() error {
	if x.fromSynced {
		return nil
	}
	if err := syncAll(x.fromDir); err != nil {
		return err
	}
	x.fromSynced = true
	return nil
}

func flushOne(root *os.Root, name string, info fs.FileInfo, sync func(*os.File) error) error {
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
	return sync(f)
}

// syncTouched makes the names in the destination's folders durable.
func (x *execution) syncTouched() error {
	if len(x.touched) >= bulkFiles {
		return syncAll(x.toDir)
	}
	for dir := range x.touched {
		if dir == "." {
			continue
		}
		if err := x.syncDir(x.to, dir); err != nil {
			return err
		}
	}
	return x.syncs.sync(x.toDir)
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

// folderCache opens the folders below a root, and keeps the last one open: the
// files of one folder come one after the other.
type folderCache struct {
	root *os.Root
	top  *os.File
	name string
	last *os.File
}

func newFolderCache(root *os.Root, top *os.File) *folderCache {
	return &folderCache{root: root, top: top}
}

// open returns a folder, which belongs to the cache.
func (c *folderCache) open(name string) (*os.File, error) {
	if name = path.Clean(name); name == "." {
		return c.top, nil
	}
	if c.last != nil && c.name == name {
		return c.last, nil
	}
	f, err := c.root.OpenFile(name, os.O_RDONLY|syscall.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	c.close()
	c.name, c.last = name, f
	return f, nil
}

// close is safe on nil. Nothing was written through the folder.
func (c *folderCache) close() {
	if c != nil && c.last != nil {
		c.last.Close() //nolint:errcheck // see above
		c.last = nil
	}
}
