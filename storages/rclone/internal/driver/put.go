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
	o, err := call(ctx, d, func(ctx context.Context, f fs.Fs) (storage.Object, error) {
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
	if err != nil {
		return storage.Object{}, blameName(req.Path, err)
	}
	return o, nil
}

// maxName is how long a name may be nearly everywhere, in bytes.
const maxName = 255

// blameName takes a name that is too long for the cause of what a storage
// reports in words of its own: "Bad message", 403 or 500.
func blameName(p string, err error) error {
	if len(path.Base(p)) <= maxName || !errs.Is(err, errs.StorageError) && !errs.Is(err, errs.DestinationReadOnly) {
		return err
	}
	return errs.Wrap(err, errs.NameNotPossible, "The storage cannot hold a file of that name: it has more than %d bytes.", maxName)
}

func checkPath(p string) error {
	if !iofs.ValidPath(p) || p == "." {
		return errs.New(errs.NameNotPossible, "The path is not one inside of the storage.")
	}
	return nil
}

func (d *Driver) put(ctx context.Context, f fs.Fs, req storage.PutRequest, in *source) (fs.Object, error) {
	old, err := vacant(ctx, f, req.Path, req.Overwrite)
	if err != nil {
		return nil, err
	}
	if !d.showsHalves(f) {
		d.forgetParts(ctx, req.Path, req.Size)
		o, err := upload(ctx, f, req.Path, req, in)
		if err != nil {
			if d.inParts(req.Size) {
				d.noteCut(req.Path)
			}
			discardHalf(ctx, f, req.Path, old)
		}
		return o, err
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

// vacant checks that a file may be put at a path, and returns the one to replace.
func vacant(ctx context.Context, f fs.Fs, p string, overwrite bool) (old fs.Object, err error) {
	old, err = look(ctx, f, p)
	switch {
	case isDir(err):
		return nil, errs.New(errs.DestinationExists, "A folder of that name exists at the destination.")
	case err == nil && !overwrite:
		return nil, errs.New(errs.DestinationExists, "A file of that name exists at the destination.")
	case isMissing(err):
		return nil, nil
	}
	return old, err
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
	if err != nil { // also with an o, which may be the old file
		return nil, in.failure(err)
	}
	if err := verify(ctx, o, req.Size, in); err != nil {
		return nil, err
	}
	return o, nil
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
	if _, err := vacant(ctx, f, req.Path, req.Overwrite); err != nil {
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

// discardHalf removes what a server shows of an upload that failed, which it
// should not: versitygw 1.8 now and then takes a request that was cut off for a
// whole one. The file that was there before stays.
func discardHalf(ctx context.Context, f fs.Fs, name string, old fs.Object) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanTimeout)
	defer cancel()
	o, err := f.NewObject(ctx, name)
	if err != nil || old != nil && o.Size() == old.Size() && o.ModTime(ctx).Equal(old.ModTime(ctx)) {
		return
	}
	if err := o.Remove(ctx); err != nil {
		fs.Infof(f, "Failed to remove half a file: %v", err)
	}
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
