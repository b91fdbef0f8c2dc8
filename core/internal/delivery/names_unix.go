//go:build unix

package delivery

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// namer gives names. Both directories are open, so nobody can swap a part of
// their paths for a link; old and name are single components.
type namer interface {
	// renameNew renames and never replaces: fs.ErrExist. It fails with
	// errors.ErrUnsupported where the file system cannot do that.
	renameNew(from *os.File, old string, to *os.File, name string) error
	// link gives a file a second name and never replaces: fs.ErrExist.
	link(from *os.File, old string, to *os.File, name string) error
	// rename may replace.
	rename(from *os.File, old string, to *os.File, name string) error
	// unlink takes a file's name away.
	unlink(dir *os.File, name string) error
}

type systemNames struct{}

func (systemNames) link(from *os.File, old string, to *os.File, name string) error {
	return wrapLink("link", old, name, unix.Linkat(int(from.Fd()), old, int(to.Fd()), name, 0))
}

func (systemNames) rename(from *os.File, old string, to *os.File, name string) error {
	return wrapLink("rename", old, name, unix.Renameat(int(from.Fd()), old, int(to.Fd()), name))
}

func (systemNames) unlink(dir *os.File, name string) error {
	if err := unix.Unlinkat(int(dir.Fd()), name, 0); err != nil {
		return &os.PathError{Op: "unlink", Path: name, Err: err}
	}
	return nil
}

func wrapLink(op, old, name string, err error) error {
	if err == nil {
		return nil
	}
	return &os.LinkError{Op: op, Old: old, New: name, Err: err}
}

// cannotLink reports whether the file system has no hard links, or none for
// this file; a copy helps.
func cannotLink(err error) bool {
	for _, e := range []error{syscall.EXDEV, syscall.EPERM, syscall.EACCES, syscall.EMLINK, syscall.ENOSYS, syscall.EOPNOTSUPP} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
