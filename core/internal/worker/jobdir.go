package worker

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/worker/access"
	"github.com/haul-dl/haul/sdk/errs"
)

const (
	// markerName is the file that says whose a job's directory is.
	markerName = ".haul-job"
	// dataName is the part of it that a downloader writes to.
	dataName = "data"

	// jobsMode keeps other users away from what is being downloaded, but for
	// daemons in haul's group, which must be able to get to their jobs' data.
	jobsMode = 0o750
)

// jobDirs are the directories of jobs, each with a marker. Everything goes
// through an os.Root, so no link in a download leads a removal elsewhere.
type jobDirs struct {
	// one makes directories at a time: the kernel lets no two into the same
	// parent, and those who wait there spin.
	one  sync.Mutex
	path string
	root *os.Root
	// nodeDir is the node's own directory, which knows whose path is.
	nodeDir string
}

func (d *jobDirs) open() error {
	if err := makeDownloads(d.path); err != nil {
		return fmt.Errorf("make the jobs' directory: %w", err)
	}
	root, err := os.OpenRoot(d.path)
	if err != nil {
		return fmt.Errorf("open the jobs' directory: %w", err)
	}
	d.root = root
	if err := d.claim(); err != nil {
		return errors.Join(err, d.close())
	}
	return nil
}

// makeDownloads makes the directory of all jobs. One that is there stays as its
// admin has set it up.
func makeDownloads(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), jobsMode); err != nil {
		return err
	}
	err := os.Mkdir(path, jobsMode)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return open(path, os.Stat, os.Chmod)
}

// open undoes what the umask took of jobsMode, and keeps setgid where the
// directory above has it.
func open(path string, stat func(string) (fs.FileInfo, error), chmod func(string, fs.FileMode) error) error {
	info, err := stat(path)
	if err != nil || info.Mode()&jobsMode == jobsMode {
		return err
	}
	return chmod(path, info.Mode()&(fs.ModePerm|fs.ModeSetgid)|jobsMode)
}

func (d *jobDirs) close() error {
	if d.root == nil {
		return nil
	}
	return d.root.Close()
}

// data returns the absolute path that the downloader of a job writes to.
func (d *jobDirs) data(id core.JobID) string { return filepath.Join(d.path, string(id), dataName) }

// make makes the directory of a job, as far as it is not there.
func (d *jobDirs) make(id core.JobID) error {
	d.one.Lock()
	defer d.one.Unlock()
	if err := d.tryMake(id); err != nil {
		if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) {
			return errs.Wrap(err, errs.PathNotWritable, "The node's download folder cannot be written.")
		}
		if isFull(err) {
			return errs.Wrap(err, errs.OutOfSpace, "The node's disk is full.")
		}
		return errs.Wrap(err, errs.Unavailable, "The job's folder cannot be made.")
	}
	return nil
}

func (d *jobDirs) tryMake(id core.JobID) error {
	if _, err := core.ParseID[core.JobID](string(id)); err != nil {
		return err
	}
	data := filepath.Join(string(id), dataName)
	for _, name := range []string{string(id), data} {
		if err := d.root.Mkdir(name, jobsMode); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		if name == data {
			continue
		}
		if err := open(name, d.root.Stat, d.root.Chmod); err != nil {
			return err
		}
		// The marker comes before the data: nothing unmarked is ever removed.
		if err := d.mark(id); err != nil {
			return err
		}
	}
	return d.share(data)
}

// share lets a daemon of another user write to a directory, and haul do with
// everything below whatever it must.
func (d *jobDirs) share(name string) error {
	dir, err := d.root.Open(name)
	if err != nil {
		return err
	}
	_, err = access.Share(dir, access.OwnGroup)
	return errors.Join(err, dir.Close())
}

func (d *jobDirs) mark(id core.JobID) error {
	marked, err := d.marked(id)
	if marked || err != nil {
		return err
	}
	return d.root.WriteFile(filepath.Join(string(id), markerName), []byte(id), 0o640)
}

// marked reports whether a directory is that of the job. A marker that was
// just written is empty after a power failure.
func (d *jobDirs) marked(id core.JobID) (bool, error) {
	b, err := d.root.ReadFile(filepath.Join(string(id), markerName))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return len(b) == 0 || bytes.Equal(b, []byte(id)), nil
}

// remove removes the directory of a job with everything in it; the marker goes
// last, so that a removal which is cut off can be repeated. One that is not
// marked is left alone, unless it is empty.
func (d *jobDirs) remove(id core.JobID) error {
	if _, err := core.ParseID[core.JobID](string(id)); err != nil {
		return err
	}
	marked, err := d.marked(id)
	if err != nil {
		return err
	}
	if marked {
		if err := d.empty(id); err != nil {
			return err
		}
	}
	err = d.root.Remove(string(id))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func (d *jobDirs) empty(id core.JobID) error {
	dir, err := d.root.Open(string(id))
	if err != nil {
		return err
	}
	names, err := dir.Readdirnames(-1)
	if err := errors.Join(err, dir.Close()); err != nil {
		return err
	}
	for _, name := range names {
		if name == markerName {
			continue
		}
		if err := d.root.RemoveAll(filepath.Join(string(id), name)); err != nil {
			return err
		}
	}
	return d.root.Remove(filepath.Join(string(id), markerName))
}
