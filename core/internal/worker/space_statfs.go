//go:build linux || darwin || freebsd

package worker

import (
	"errors"
	"io/fs"
	"math"
	"syscall"
)

// statfs measures the file system of a path: what those who are not root may
// still take of it, and all of it.
func statfs(path string) (free, total int64, err error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(path, &s); err != nil {
		return 0, 0, err
	}
	if s.Blocks == 0 { // as ramfs and some network file systems
		return 0, 0, errors.New("the file system does not tell how large it is")
	}
	size := uint64(s.Bsize)                                              //nolint:gosec // it is positive
	return bytesOf(uint64(s.Bavail), size), bytesOf(s.Blocks, size), nil //nolint:unconvert // as above
}

func bytesOf(blocks, size uint64) int64 {
	if size != 0 && blocks > math.MaxInt64/size {
		return math.MaxInt64
	}
	return int64(blocks * size) //nolint:gosec // see above
}

// blockSize is what Stat_t.Blocks counts in, whatever the file system.
const blockSize = 512

// blocksOf returns what a file takes of the disk.
func blocksOf(info fs.FileInfo) int64 {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return s.Blocks * blockSize
	}
	return 0
}
