package folderprobe

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/haul-dl/haul/core/internal/worker/access"
)

// movedName is the folder beside the data that the probe moves things to.
const movedName = "moved"

// moveError says what the node could not do with something of the downloader.
type moveError struct {
	do   string
	path string // in the job's folder
	info fs.FileInfo
	err  error
}

func (e *moveError) Error() string { return fmt.Sprintf("%s %s: %v", e.do, e.path, e.err) }
func (e *moveError) Unwrap() error { return e.err }

// move does with the downloader's files what a delivery does: it reads one,
// moves it out of its folder, moves the folder, and deletes all.
func (p *probe) move() error {
	job, err := os.OpenRoot(filepath.Dir(p.Dir))
	if err != nil {
		return err
	}
	defer job.Close()
	if err := job.Mkdir(movedName, 0o700); err != nil {
		return err
	}
	data := filepath.Base(p.Dir)
	for i, f := range []*file{p.sample.empty, p.sample.loaded} {
		if f == nil {
			continue
		}
		to := filepath.Join(movedName, fmt.Sprint(i))
		if err := moveOne(job, filepath.Join(data, f.path), filepath.Join(data, top(f)), to); err != nil {
			return err
		}
	}
	if err := job.RemoveAll(movedName); err != nil {
		return &moveError{do: "delete", path: p.sample.name, err: err}
	}
	return nil
}

// moveOne moves a file, and then the folder that it was in. Whichever of them
// the downloader has not made yet is left out.
func moveOne(job *os.Root, path, top, to string) error {
	step := func(do, path string, act func() error) error {
		info, err := job.Lstat(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil {
			err = act()
		}
		if err != nil {
			return &moveError{do: do, path: path, info: info, err: err}
		}
		return nil
	}
	err := step("read", path, func() error { return read(job, path) })
	if err != nil {
		return err
	}
	if err := step("move", path, func() error { return job.Rename(path, to+"-file") }); err != nil {
		return holder(job, err)
	}
	return step("move", top, func() error { return job.Rename(top, to) })
}

func read(job *os.Root, path string) error {
	f, err := job.Open(path)
	if err != nil {
		return err
	}
	return f.Close()
}

// holder names the folder of a file that could not be moved: its rights, and
// not the file's, are what is missing.
func holder(job *os.Root, err error) error {
	e, ok := err.(*moveError) //nolint:errorlint // it was made just before
	if !ok {
		return err
	}
	dir := filepath.Dir(e.path)
	if info, statErr := job.Lstat(dir); statErr == nil {
		e.path, e.info = dir, info
	}
	return e
}

// ownerOf returns the user that something belongs to.
func ownerOf(info fs.FileInfo) (uid int, ok bool) {
	s, ok := statOf(info)
	return int(s.Uid), ok
}

// groupOf returns the group that something belongs to.
func groupOf(info fs.FileInfo) int {
	s, ok := statOf(info)
	if !ok {
		return access.OwnGroup
	}
	return int(s.Gid)
}

func statOf(info fs.FileInfo) (_ syscall.Stat_t, ok bool) {
	if info == nil {
		return syscall.Stat_t{}, false
	}
	s, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return syscall.Stat_t{}, false
	}
	return *s, true
}
