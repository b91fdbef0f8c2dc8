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
	look := &looker{root: source}
	defer look.close()
	known := map[string]int{}
	states := map[string]*state{}
	for _, f := range files {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		info, err := checkFile(source, look, f)
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
func checkFile(source *os.Root, look *looker, f downloader.File) (fs.FileInfo, error) {
	name := filepath.FromSlash(f.Path)
	if !filepath.IsLocal(name) || filepath.Clean(name) == "." || strings.ContainsRune(name, 0) {
		return nil, errs.New(errs.UnsafeFile, "The downloader names a file outside of the job's folder.")
	}
	name = filepath.Clean(name)
	info, err := look.lstat(name)
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
	w := walker{wanted: wanted, fn: fn}
	return w.visit(ctx, root, name, name)
}

type walker struct {
	wanted func(dir string, names []string) []string
	fn     func(name string, info fs.FileInfo) error
}

// visit looks at what has a name in dir; at is its path from where the walk
// began. Asking the folder itself is cheaper than to go down to each file.
func (w *walker) visit(ctx context.Context, dir *os.Root, name, at string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	info, err := dir.Lstat(name)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() && !info.IsDir() {
		return errUnsafe(at)
	}
	if err := w.fn(at, info); err != nil || !info.IsDir() {
		return err
	}
	sub, err := dir.OpenRoot(name)
	if err != nil {
		return err
	}
	defer sub.Close()
	names, err := list(sub, ".")
	if err != nil {
		return err
	}
	for _, child := range w.wanted(at, names) {
		if err := w.visit(ctx, sub, child, filepath.Join(at, child)); err != nil {
			return err
		}
	}
	return nil
}

func list(root *os.Root, name string) ([]string, error) {
	entries, err := readDir(root, name)
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		names = append(names, e.Name())
	}
	slices.Sort(names)
	return names, err
}

// readDir also takes names that are no text, as fs.ReadDir does not.
func readDir(root *os.Root, name string) ([]fs.DirEntry, error) {
	dir, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	return dir.ReadDir(-1)
}

// looker looks at files below a root, and keeps the last one's folder open: the
// files of one folder come one after the other.
type looker struct {
	root *os.Root
	dir  string
	sub  *os.Root
}

func (l *looker) lstat(name string) (fs.FileInfo, error) {
	dir, base := filepath.Split(filepath.Clean(name))
	if dir == "" {
		return l.root.Lstat(base)
	}
	if l.sub == nil || l.dir != dir {
		sub, err := l.root.OpenRoot(filepath.Clean(dir))
		if err != nil {
			return nil, err
		}
		l.close()
		l.dir, l.sub = dir, sub
	}
	return l.sub.Lstat(base)
}

// close lets the folder go; nothing was written through it.
func (l *looker) close() {
	if l.sub != nil {
		l.sub.Close() //nolint:errcheck // see above
		l.sub = nil
	}
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
