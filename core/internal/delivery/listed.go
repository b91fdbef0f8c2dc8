package delivery

import (
	"context"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"github.com/haul-dl/haul/sdk/downloader"
)

// listed knows what of a job's data is delivered: the names in each folder that
// are its files, or lead to them. Names are those of the operating system.
type listed map[string]map[string]bool

func listOf(files []downloader.File) listed {
	l := listed{}
	for _, f := range files {
		for name := path.Clean(f.Path); name != "."; name = path.Dir(name) {
			dir, base := filepath.FromSlash(path.Dir(name)), path.Base(name)
			if l[dir] == nil {
				l[dir] = map[string]bool{}
			}
			l[dir][base] = true
		}
	}
	return l
}

// among returns which of the names in a folder are delivered. Some file systems
// spell a name in another way than it was given to them: where a listed one is
// not among the names nobody can tell which it is, and all of them count.
func (l listed) among(dir string, names []string) []string {
	wanted, found := l[dir], make([]string, 0, len(names))
	for _, name := range names {
		if wanted[name] {
			found = append(found, name)
		}
	}
	if len(found) == 0 || len(found) < len(wanted) {
		return names
	}
	return found
}

// walkListed is walk, without what is not listed.
func (x *execution) walkListed(ctx context.Context, top string, fn func(name string, info fs.FileInfo) error) error {
	return walkSome(ctx, x.from, top, x.listed.among, fn)
}

// prune removes from a folder what is not delivered, such as parts of files
// that were not wanted: a folder is renamed as a whole.
func (x *execution) prune(ctx context.Context, top string) error {
	info, err := x.from.Lstat(top)
	if err != nil || !info.IsDir() {
		return err
	}
	return prune(ctx, x.from, top, x.listed)
}

func prune(ctx context.Context, root *os.Root, dir string, l listed) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	entries, err := readDir(root, dir)
	if err != nil {
		return err
	}
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		names = append(names, e.Name())
	}
	keep := map[string]bool{}
	for _, name := range l.among(dir, names) {
		keep[name] = true
	}
	for _, e := range entries {
		name := filepath.Join(dir, e.Name())
		switch {
		case !keep[e.Name()]:
			err = root.RemoveAll(name)
		case e.IsDir():
			err = prune(ctx, root, name, l)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
