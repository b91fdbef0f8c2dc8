package delivery

import (
	"errors"
	"io"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// cloneFile lets out share all data of in, until one of them is written.
func cloneFile(out, in *os.File) error {
	return unix.IoctlFileClone(int(out.Fd()), int(in.Fd()))
}

// waysInKernel copy without the bytes passing through this process, best first:
// the second also works between file systems.
var waysInKernel = []func(out, in *os.File, off int64, n int) (int, error){copyRange, sendFile}

func copyRange(out, in *os.File, off int64, n int) (int, error) {
	from, to := off, off
	for {
		done, err := unix.CopyFileRange(int(in.Fd()), &from, int(out.Fd()), &to, n, 0)
		if !errors.Is(err, syscall.EINTR) {
			return done, err
		}
	}
}

func sendFile(out, in *os.File, off int64, n int) (int, error) {
	if _, err := out.Seek(off, io.SeekStart); err != nil {
		return 0, err
	}
	for {
		done, err := unix.Sendfile(int(out.Fd()), int(in.Fd()), &off, n)
		if !errors.Is(err, syscall.EINTR) {
			return done, err
		}
	}
}

// preallocate reserves room in one piece; where that is not offered the file
// grows as it is written.
func preallocate(f *os.File, off, size int64) error {
	err := unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_KEEP_SIZE, off, size)
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG) {
		return err
	}
	return nil
}

// startWriting has the disk write what was copied, and does not wait.
func startWriting(f *os.File, off, n int64) {
	//nolint:errcheck // it is a hint; the sync at the end tells of errors
	unix.SyncFileRange(int(f.Fd()), off, n, unix.SYNC_FILE_RANGE_WRITE)
}

// forget drops a synced file from memory, so that reading it asks the disk.
func forget(f *os.File) {
	//nolint:errcheck // it is a hint
	unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED)
}

func syncData(f *os.File) error { return unix.Fdatasync(int(f.Fd())) }

// syncAll writes all of the file system that f is on to the disk.
func syncAll(f *os.File) error { return unix.Syncfs(int(f.Fd())) }

// nextData returns where the next data of a file begins and ends. Holes are
// skipped; where the file system does not tell them, all is data.
func nextData(f *os.File, off, size int64) (start, end int64) {
	start, err := unix.Seek(int(f.Fd()), off, unix.SEEK_DATA)
	if errors.Is(err, syscall.ENXIO) {
		return size, size
	}
	if err != nil {
		return off, size
	}
	if end, err = unix.Seek(int(f.Fd()), start, unix.SEEK_HOLE); err != nil {
		return start, size
	}
	return min(start, size), min(end, size)
}
