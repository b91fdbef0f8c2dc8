package delivery

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/sdk/errs"
)

// FindTaken returns which names are taken in a folder of a local storage, in
// their order. A folder that does not exist has none. Errors:
// errs.InvalidDestination, errs.DestinationReadOnly, ctx's.
func FindTaken(ctx context.Context, root, folder string, names []string) ([]string, error) {
	dir, err := openFolder(Job{Root: root, Path: folder})
	if isMissing(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	var taken []string
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if !isInside(name) {
			return nil, errs.New(errs.InvalidDestination, "%q is not a name inside of the folder.", name)
		}
		switch _, err := dir.Lstat(filepath.FromSlash(name)); {
		case err == nil:
			taken = append(taken, name)
		case errors.Is(err, fs.ErrNotExist), nameRefused(err), notFolder(err):
		default:
			return nil, destinationError(err, "looking at the folder")
		}
	}
	return taken, nil
}

// RemoveFiles removes delivered files from a folder of a local storage, and the
// folders that they leave empty. What somebody changed since stays, as does
// what was there before. It can be repeated. Errors: errs.InvalidDestination,
// errs.DestinationReadOnly, ctx's.
func RemoveFiles(ctx context.Context, root, folder string, files []core.DeliveredFile) error {
	dir, err := openFolder(Job{Root: root, Path: folder})
	if isMissing(err) {
		return nil
	}
	if err != nil {
		return err
	}
	defer dir.Close()
	const atOnce = 1000 // between two looks at the context
	for len(files) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := min(len(files), atOnce)
		if err := removeDelivered(dir, files[:n]); err != nil {
			return err
		}
		files = files[n:]
	}
	return nil
}

// removeDelivered removes regular files of the recorded size, then folders.
func removeDelivered(dir *os.Root, files []core.DeliveredFile) error {
	for _, f := range files {
		if f.Skipped || !isInside(f.Path) || throughLink(dir, f.Path) {
			continue
		}
		name := filepath.FromSlash(f.Path)
		info, err := dir.Lstat(name)
		if err != nil || !info.Mode().IsRegular() || info.Size() != f.Size {
			continue
		}
		if err := dir.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return errs.Wrap(err, errs.DestinationReadOnly, "The file %q cannot be removed.", f.Path)
		}
	}
	for _, f := range files {
		if !f.Skipped && isInside(f.Path) && !throughLink(dir, f.Path) {
			removeEmptyParents(dir, f.Path)
		}
	}
	return nil
}

// throughLink reports whether a folder on the way to a file is a link, or gone.
func throughLink(dir *os.Root, slashed string) bool {
	for parent := path.Dir(path.Clean(slashed)); parent != "."; parent = path.Dir(parent) {
		info, err := dir.Lstat(parent)
		if err != nil || !info.IsDir() {
			return true
		}
	}
	return false
}

// removeEmptyParents removes the folders above a file as long as they are empty.
func removeEmptyParents(dir *os.Root, slashed string) {
	for parent := path.Dir(path.Clean(slashed)); parent != "."; parent = path.Dir(parent) {
		if dir.Remove(parent) != nil {
			return
		}
	}
}

func isInside(slashed string) bool {
	return filepath.IsLocal(filepath.FromSlash(slashed)) && path.Clean(slashed) != "." && !strings.ContainsRune(slashed, 0)
}
