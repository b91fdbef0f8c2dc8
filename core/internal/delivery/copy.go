package delivery

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"time"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/sdk/errs"
)

// finished is a copy that is complete, and gets its time once the disk has it:
// that is how a later call recognises it.
type finished struct {
	name string
	time time.Time
}

// copyOne clones or copies one file to a temporary name.
func (x *execution) copyOne(ctx context.Context, from, to string, info fs.FileInfo) (m Method, err error) {
	in, err := openSame(x.from, from, info)
	if err != nil {
		return "", sourceError(err)
	}
	defer in.Close()
	out, err := x.to.OpenFile(to, os.O_RDWR|os.O_CREATE, deliveredMode(info))
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, destinationError(out.Close(), "closing a file")) }()
	c := &fileCopy{execution: x, in: in, out: out, temporary: to, name: from, info: info, file: x.indexOf(from), way: x.wayHere}
	if m, err = c.fill(ctx); err != nil {
		return m, err
	}
	if err := c.unchangedWhileCopied(); err != nil {
		return m, errors.Join(err, x.to.Remove(to))
	}
	if err := x.keep(out, to, info); err != nil {
		return m, err
	}
	if x.job.Verify && m == MethodCopy {
		if err := c.verify(ctx); err != nil {
			return m, errors.Join(err, x.to.Remove(to))
		}
	}
	return m, nil
}

// fill gives the copy its data, in the cheapest way there is.
func (c *fileCopy) fill(ctx context.Context) (Method, error) {
	if c.info.Size() == 0 {
		return MethodCopy, destinationError(c.out.Truncate(0), "cutting a file")
	}
	if !c.noClone {
		err := cloneFile(c.out, c.in)
		if err == nil {
			c.at("cloned")
			return MethodClone, nil
		}
		c.noClone = true
		c.plan.because(whyNotCloned(err))
	}
	if err := c.takeTurn(ctx); err != nil {
		return "", err
	}
	if err := c.findRoom(c.info); err != nil {
		return "", errors.Join(err, c.removeEmpty())
	}
	return MethodCopy, c.run(ctx)
}

// removeEmpty leaves no file, nor folders, for which there is no room.
func (c *fileCopy) removeEmpty() error {
	info, err := c.out.Stat()
	if err != nil || info.Size() > 0 {
		return err
	}
	name := c.temporary
	for ; name != "." && err == nil; name = path.Dir(name) {
		err = c.to.Remove(name) // as long as nothing else is in there
	}
	return nil
}

// takeTurn waits until not too many others copy.
func (x *execution) takeTurn(ctx context.Context) error {
	if x.turn {
		return nil
	}
	select {
	case x.copying <- struct{}{}:
		x.turn = true
		return nil
	default:
	}
	if x.hooks.Waiting != nil {
		x.hooks.Waiting(true)
		defer x.hooks.Waiting(false)
	}
	select {
	case x.copying <- struct{}{}:
		x.turn = true
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// keep makes a copy durable: at once, or many small ones together.
func (x *execution) keep(out *os.File, to string, info fs.FileInfo) error {
	x.unsynced = append(x.unsynced, finished{to, info.ModTime()})
	if x.bulk && info.Size() < worthPreallocating {
		x.unsyncedBytes += info.Size()
		if len(x.unsynced) < unsyncedFiles && x.unsyncedBytes < checkpointEvery {
			return nil
		}
		return x.syncCopies()
	}
	if err := out.Sync(); err != nil {
		return destinationError(err, "writing to the disk")
	}
	last := len(x.unsynced) - 1
	err := x.stamp(x.unsynced[last])
	x.unsynced = x.unsynced[:last]
	x.at("file copied")
	return err
}

// unsyncedFiles is how many copies may have to be made again after a crash.
const unsyncedFiles = 4096

// syncCopies makes the copies of many small files durable.
func (x *execution) syncCopies() error {
	if len(x.unsynced) == 0 {
		return nil
	}
	if err := syncAll(x.toDir); err != nil {
		return destinationError(err, "writing to the disk")
	}
	for _, f := range x.unsynced {
		if err := x.stamp(f); err != nil {
			return err
		}
	}
	x.unsynced, x.unsyncedBytes = nil, 0
	x.at("files copied")
	return nil
}

func (x *execution) stamp(f finished) error {
	return destinationError(x.to.Chtimes(f.name, f.time, f.time), "setting a file's time")
}

// isFinished recognises a copy that an earlier call completed. Some file
// systems keep times in whole or even seconds only.
func isFinished(copied, original fs.FileInfo) bool {
	if !copied.Mode().IsRegular() || copied.Size() != original.Size() {
		return false
	}
	gap := original.ModTime().Sub(copied.ModTime())
	return gap == 0 || copied.ModTime().Nanosecond() == 0 && original.ModTime().Nanosecond() != 0 && gap > 0 && gap < 2*time.Second
}

// removeHidden removes a task's temporary files.
func removeHidden(folder *os.Root, task core.TaskID) error {
	return errors.Join(folder.RemoveAll(hiddenFolder(task)), folder.RemoveAll(probeName(task)))
}

// errDamaged says that a copy is not what was copied.
func errDamaged(name string) error {
	return errs.New(errs.FilesChanged, "The copy of %q differs from what was downloaded.", path.Base(name)).
		WithHint("Check the disks of the node and of the storage; haul copies the file again.")
}
