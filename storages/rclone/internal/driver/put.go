package driver

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	iofs "io/fs"
	"path"
	"time"

	"github.com/rclone/rclone/fs"
	"github.com/rclone/rclone/fs/hash"
	"github.com/rclone/rclone/fs/object"

	"github.com/haul-dl/haul/sdk/errs"
	"github.com/haul-dl/haul/sdk/storage"
)

// cleanTimeout bounds the removal of what a failed Put leaves.
const cleanTimeout = 15 * time.Second

// Put implements storage.Driver. Backends that show a file only when it is
// whole are written directly; others get it under a hidden name beside, which
// the storage itself renames at the end.
func (d *Driver) Put(ctx context.Context, req storage.PutRequest) (storage.Object, error) {
	if err := checkPath(req.Path); err != nil {
		return storage.Object{}, err
	}
	return call(ctx, d, func(ctx context.Context, f fs.Fs) (storage.Object, error) {
		release, err := d.claim(ctx, req.Path)
		if err != nil {
			return storage.Object{}, err
		}
		defer release()
		in, err := newSource(ctx, f, &req)
		if err != nil {
			return storage.Object{}, err
		}
		defer in.close()
		defer context.AfterFunc(ctx, in.close)()
		o, err := d.put(ctx, f, req, in)
		if err != nil {
			return storage.Object{}, err
		}
		return describe(ctx, f, o), nil
	})
}

func checkPath(p string) error {
	if !iofs.ValidPath(p) || p == "." {
		return errs.New(errs.NameNotPossible, "The path is not one inside of the storage.")
	}
	return nil
}

func (d *Driver) put(ctx context.Context, f fs.Fs, req storage.PutRequest, in *source) (fs.Object, error) {
	if err := vacant(ctx, f, req.Path, req.Overwrite); err != nil {
		return nil, err
	}
	if !d.showsHalves(f) {
		return upload(ctx, f, req.Path, req, in)
	}
	if f.Features().Move == nil {
		return nil, errs.New(errs.StorageError, "The storage shows files half-written, and cannot rename them.").
			WithHint("Use the remotes that this one is made of.")
	}
	hidden := partialName(req.Path)
	if err := remove(ctx, f, hidden); err != nil {
		return nil, err
	}
	o, err := upload(ctx, f, hidden, req, in)
	if err != nil {
		discard(ctx, f, hidden)
		return nil, err
	}
	if o, err = show(ctx, f, o, req); err != nil {
		discard(ctx, f, hidden)
		return nil, err
	}
	return o, nil
}

// partialName is the same for each Put of a path, so that the next one finds
// what the last one left.
func partialName(p string) string {
	sum := sha256.Sum256([]byte(p))
	return path.Join(path.Dir(p), ".haul-"+hex.EncodeToString(sum[:8])+".partial")
}

// vacant checks that a file may be put at a path.
func vacant(ctx context.Context, f fs.Fs, p string, overwrite bool) error {
	_, err := f.NewObject(ctx, p)
	switch {
	case isDir(err):
		return errs.New(errs.DestinationExists, "A folder of that name exists at the destination.")
	case err == nil && !overwrite:
		return errs.New(errs.DestinationExists, "A file of that name exists at the destination.")
	case err != nil && !isMissing(err):
		return err
	}
	return nil
}

func isDir(err error) bool {
	return errors.Is(err, fs.ErrorIsDir) || errors.Is(err, fs.ErrorNotAFile)
}

func isMissing(err error) bool {
	return errors.Is(err, fs.ErrorObjectNotFound) || errors.Is(err, fs.ErrorDirNotFound)
}

// upload writes a file under a name, and checks what has arrived.
func upload(ctx context.Context, f fs.Fs, name string, req storage.PutRequest, in *source) (fs.Object, error) {
	info := object.NewStaticObjectInfo(name, modTime(req), req.Size, true, nil, f)
	o, err := f.Put(ctx, in, info)
	if err == nil {
		err = verify(ctx, o, req.Size, in)
	}
	if err == nil {
		return o, nil
	}
	if o != nil {
		discard(ctx, f, name)
	}
	return nil, in.failure(err)
}

func modTime(req storage.PutRequest) time.Time {
	if req.ModTime.IsZero() {
		return time.Now()
	}
	return req.ModTime
}

func verify(ctx context.Context, o fs.Object, size int64, in *source) error {
	if got := o.Size(); got >= 0 && got != size {
		return errs.New(errs.StorageError, "The storage holds %d bytes of the %d that it was sent.", got, size)
	}
	if in.done != size {
		return errs.New(errs.StorageError, "The storage took %d bytes of %d.", in.done, size)
	}
	want := in.sum()
	if want == "" {
		return nil
	}
	got, err := o.Hash(ctx, in.kind)
	if err != nil && !errors.Is(err, hash.ErrUnsupported) {
		return err
	}
	if !hash.Equals(want, got) { // equal where one of them is not known
		return errs.New(errs.StorageError, "What the storage holds has another %s than what it was sent.", in.kind)
	}
	return nil
}

// show gives an uploaded file its own name.
func show(ctx context.Context, f fs.Fs, o fs.Object, req storage.PutRequest) (fs.Object, error) {
	if err := vacant(ctx, f, req.Path, req.Overwrite); err != nil {
		return nil, err
	}
	shown, err := move(ctx, f, o, req)
	if err == nil || !req.Overwrite || ctx.Err() != nil {
		return shown, err
	}
	// Some servers rename over no file; SMB's do not.
	if err := remove(ctx, f, req.Path); err != nil {
		return nil, err
	}
	return move(ctx, f, o, req)
}

func move(ctx context.Context, f fs.Fs, o fs.Object, req storage.PutRequest) (fs.Object, error) {
	shown, err := f.Features().Move(ctx, o, req.Path)
	if err == nil {
		return shown, nil
	}
	// The answer may have been lost, not the rename.
	if _, gone := f.NewObject(ctx, o.Remote()); !isMissing(gone) {
		return nil, err
	}
	if landed, look := f.NewObject(ctx, req.Path); look == nil && landed.Size() == req.Size {
		return landed, nil
	}
	return nil, err
}

// remove removes a file; what is gone is success.
func remove(ctx context.Context, f fs.Fs, name string) error {
	o, err := f.NewObject(ctx, name)
	if err == nil {
		err = o.Remove(ctx)
	}
	if isMissing(err) {
		return nil
	}
	return err
}

// discard removes what a failed Put has left, also where its time is over. What
// it cannot remove, the next Put of the same path does.
func discard(ctx context.Context, f fs.Fs, name string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanTimeout)
	defer cancel()
	if err := remove(ctx, f, name); err != nil {
		fs.Infof(f, "Failed to remove what was left of an upload: %v", err)
	}
}
