package delivery

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// Why a cheaper way was not open, for the task's owner.
const (
	whyOtherDevice = "The destination is on another file system."
	whyNoClones    = "The file system cannot let two files share their data."
	whyNoLinks     = "The file system has no hard links."
	whyManyLinks   = "The file has as many names already as the file system allows."
)

// whyNotMovable tells why a rename was refused.
func whyNotMovable(err error) string {
	if errors.Is(err, syscall.EXDEV) {
		return whyOtherDevice
	}
	return "Moving the files is not permitted here: they belong to another user."
}

// whyNotLinkable tells why a hard link was refused.
func whyNotLinkable(err error, info fs.FileInfo) string {
	switch {
	case errors.Is(err, syscall.EXDEV):
		return whyOtherDevice
	case errors.Is(err, syscall.EMLINK):
		return whyManyLinks
	case errors.Is(err, syscall.EACCES):
		return "Hard links are not permitted here: haul lacks rights on the file."
	case errors.Is(err, syscall.EPERM) && !ownedByUs(info):
		return "Hard links are not permitted here: the file belongs to another user."
	}
	return whyNoLinks
}

// whyNotCloned tells why a file was copied instead of cloned.
func whyNotCloned(err error) string {
	if errors.Is(err, syscall.EXDEV) {
		return whyOtherDevice
	}
	return whyNoClones
}

func ownedByUs(info fs.FileInfo) bool {
	s, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(s.Uid) == os.Geteuid()
}

// names returns how many names a file has.
func names(info fs.FileInfo) uint64 {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(s.Nlink) //nolint:unconvert // Nlink has another type on other systems
	}
	return 1
}

// device returns the number of a file's file system.
func device(info fs.FileInfo) uint64 {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(s.Dev) //nolint:unconvert // Dev has another type on other systems
	}
	return 0
}

// allocated returns how many bytes of a file the disk holds: fewer than its
// size where it has holes.
func allocated(info fs.FileInfo) int64 {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return min(s.Blocks*512, info.Size())
	}
	return info.Size()
}

// isSparse reports whether a file has holes.
func isSparse(info fs.FileInfo) bool { return allocated(info) < info.Size() }
