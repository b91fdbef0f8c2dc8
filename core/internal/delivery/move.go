package delivery

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"syscall"
)

// move renames an entry, or copies it where that is impossible.
func (x *execution) move(ctx context.Context, i int) error {
	e := &x.plan.Entries[i]
	if !x.oneDevice {
		x.plan.because(whyOtherDevice)
		return x.duplicate(ctx, i)
	}
	if e.Dir {
		switch err := x.prune(ctx, e.Name); {
		case crossesDevices(err): // a folder of another user, which can be read at least
			x.plan.because(whyNotMovable(err))
			return x.duplicate(ctx, i)
		case err != nil:
			return sourceError(err)
		}
		x.at("data pruned")
	}
	if err := x.flush(ctx, e.Name); err != nil {
		return sourceError(err)
	}
	x.at("data flushed")
	dir, err := x.fromAt.open(path.Dir(e.Name))
	if err != nil {
		return sourceError(err)
	}
	err = x.settle(ctx, i, dir, path.Base(e.Name))
	if crossesDevices(err) {
		x.plan.because(whyNotMovable(err))
		return x.duplicate(ctx, i)
	}
	if err != nil {
		return entryError(err, e, "renaming")
	}
	x.arrived(i, MethodRename)
	return nil
}

// sameDevice reports whether two directories are of one file system, so that a
// rename can be possible at all.
func sameDevice(a, b *os.File) bool {
	here, err := a.Stat()
	there, otherErr := b.Stat()
	return err != nil || otherErr != nil || device(here) == device(there)
}

// crossesDevices reports whether a rename failed for a reason that a copy does
// not have. Renaming another user's folder needs the right to write into it.
func crossesDevices(err error) bool {
	if hasCode(err) {
		return false
	}
	return errors.Is(err, syscall.EXDEV) || errors.Is(err, syscall.EACCES) || errors.Is(err, syscall.EPERM)
}

// settle gives what is named old in dir its final name, atomically, and in
// place of something else only where the policy says so: ErrReplan.
func (x *execution) settle(ctx context.Context, i int, dir *os.File, old string) error {
	e := &x.plan.Entries[i]
	to, name, err := x.target(e)
	if err != nil {
		return err
	}
	if x.job.policy() == overwritePolicy && !e.Dir {
		err := x.names.rename(dir, old, to, name)
		x.at("renamed")
		return taken(err)
	}
	if !e.Claimed {
		err := x.names.renameNew(dir, old, to, name)
		if !errors.Is(err, errors.ErrUnsupported) {
			x.at("renamed")
			return taken(err)
		}
	}
	if !e.Dir && !e.Claimed {
		err := x.names.link(dir, old, to, name)
		if err == nil {
			x.at("linked")
			return x.names.unlink(dir, old)
		}
		if !cannotLink(err) || errors.Is(err, syscall.EXDEV) {
			return taken(err)
		}
	}
	return x.claim(ctx, i, dir, old)
}

// target opens the folder that an entry goes to, and makes it if it is missing.
func (x *execution) target(e *Entry) (dir *os.File, name string, err error) {
	parent := path.Dir(e.As)
	x.touched[parent] = true
	dir, err = x.toAt.open(parent)
	if errors.Is(err, fs.ErrNotExist) {
		if err := x.makeParents(parent); err != nil {
			return nil, "", entryError(err, e, "making a folder")
		}
		dir, err = x.toAt.open(parent)
	}
	return dir, path.Base(e.As), entryError(err, e, "opening a folder")
}

// makeParents makes the folders down to dir.
func (x *execution) makeParents(dir string) error {
	for up := dir; up != "."; up = path.Dir(up) {
		x.touched[path.Dir(up)] = true
	}
	return x.to.MkdirAll(dir, folderMode)
}

// claim makes an empty file or folder of the final name, which nobody else can
// then take, and renames over it. That it may be ours is stored before.
func (x *execution) claim(ctx context.Context, i int, dir *os.File, old string) error {
	e := &x.plan.Entries[i]
	if !e.Claimed {
		x.claimAlso(i)
		if err := x.save(ctx); err != nil {
			return err
		}
	}
	x.at("claim stored")
	err := x.makeEmpty(e)
	if errors.Is(err, fs.ErrExist) {
		if there, statErr := x.to.Lstat(e.As); statErr != nil || there.IsDir() != e.Dir || !isEmpty(x.to, e.As, there) {
			return ErrReplan
		}
		err = nil
	}
	if err != nil {
		return err
	}
	x.at("claimed")
	to, name, err := x.target(e)
	if err != nil {
		return err
	}
	err = x.names.rename(dir, old, to, name)
	x.at("renamed")
	if err != nil {
		return errors.Join(taken(err), x.to.Remove(e.As))
	}
	return nil
}

// claimAlso claims an entry and some that follow, so that the plan needs not be
// stored for each of thousands.
func (x *execution) claimAlso(i int) {
	x.plan.Entries[i].Claimed = true
	entries := x.plan.Entries
	for j := i + 1; j < min(len(entries), i+1+len(entries)/savesPerRun); j++ {
		if e := &entries[j]; x.open(j) && e.As != "" && !has(x.to, e.As) {
			e.Claimed = true
		}
	}
}

func (x *execution) makeEmpty(e *Entry) error {
	if e.Dir {
		return x.to.Mkdir(e.As, folderMode)
	}
	f, err := x.to.OpenFile(e.As, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

// taken recognises that something else has the name.
func taken(err error) error {
	if errors.Is(err, fs.ErrExist) || errors.Is(err, syscall.ENOTEMPTY) || errors.Is(err, syscall.EISDIR) {
		return ErrReplan
	}
	return err
}
