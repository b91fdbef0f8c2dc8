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
// what was there before. It goes on after a failure, and returns with that the
// files that may be there still. Errors: errs.InvalidDestination,
// errs.DestinationReadOnly, ctx's.
func RemoveFiles(ctx context.Context, root, folder string, files []core.DeliveredFile) (left []core.DeliveredFile, err error) {
	dir, err := openFolder(Job{Root: root, Path: folder})
	if isMissing(err) {
		return nil, nil
	}
	if err != nil {
		return files, err
	}
	defer dir.Close()
	return removeDelivered(ctx, dir, files)
}

// removeDelivered is RemoveFiles in a folder that is open.
func removeDelivered(ctx context.Context, dir *os.Root, files []core.DeliveredFile) (left []core.DeliveredFile, failed error) {
	for i, f := range files {
		if ctx.Err() != nil {
			return append(left, files[i:]...), ctx.Err()
		}
		if err := removeFile(dir, f); err != nil {
			left, failed = append(left, f), err
		}
	}
	for _, f := range files {
		if !f.Skipped && isInside(f.Path) && checkFoldersAbove(dir, f.Path) == nil {
			removeEmptyParents(dir, f.Path)
		}
	}
	return left, failed
}

// removeFile removes a file that is as it was delivered. Where there is something
// else by now, or nothing, that is settled.
func removeFile(dir *os.Root, f core.DeliveredFile) error {
	if f.Skipped || !isInside(f.Path) {
		return nil
	}
	name := filepath.FromSlash(f.Path)
	err := checkFoldersAbove(dir, f.Path)
	if err == nil {
		var info fs.FileInfo
		if info, err = dir.Lstat(name); err == nil {
			if !info.Mode().IsRegular() || info.Size() != f.Size {
				return nil
			}
			err = dir.Remove(name)
		}
	}
	if err == nil || errors.Is(err, fs.ErrNotExist) || errors.Is(err, errReplaced) {
		return nil
	}
	return errs.Wrap(err, errs.DestinationReadOnly, "The file %q cannot be removed.", f.Path)
}

// errReplaced is that of checkFoldersAbove where something else has the name of a folder.
var errReplaced = errors.New("something else is in place of the folder")

// checkFoldersAbove fails where one of the folders above a file is gone, or is none: what
// is behind a link there is not what was delivered.
func checkFoldersAbove(dir *os.Root, slashed string) error {
	above := strings.Split(path.Dir(path.Clean(slashed)), "/")
	for i := range above {
		folder := path.Join(above[:i+1]...)
		if folder == "." {
			continue
		}
		info, err := dir.Lstat(filepath.FromSlash(folder))
		if err != nil {
			return err
		}
		if !info.IsDir() {
			return errReplaced
		}
	}
	return nil
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
