package delivery

import (
	"context"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"github.com/haul-dl/haul/sdk/downloader"
)

// listed knows what of a job's data is delivered: its files, and the folders
// that lead to them. Names are those of the operating system.
type listed map[string]bool

func listOf(files []downloader.File) listed {
	l := listed{}
	for _, f := range files {
		for name := path.Clean(f.Path); name != "." && !l[filepath.FromSlash(name)]; name = path.Dir(name) {
			l[filepath.FromSlash(name)] = true
		}
	}
	return l
}

// walkListed is walk, without what is not listed.
func (x *execution) walkListed(ctx context.Context, top string, fn func(name string, info fs.FileInfo) error) error {
	return walkSome(ctx, x.from, top, func(name string) bool { return x.listed[name] }, fn)
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

func prune(ctx context.Context, root *os.Root, dir string, keep listed) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	names, err := list(root, dir)
	if err != nil {
		return err
	}
	for _, child := range names {
		name := filepath.Join(dir, child)
		if !keep[name] {
			if err := root.RemoveAll(name); err != nil {
				return err
			}
			continue
		}
		info, err := root.Lstat(name)
		if err != nil {
			return err
		}
		if info.IsDir() {
			if err := prune(ctx, root, name, keep); err != nil {
				return err
			}
		}
	}
	return nil
}
