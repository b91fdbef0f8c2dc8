// Package access gives folders the rights that haul and a daemon of another
// system user both need: the daemon writes there, in folders that it makes with
// whatever umask it has, and haul moves and deletes all of it.
//
// Three things work together. The folder is open to its group, and hands the
// group on (setgid), so that a daemon in haul's group may write. A default
// access list names haul's own user: whatever anybody makes below the folder,
// haul may change, since such a list replaces the umask. It needs no root and
// no other user's name. And where the file system has no access lists, the
// group does for haul what the list would do, if the daemon's umask lets it.
package access

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Mode is that of a shared folder, FileMode that of a file for both.
const (
	Mode     = 0o770 | fs.ModeSetgid
	FileMode = 0o660
)

// OwnGroup stands for the group that a file or folder has.
const OwnGroup = -1

// Share gives an open folder of haul's own the rights of a shared one, as far
// as they are not given, for the users in a group. It reports whether the file
// system has access lists: without them a daemon's umask decides what haul may
// do with its files.
func Share(dir *os.File, group int) (lists bool, _ error) {
	if err := openGroup(dir, group, Mode); err != nil {
		return false, err
	}
	err := inherit(dir)
	if err != nil && !isRefusal(err) {
		return false, err
	}
	return err == nil, nil
}

// ShareFile gives an open file of haul's own to the users in a group as well.
func ShareFile(f *os.File, group int) error { return openGroup(f, group, FileMode) }

// openGroup gives a file or folder a mode. Not every file system keeps setgid,
// none keeps it for an owner who is not of the group, and some have one mode for
// all that is in them.
func openGroup(f *os.File, group int, mode fs.FileMode) error {
	if group != OwnGroup {
		// Only a member may give something to a group; the list does it for others.
		if err := f.Chown(-1, group); err != nil && !isRefusal(err) {
			return fmt.Errorf("share a folder: %w", err)
		}
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.Mode()&(fs.ModePerm|fs.ModeSetgid) != mode {
		if err := f.Chmod(mode); err != nil && !isRefusal(err) {
			return fmt.Errorf("share a folder: %w", err)
		}
	}
	// Where the folder above has a default list, a mode only bounds the group.
	if err := allowGroup(f, group, uint16(mode.Perm()>>3&mayAll)); err != nil && !isRefusal(err) {
		return err
	}
	return nil
}

// isRefusal reports whether a file system does not do what is asked of it, as
// many do that come over a network, or from another system.
func isRefusal(err error) bool {
	return errors.Is(err, errors.ErrUnsupported) || errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EINVAL)
}

// Shut finds the first of the folders that lead to path, or path itself, which
// nobody but its owner may enter.
func Shut(path string) (folder string, ok bool) {
	for dir := path; ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err == nil && info.Mode().Perm()&0o011 == 0 {
			folder, ok = dir, true
		}
		if dir == filepath.Dir(dir) {
			return folder, ok
		}
	}
}
