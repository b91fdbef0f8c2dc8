package driver

import (
	"context"
	"errors"
	iofs "io/fs"
	"math"
	"path"

	"github.com/rclone/rclone/fs"
	"github.com/rclone/rclone/fs/hash"

	"github.com/haul-dl/haul/sdk/errs"
	"github.com/haul-dl/haul/sdk/storage"
)

// Stat implements storage.Driver.
func (d *Driver) Stat(ctx context.Context, p string) (storage.Object, error) {
	if err := checkPath(p); err != nil {
		return storage.Object{}, err
	}
	return call(ctx, d, func(ctx context.Context, f fs.Fs) (storage.Object, error) {
		o, err := look(ctx, f, p)
		if err == nil {
			return describe(ctx, f, o), nil
		}
		if !isDir(err) && !isMissing(err) {
			return storage.Object{}, err
		}
		if _, exists, err := folder(ctx, f, p); err != nil || !exists {
			return storage.Object{}, either(err, errs.New(errs.NotFound, "There is no such file in the storage."))
		}
		return storage.Object{Path: p, Dir: true}, nil
	})
}

// look returns the file at a path. S3 answers HEAD without a word on why it
// refuses, so the folder's list is asked for the reason.
func look(ctx context.Context, f fs.Fs, p string) (fs.Object, error) {
	o, err := f.NewObject(ctx, p)
	if err == nil || !f.Features().BucketBased || byStatus(err) != errs.DestinationReadOnly {
		return o, err
	}
	if _, reason := f.List(ctx, ""); reason != nil {
		return nil, reason
	}
	return nil, err
}

func either(err error, other error) error {
	if err != nil {
		return err
	}
	return other
}

// describe tells of a file what the backend knows without reading it.
func describe(ctx context.Context, f fs.Fs, o fs.Object) storage.Object {
	known := func(kind hash.Type) string {
		if f.Features().SlowHash || !f.Hashes().Contains(kind) {
			return ""
		}
		sum, err := o.Hash(ctx, kind)
		if err != nil {
			return ""
		}
		return sum
	}
	return storage.Object{
		Path: o.Remote(), Size: o.Size(), ModTime: o.ModTime(ctx),
		SHA256: known(hash.SHA256), SHA1: known(hash.SHA1), MD5: known(hash.MD5),
	}
}

// folder reports whether there is a folder at a path, and whether it is empty.
// Where folders are but parts of names, an empty one does not exist.
func folder(ctx context.Context, f fs.Fs, p string) (empty, exists bool, err error) {
	entries, err := f.List(ctx, p)
	switch {
	case isMissing(err), errors.Is(err, fs.ErrorIsFile):
		return false, false, nil
	case err != nil:
		return false, false, err
	case len(entries) > 0:
		return false, true, nil
	}
	return true, !f.Features().BucketBased || f.Features().CanHaveEmptyDirectories, nil
}

// Remove implements storage.Driver.
func (d *Driver) Remove(ctx context.Context, p string) error {
	if err := checkPath(p); err != nil {
		return err
	}
	_, err := call(ctx, d, func(ctx context.Context, f fs.Fs) (struct{}, error) {
		return struct{}{}, d.remove(ctx, f, p)
	})
	return err
}

func (d *Driver) remove(ctx context.Context, f fs.Fs, p string) error {
	release, err := d.claim(ctx, p)
	if err != nil {
		return err
	}
	defer release()
	if d.showsHalves(f) {
		if err := remove(ctx, f, partialName(p)); err != nil {
			return err
		}
	}
	o, err := look(ctx, f, p)
	switch {
	case err == nil:
		d.forgetParts(ctx, p, o.Size())
		err = o.Remove(ctx)
	case isDir(err), isMissing(err):
		d.forgetParts(ctx, p, math.MaxInt64)
		return removeFolder(ctx, f, p)
	}
	if isMissing(err) {
		return nil
	}
	return err
}

func removeFolder(ctx context.Context, f fs.Fs, p string) error {
	empty, exists, err := folder(ctx, f, p)
	if err != nil || !exists {
		return err
	}
	if !empty {
		return errs.New(errs.InUse, "The folder %q is not empty.", path.Base(p))
	}
	err = f.Rmdir(ctx, p)
	switch {
	case isMissing(err):
		return nil
	case errors.Is(err, fs.ErrorDirectoryNotEmpty):
		return errs.New(errs.InUse, "The folder %q is not empty.", path.Base(p))
	}
	return err
}

// Space implements storage.Driver.
func (d *Driver) Space(ctx context.Context) (storage.Space, error) {
	return call(ctx, d, func(ctx context.Context, f fs.Fs) (storage.Space, error) {
		about := f.Features().About
		if about == nil {
			return storage.Space{}, noSpace()
		}
		usage, err := about(ctx)
		if errors.Is(err, fs.ErrorNotImplemented) {
			return storage.Space{}, noSpace()
		}
		if isMissing(err) || errors.Is(err, iofs.ErrNotExist) { // it is made with the first file
			return storage.Space{Free: -1, Total: -1}, nil
		}
		if err != nil {
			return storage.Space{}, err
		}
		return storage.Space{Free: free(usage), Total: value(usage.Total)}, nil
	})
}

func noSpace() error {
	return errs.New(errs.NotOffered, "The storage does not tell how much fits in.")
}

func free(u *fs.Usage) int64 {
	if u.Free == nil && u.Total != nil && u.Used != nil {
		return max(0, *u.Total-*u.Used)
	}
	return value(u.Free)
}

func value(n *int64) int64 {
	if n == nil || *n < 0 {
		return -1
	}
	return *n
}
