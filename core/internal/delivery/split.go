package delivery

import (
	"context"
	"errors"
	"io/fs"
	"path"

	"github.com/haul-dl/haul/sdk/errs"
)

// split puts the files of a folder in its place, so that each comes for itself.
// That is stored before any of them moves: the folder is never looked for then.
func (x *execution) split(ctx context.Context, i int) error {
	if err := x.splitOne(i); err != nil {
		return err
	}
	return x.save(ctx)
}

func (x *execution) splitOne(i int) error {
	folder := x.plan.Entries[i]
	files := x.inside[i]
	children := make([]Entry, 0, len(files))
	for _, f := range files {
		e, err := x.childOf(&folder, path.Clean(x.files[f].Path))
		if err != nil {
			return err
		}
		if e.Inode != 0 && e.Size != x.files[f].Size {
			return errChanged(e.Name)
		}
		children = append(children, e)
	}
	if len(children) == 0 {
		return errs.New(errs.FilesMissing, "The folder %q has no files to deliver.", path.Base(folder.Name))
	}
	x.inside[i], x.fates[i] = nil, fateOpen
	for n, e := range children {
		at := i
		if n == 0 {
			x.plan.Entries[i] = e
		} else {
			at = len(x.plan.Entries)
			x.plan.Entries = append(x.plan.Entries, e)
			x.grow(len(x.plan.Entries))
		}
		x.own(at, files[n])
		x.queue = append(x.queue, at)
	}
	return nil
}

// childOf makes the entry of one file in a folder. One that is gone stays in
// the plan, and fails by itself.
func (x *execution) childOf(folder *Entry, name string) (Entry, error) {
	e := Entry{Name: name}
	info, err := x.from.Lstat(name)
	switch {
	case err == nil && !info.Mode().IsRegular():
		return e, errUnsafe(name)
	case err == nil:
		e = entryOf(name, info)
	case !errors.Is(err, fs.ErrNotExist):
		return e, sourceError(err)
	}
	rest := name[len(folder.Name):]
	if folder.As != "" {
		e.As = folder.As + rest
	}
	if folder.Temp != "" {
		e.Temp = folder.Temp + rest
	}
	return e, nil
}

// learn stores which file an entry is that was missing when its folder was split.
func (x *execution) learn(ctx context.Context, i int) error {
	e := &x.plan.Entries[i]
	if e.Inode != 0 || e.Dir {
		return nil
	}
	info, err := x.from.Lstat(e.Name)
	switch {
	case err != nil:
		return sourceError(err)
	case !info.Mode().IsRegular():
		return errUnsafe(e.Name)
	case info.Size() != x.listedIn(i)[0].Size:
		return errChanged(e.Name)
	}
	now := entryOf(e.Name, info)
	e.Inode, e.Size, e.Changed = now.Inode, now.Size, now.Changed
	return x.save(ctx)
}

// splitForOnly splits the folders of which this attempt is for some files only.
func (x *execution) splitForOnly(ctx context.Context) error {
	if len(x.only) == 0 {
		return nil
	}
	changed := false
	for i := range x.plan.Entries {
		e := &x.plan.Entries[i]
		n := x.wanted(i)
		if !e.Dir || n == 0 || n == len(x.inside[i]) {
			continue
		}
		if err := x.look(e); err == errDone { //nolint:errorlint // look returns it as it is
			continue
		}
		if err := x.splitOne(i); err != nil {
			return err
		}
		changed = true
	}
	x.queue = nil
	if !changed {
		return nil
	}
	return x.save(ctx)
}

// unchangedSince tells whether an entry's data is what it was when the plan was made.
func (x *execution) unchangedSince(i int) error {
	return sourceError(x.plan.Entries[i].unchanged(x.from, x.listedIn(i)))
}
