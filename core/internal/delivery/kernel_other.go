//go:build unix && !linux

package delivery

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

func cloneFile(*os.File, *os.File) error { return syscall.ENOTSUP }

// waysInKernel copy without the bytes passing through this process.
var waysInKernel []func(out, in *os.File, off int64, n int) (int, error)

func preallocate(*os.File, int64, int64) error { return nil }

func startWriting(*os.File, int64, int64) {}

func forget(*os.File) {}

func syncData(f *os.File) error { return f.Sync() }

func syncAll(*os.File) error { return unix.Sync() }

func nextData(_ *os.File, off, size int64) (start, end int64) { return off, size }
