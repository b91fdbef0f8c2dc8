package delivery

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/haul-dl/haul/sdk/errs"
)

// folderMode lets everybody look into the folders that haul makes, as other
// programs on the node (a media server) usually should; the umask of haul's
// process narrows it.
const folderMode = 0o755

// openFolder opens the destination. Its error matches fs.ErrNotExist and has
// no code where only the folder is missing, not the storage.
func openFolder(job Job) (*os.Root, error) {
	root, err := openStorage(job)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	folder, err := openBelow(root, local(job.Path))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		err = destinationError(err, "opening the folder")
	}
	return folder, err
}

// openNearest opens the destination, or as much of the way to it as exists.
func openNearest(job Job) (*os.Root, error) {
	for {
		folder, err := openFolder(job)
		if !isMissing(err) {
			return folder, err
		}
		if name := local(job.Path); name == "." || filepath.Dir(name) == "." {
			return openStorage(job)
		}
		job.Path = path.Dir(path.Clean(job.Path))
	}
}

// openBelow opens a folder of the storage. The first part of its path is
// somebody's home, and no link in there leads to another one.
func openBelow(root *os.Root, name string) (*os.Root, error) {
	top, rest, nested := strings.Cut(name, string(filepath.Separator))
	home, err := root.OpenRoot(top)
	if err != nil || !nested {
		return home, err
	}
	defer home.Close()
	return home.OpenRoot(rest)
}

func openStorage(job Job) (*os.Root, error) {
	if p := local(job.Path); !filepath.IsLocal(p) || strings.ContainsRune(p, 0) {
		return nil, errs.New(errs.InvalidDestination, "The destination leads out of the storage.")
	}
	root, err := os.OpenRoot(job.Root)
	return root, destinationError(err, "opening the storage")
}

// makeFolder opens the destination and makes what is missing of it.
func (m *Mover) makeFolder(job Job) (*os.Root, error) {
	folder, err := openFolder(job)
	if !isMissing(err) {
		return folder, err
	}
	root, err := openStorage(job)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	if err := m.makeFolders(root, job.Path); err != nil {
		return nil, destinationError(err, "making the folder")
	}
	m.at("folder made")
	folder, err = openBelow(root, local(job.Path))
	return folder, destinationError(err, "opening the folder")
}

// makeFolders makes each folder of a path, durably, and the home that is its
// first part as what the others are confined to.
func (m *Mover) makeFolders(root *os.Root, slashed string) error {
	top, rest, nested := strings.Cut(path.Clean(slashed), "/")
	if err := m.makeOne(root, ".", top); err != nil || !nested {
		return err
	}
	home, err := root.OpenRoot(top)
	if err != nil {
		return err
	}
	defer home.Close()
	parent := "."
	for part := range strings.SplitSeq(rest, "/") {
		if err := m.makeOne(home, parent, part); err != nil {
			return err
		}
		parent = filepath.Join(parent, part)
	}
	return nil
}

// makeOne makes one folder, durably, if it is not there.
func (m *Mover) makeOne(root *os.Root, parent, name string) error {
	err := root.Mkdir(filepath.Join(parent, name), folderMode)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return m.syncDir(root, parent)
}

// syncDir makes the names in a directory durable.
func (m *Mover) syncDir(root *os.Root, name string) error {
	dir, err := root.Open(name)
	if err != nil {
		return err
	}
	defer dir.Close()
	return m.syncs.sync(dir)
}

// local turns a path with slashes into one of the system; "" is the root itself.
func local(slashed string) string {
	return filepath.FromSlash(path.Clean("./" + slashed))
}
