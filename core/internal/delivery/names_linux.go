package delivery

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

func (systemNames) renameNew(from *os.File, old string, to *os.File, name string) error {
	err := unix.Renameat2(int(from.Fd()), old, int(to.Fd()), name, unix.RENAME_NOREPLACE)
	// Old file systems do not know the flag; EINVAL is how they say so.
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOSYS) {
		return errors.ErrUnsupported
	}
	return wrapLink("rename", old, name, err)
}
