package cli

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/uuid"

	"github.com/haul-dl/haul/sdk/errs"
)

// target is a file on its way: it has another name until it is whole. All
// names stay below one folder, whatever they say: they come from strangers.
type target struct {
	root  *os.Root
	temp  *os.File
	part  string
	name  string
	force bool
}

// openTarget begins a file. It refuses a name that exists, unless forced.
func openTarget(dir, name string, force bool) (*target, error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, targetError(err, dir)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, targetError(err, dir)
	}
	t := &target{root: root, name: name, force: force}
	if err := t.begin(); err != nil {
		return nil, errors.Join(targetError(err, filepath.Join(dir, name)), root.Close())
	}
	return t, nil
}

func (t *target) begin() error {
	if _, err := t.root.Lstat(t.name); err == nil && !t.force {
		return fs.ErrExist
	}
	folder := filepath.Dir(t.name)
	if err := t.root.MkdirAll(folder, 0o777); err != nil {
		return err
	}
	t.part = filepath.Join(folder, ".haul-"+uuid.NewString()+".part")
	temp, err := t.root.OpenFile(t.part, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	t.temp = temp
	return err
}

// commit gives the file its name.
func (t *target) commit() error {
	if err := errors.Join(t.temp.Sync(), t.temp.Close()); err != nil {
		return targetError(err, t.name)
	}
	if err := t.rename(); err != nil {
		return targetError(err, t.name)
	}
	t.part = ""
	return nil
}

func (t *target) rename() error {
	if t.force {
		return t.root.Rename(t.part, t.name)
	}
	// Unlike a rename, a link never replaces a file that came meanwhile.
	err := t.root.Link(t.part, t.name)
	switch {
	case err == nil:
		return t.root.Remove(t.part)
	case errors.Is(err, fs.ErrExist):
		return err
	}
	return t.root.Rename(t.part, t.name) // a file system without links
}

// discard lets go of everything; of a file that was not committed nothing stays.
func (t *target) discard() {
	if t.part != "" {
		_ = t.temp.Close()        // may be closed already
		_ = t.root.Remove(t.part) // may be gone already
	}
	_ = t.root.Close()
}

func targetError(err error, path string) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrExist):
		return errs.Wrap(err, errs.DestinationExists, "%s exists.", path).WithHint("Choose another --output, or overwrite it with --force.")
	}
	return errs.Wrap(err, errs.DestinationReadOnly, "%s cannot be written.", path).WithHint("%v", err)
}
