package delivery

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

// inspect checks that all files are there, whole and nothing but files, and
// returns the top-level entries that hold them.
func inspect(ctx context.Context, source *os.Root, files []downloader.File) ([]Entry, error) {
	if len(files) == 0 {
		return nil, errs.New(errs.FilesMissing, "The downloader did not say which files it has.")
	}
	var entries []Entry
	known := map[string]int{}
	states := map[string]*state{}
	for _, f := range files {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		info, err := checkFile(source, f)
		if err != nil {
			return nil, err
		}
		top, _, nested := cutPath(f.Path)
		if _, ok := known[top]; !ok {
			e, err := inspectEntry(ctx, source, top)
			if err != nil {
				return nil, err
			}
			known[top], states[top] = len(entries), newState()
			entries = append(entries, e)
		}
		if nested {
			states[top].add(f.Path, info)
		}
	}
	for top, i := range known {
		if entries[i].Dir {
			entries[i].State = states[top].sum()
		}
	}
	return entries, nil
}

// checkFile checks one listed file.
func checkFile(source *os.Root, f downloader.File) (fs.FileInfo, error) {
	name := filepath.FromSlash(f.Path)
	if !filepath.IsLocal(name) || filepath.Clean(name) == "." || strings.ContainsRune(name, 0) {
		return nil, errs.New(errs.UnsafeFile, "The downloader names a file outside of the job's folder.")
	}
	name = filepath.Clean(name)
	info, err := source.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) && f.Size == 0 {
		info, err = makeEmpty(source, name)
	}
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errUnsafe(name)
	}
	if info.Size() != f.Size {
		return nil, errs.New(errs.FilesMissing, "The file %q has %d bytes instead of the %d that the downloader reported.",
			path.Base(f.Path), info.Size(), f.Size)
	}
	return info, nil
}

// makeEmpty makes a file that some daemons leave out, as there is nothing to load.
func makeEmpty(source *os.Root, name string) (fs.FileInfo, error) {
	if err := source.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return nil, err
	}
	file, err := source.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return file.Stat()
}

// cutPath splits a listed path behind its first component.
func cutPath(slashed string) (top, rest string, nested bool) {
	return strings.Cut(path.Clean(slashed), "/")
}

// inspectEntry looks through all of a top-level entry, also at what is not listed.
func inspectEntry(ctx context.Context, source *os.Root, top string) (Entry, error) {
	var e Entry
	err := walk(ctx, source, top, func(name string, info fs.FileInfo) error {
		if name == top {
			e = entryOf(name, info)
		}
		return nil
	})
	return e, err
}

func entryOf(name string, info fs.FileInfo) Entry {
	if info.IsDir() {
		return Entry{Name: name, Dir: true, Inode: inode(info)}
	}
	return Entry{Name: name, Inode: inode(info), Size: info.Size(), Changed: info.ModTime().UnixNano()}
}

// walk calls fn for a file, or for a folder and then all that is below it, and
// fails with errs.UnsafeFile at anything else. It follows no link.
func walk(ctx context.Context, root *os.Root, name string, fn func(name string, info fs.FileInfo) error) error {
	return walkSome(ctx, root, name, func(_ string, names []string) []string { return names }, fn)
}

// walkSome is walk for those names in a folder that are wanted.
func walkSome(ctx context.Context, root *os.Root, name string, wanted func(dir string, names []string) []string, fn func(name string, info fs.FileInfo) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	info, err := root.Lstat(name)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() && !info.IsDir() {
		return errUnsafe(name)
	}
	if err := fn(name, info); err != nil || !info.IsDir() {
		return err
	}
	names, err := list(root, name)
	if err != nil {
		return err
	}
	for _, child := range wanted(name, names) {
		if err := walkSome(ctx, root, filepath.Join(name, child), wanted, fn); err != nil {
			return err
		}
	}
	return nil
}

func list(root *os.Root, name string) ([]string, error) {
	dir, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	slices.Sort(names)
	return names, err
}

func errUnsafe(name string) error {
	return errs.New(errs.UnsafeFile, "%q is neither a file nor a folder.", path.Base(filepath.ToSlash(name)))
}

// inode returns the number of a file within its file system.
func inode(info fs.FileInfo) uint64 {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return s.Ino
	}
	return 0
}
