package delivery

import (
	"errors"
	"io/fs"
	"os"
	"path"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/sdk/errs"
)

const (
	renamePolicy    = core.ConflictRename
	skipPolicy      = core.ConflictSkip
	overwritePolicy = core.ConflictOverwrite
)

// Where an entry can stand, beside that it can be delivered.
var (
	errDone  = errors.New("delivery: done already")
	errSkip  = errors.New("delivery: something else stays in its place")
	errMerge = errors.New("delivery: its files go into a folder that is there")
)

func isStanding(err error) bool {
	return errors.Is(err, errDone) || errors.Is(err, errSkip) || errors.Is(err, errMerge)
}

// look tells where an entry stands: nil when it can be delivered under its
// name, errDone, errSkip, errMerge, ErrReplan, or that it cannot be delivered.
func (x *execution) look(e *Entry) error {
	if e.As == "" {
		return errs.New(errs.NameNotPossible, "The destination does not take the name of %q, or not beside the other files.", path.Base(e.Name))
	}
	there, err := x.to.Lstat(e.As)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return entryError(err, e, "looking at the folder")
	}
	here, hereErr := x.from.Lstat(e.Name)
	if hereErr != nil && !errors.Is(hereErr, fs.ErrNotExist) {
		return sourceError(hereErr)
	}
	switch {
	case there != nil && e.is(there, x.oneDevice):
		return errDone
	case there != nil && here == nil && e.Inode != 0 && e.resembles(there):
		// Some network and union file systems number a file anew when it is
		// renamed. The source is gone, so this is it.
		return errDone
	case here == nil && e.Copy == 0:
		return errs.New(errs.FilesMissing, "The downloaded data of %q is gone.", path.Base(e.Name))
	case there == nil, e.Claimed && there.IsDir() == e.Dir && isEmpty(x.to, e.As, there):
		return nil
	}
	return x.conflict(e, there)
}

// conflict tells what the policy says to what has an entry's name.
func (x *execution) conflict(e *Entry, there fs.FileInfo) error {
	policy := x.job.policy()
	switch {
	case policy == renamePolicy:
		return ErrReplan
	case policy == failPolicy:
		return errExists(e.As)
	case e.Dir && there.IsDir():
		return errMerge
	case e.Dir || there.IsDir():
		return errs.New(errs.DestinationExists, "At the destination, %q is a file and should be a folder, or the reverse.", e.As)
	case policy == skipPolicy:
		return errSkip
	case !there.Mode().IsRegular() && there.Mode().Type() != fs.ModeSymlink:
		return errs.New(errs.DestinationExists, "At the destination, %q is no file that could be replaced.", e.As)
	}
	return nil // it is replaced
}

// is reports whether a file is the entry, moved, linked or copied. On another
// file system than the data's it can only be a copy: inodes tell nothing there.
func (e *Entry) is(info fs.FileInfo, oneDevice bool) bool {
	n := inode(info)
	return e.resembles(info) && (oneDevice && n == e.Inode || e.Copy != 0 && n == e.Copy)
}

func (e *Entry) resembles(info fs.FileInfo) bool {
	if e.Dir {
		return info.IsDir()
	}
	return info.Mode().IsRegular() && info.Size() == e.Size
}

// isEmpty recognises a name that was claimed before a crash.
func isEmpty(root *os.Root, name string, info fs.FileInfo) bool {
	if !info.IsDir() {
		return info.Mode().IsRegular() && info.Size() == 0
	}
	names, err := list(root, name)
	return err == nil && len(names) == 0
}

// tidy takes away the second name of a file that was linked, not renamed.
func (x *execution) tidy(e *Entry) {
	if x.job.Data != DataMove || e.Dir || e.Copy != 0 {
		return
	}
	if here, err := x.from.Lstat(e.Name); err != nil || inode(here) != e.Inode {
		return
	}
	if err := x.from.Remove(e.Name); err != nil {
		x.log.Debug("the job's name of a delivered file stays", "task", x.job.Task, "err", err)
	}
}
