package access

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

const (
	accessList  = "system.posix_acl_access"
	defaultList = "system.posix_acl_default"
)

// allowGroup changes what the owning group may do, and another one unless that
// is OwnGroup, where a list says it.
func allowGroup(f *os.File, group int, perm uint16) error {
	had, err := readList(f, accessList)
	if err != nil || len(had) == 0 {
		return listError(err)
	}
	l, err := parseList(had)
	if err != nil {
		return err
	}
	l = l.set(entry{tagOwningGroup, perm, noID})
	if group != OwnGroup {
		l = l.set(entry{tagGroup, perm, uint32(group)}) //nolint:gosec // the kernel's ids are of 32 bits
	}
	want := l.encode()
	if bytes.Equal(want, had) {
		return nil
	}
	return listError(unix.Fsetxattr(int(f.Fd()), accessList, want, 0))
}

// inherit lets this process change whatever is made below a folder. What an
// admin has put into the folder's default list stays. It fails with
// errors.ErrUnsupported where the file system has no lists.
func inherit(dir *os.File) error {
	had, err := readList(dir, defaultList)
	if err != nil {
		return listError(err)
	}
	var l list
	if len(had) == 0 {
		l = standardList(umask())
	} else if l, err = parseList(had); err != nil {
		return err
	}
	want := l.with(uint32(os.Geteuid())).encode() //nolint:gosec // the kernel's ids are of 32 bits
	if bytes.Equal(want, had) {
		return nil
	}
	return listError(unix.Fsetxattr(int(dir.Fd()), defaultList, want, 0))
}

// readList returns a list of a file or folder, nil where it has none.
func readList(f *os.File, name string) ([]byte, error) {
	b := make([]byte, headerSize+entrySize*maxEntries)
	n, err := unix.Fgetxattr(int(f.Fd()), name, b)
	if errors.Is(err, unix.ENODATA) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return b[:n], nil
}

// maxEntries is more than common file systems take.
const maxEntries = 1024

func listError(err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, unix.ENOSYS) {
		err = unix.EOPNOTSUPP
	}
	return fmt.Errorf("access list: %w", err)
}

// umask returns that of this process. Asking the kernel for it would change it
// for a moment, under the hands of others.
func umask() int {
	const usual = 0o022
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return usual
	}
	for line := range bytes.Lines(b) {
		if value, ok := bytes.CutPrefix(line, []byte("Umask:")); ok {
			if m, err := strconv.ParseInt(string(bytes.TrimSpace(value)), 8, 0); err == nil {
				return int(m)
			}
		}
	}
	return usual
}
