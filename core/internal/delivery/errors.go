package delivery

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"syscall"

	"github.com/haul-dl/haul/sdk/errs"
)

// destinationError gives trouble at the destination its code.
func destinationError(err error, what string) error {
	switch {
	case err == nil:
		return nil
	case hasCode(err), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return errs.Wrap(err, errs.OutOfSpace, "The destination has no space left.")
	case errors.Is(err, syscall.EFBIG):
		return errs.Wrap(err, errs.DestinationReadOnly, "A file is larger than the destination's file system can hold.").
			WithHint("Choose a storage whose file system takes larger files.")
	case errors.Is(err, syscall.ENAMETOOLONG):
		return errs.Wrap(err, errs.InvalidDestination, "A name is too long for the destination.").
			WithHint("Choose a storage whose file system takes longer names.")
	case errors.Is(err, syscall.ENOTDIR), notFolder(err):
		return errs.Wrap(err, errs.DestinationReadOnly, "A part of the destination is not a folder.").
			WithHint("Remove or rename the file that is in the way, then retry the task.")
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return errs.Wrap(err, errs.DestinationReadOnly, "haul may not write at the destination.")
	case errors.Is(err, fs.ErrNotExist):
		return errs.Wrap(err, errs.DestinationReadOnly, "The storage's folder does not exist on the node.").
			WithHint("Mount it or make it, then retry the task.")
	case escapes(err):
		return errs.Wrap(err, errs.InvalidDestination, "The destination leads out of the storage.")
	}
	return errs.Wrap(err, errs.DestinationReadOnly, "The destination cannot be written: %s failed.", what)
}

// sourceError gives trouble with the downloaded data its code.
func sourceError(err error) error {
	switch {
	case err == nil:
		return nil
	case hasCode(err), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return errs.Wrap(err, errs.FilesMissing, "Files that the downloader reported are not on the disk.")
	case errors.Is(err, fs.ErrPermission):
		return errs.Wrap(err, errs.PathNotWritable, "haul may not read what the downloader wrote.")
	case escapes(err):
		return errs.Wrap(err, errs.UnsafeFile, "The download leads out of its own folder.")
	}
	return errs.Wrap(err, errs.Unavailable, "The downloaded data cannot be read.")
}

// entryError gives trouble at the destination with one entry its code.
func entryError(err error, e *Entry, what string) error {
	name := path.Base(e.Name)
	switch {
	case err == nil, hasCode(err):
		return err
	case nameRefused(err):
		return errs.Wrap(err, errs.NameNotPossible, "The destination does not take the name of %q.", name)
	case errors.Is(err, syscall.ENOTDIR), notFolder(err), errors.Is(err, syscall.EISDIR):
		return errs.Wrap(err, errs.DestinationExists, "At the destination, a file has the name of a folder of %q, or the reverse.", name)
	}
	return destinationError(err, what)
}

// nameRefused recognises what systems say of a name that is not possible.
func nameRefused(err error) bool {
	return errors.Is(err, syscall.ENAMETOOLONG) || errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.EILSEQ)
}

// endsAll reports whether an error leaves no hope for the other files either, or
// has to be dealt with before them.
func endsAll(err error) bool {
	if errors.Is(err, ErrReplan) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return true
	}
	if _, ok := errors.AsType[saveError](err); ok {
		return true
	}
	return errs.Is(err, errs.OutOfSpace) || errs.Is(err, errs.UnsafeFile) || errs.Is(err, errs.InvalidDestination)
}

// saveError is what Hooks.Save returned.
type saveError struct{ error }

func (e saveError) Unwrap() error { return e.error }

func hasCode(err error) bool {
	_, ok := errors.AsType[*errs.Error](err)
	return ok || errors.Is(err, ErrReplan)
}

// escapes and notFolder recognise what os.Root says by its text: package os
// exports no name for it. A test notices when the text changes.
func escapes(err error) bool { return pathErrorText(err) == "path escapes from parent" }

func notFolder(err error) bool { return pathErrorText(err) == "not a directory" }

func pathErrorText(err error) string {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err.Error()
	}
	return ""
}
