package delivery

import (
	"context"
	"errors"
	"io/fs"
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
	case errors.Is(err, syscall.ENAMETOOLONG):
		return errs.Wrap(err, errs.InvalidDestination, "A file's name is too long for the destination.").
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
