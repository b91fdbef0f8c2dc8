package delivery

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// copyChunk is how much is copied between two looks at the context.
const copyChunk = 8 << 20

// duplicate delivers an entry and leaves the source where it is: by a link
// where it may and can, else by a copy under a hidden name, whose inode is
// stored before it gets its final name.
func (x *execution) duplicate(ctx context.Context, i int) error {
	e := &x.plan.Entries[i]
	if x.job.Data != DataMove && !e.Dir && e.Copy == 0 {
		if err := x.flush(ctx, e.Name); err != nil {
			return sourceError(err)
		}
		err := x.names.link(x.fromDir, e.Name, x.toDir, e.As)
		if err == nil || !cannotLink(err) {
			x.at("linked")
			return destinationError(taken(err), "linking")
		}
	}
	temporary := temporaryName(x.job.Task, i)
	if !x.hasCopy(e, temporary) {
		if err := x.makeCopy(ctx, i, temporary); err != nil {
			return err
		}
	}
	return destinationError(x.settle(ctx, i, x.toDir, temporary), "renaming")
}

// hasCopy reports whether an earlier call finished the copy.
func (x *execution) hasCopy(e *Entry, temporary string) bool {
	if e.Copy == 0 {
		return false
	}
	info, err := x.to.Lstat(temporary)
	return err == nil && inode(info) == e.Copy && e.resembles(info)
}

// makeCopy makes a durable copy and stores which it is.
func (x *execution) makeCopy(ctx context.Context, i int, temporary string) error {
	e := &x.plan.Entries[i]
	select {
	case x.copying <- struct{}{}:
		defer func() { <-x.copying }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := x.to.RemoveAll(temporary); err != nil {
		return destinationError(err, "removing a temporary file")
	}
	err := x.walkListed(ctx, e.Name, func(name string, info fs.FileInfo) error {
		rest, err := filepath.Rel(e.Name, name)
		if err != nil {
			return err
		}
		return x.copyOne(ctx, name, filepath.Join(temporary, rest), info)
	})
	if err == nil {
		x.at("copied")
		err = x.syncFolders(ctx, temporary)
	}
	if err != nil {
		// What cannot be finished must not fill the disk.
		return errors.Join(sourceError(err), x.to.RemoveAll(temporary))
	}
	info, err := x.to.Lstat(temporary)
	if err != nil {
		return destinationError(err, "looking at the copy")
	}
	e.Copy = inode(info)
	if err := x.save(ctx); err != nil {
		return err
	}
	x.at("copy stored")
	return nil
}

// copyOne copies one file, or makes one folder.
func (x *execution) copyOne(ctx context.Context, from, to string, info fs.FileInfo) error {
	if info.IsDir() {
		return destinationError(x.to.Mkdir(to, deliveredMode(info)), "making a folder")
	}
	in, err := openSame(x.from, from, info)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := x.to.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, deliveredMode(info))
	if err != nil {
		return destinationError(err, "making a file")
	}
	err = x.copyData(ctx, out, in, info.Size())
	if err == nil {
		err = destinationError(out.Sync(), "writing to the disk")
	}
	return errors.Join(err, destinationError(out.Close(), "closing a file"))
}

// copyData copies in pieces; the system does that without us seeing the bytes
// where it can (copy_file_range).
func (x *execution) copyData(ctx context.Context, out, in *os.File, size int64) error {
	for done := int64(0); done < size; {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := io.CopyN(out, in, min(copyChunk, size-done))
		done += n
		if x.hooks.Progress != nil {
			x.hooks.Progress(x.moved+done, 0)
		}
		if errors.Is(err, io.EOF) {
			return syscall.ENOENT // it became shorter: not all data is there
		}
		if err != nil {
			return destinationError(err, "writing")
		}
	}
	return nil
}

// syncFolders makes the names inside of a copied folder durable, and the
// copy's own name.
func (x *execution) syncFolders(ctx context.Context, temporary string) error {
	err := walk(ctx, x.to, temporary, func(name string, info fs.FileInfo) error {
		if !info.IsDir() {
			return nil
		}
		return x.syncDir(x.to, name)
	})
	if err == nil {
		err = x.syncs.sync(x.toDir)
	}
	return destinationError(err, "writing the folder to the disk")
}
