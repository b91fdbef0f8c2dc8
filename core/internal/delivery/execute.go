package delivery

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"github.com/haul-dl/haul/sdk/errs"
)

// errDone says that an entry is at its destination already.
var errDone = errors.New("delivery: done already")

// Execute carries out a plan that is stored. What an earlier call has done is
// not done again. It returns when everything is durable at the destination.
//
// Errors: ErrReplan, errs.OutOfSpace, errs.DestinationReadOnly,
// errs.InvalidDestination, errs.FilesMissing, errs.UnsafeFile,
// errs.PathNotWritable, those of Hooks.Save, and ctx's.
func (m *Mover) Execute(ctx context.Context, job Job, p Plan, hooks Hooks) (Result, error) {
	x, err := m.begin(job, p, hooks)
	if err != nil {
		return Result{}, err
	}
	defer x.close()
	for i := range x.plan.Entries {
		if err := ctx.Err(); err != nil {
			return Result{}, err
		}
		if err := x.deliver(ctx, i); err != nil {
			return Result{}, err
		}
	}
	if err := m.syncs.sync(x.toDir); err != nil {
		return Result{}, destinationError(err, "writing the folder to the disk")
	}
	m.at("folder synced")
	return x.plan.result(job.Files), nil
}

// execution is one call of Execute.
type execution struct {
	*Mover
	job   Job
	plan  Plan
	hooks Hooks
	// from and to are the job's data and the destination.
	from, to       *os.Root
	fromDir, toDir *os.File
	listed         listed
	moved          int64
}

func (m *Mover) begin(job Job, p Plan, hooks Hooks) (_ *execution, err error) {
	x := &execution{Mover: m, job: job, hooks: hooks, listed: listOf(job.Files), plan: Plan{Entries: append([]Entry(nil), p.Entries...)}}
	defer func() {
		if err != nil {
			x.close()
		}
	}()
	if x.from, err = os.OpenRoot(job.Source); err != nil {
		return nil, sourceError(err)
	}
	if x.fromDir, err = x.from.Open("."); err != nil {
		return nil, sourceError(err)
	}
	if x.to, err = m.makeFolder(job); err != nil {
		return nil, err
	}
	if x.toDir, err = x.to.Open("."); err != nil {
		return nil, destinationError(err, "opening the folder")
	}
	return x, nil
}

// close lets the directories go; nothing was written through them.
func (x *execution) close() {
	for _, d := range []*os.File{x.fromDir, x.toDir} {
		if d != nil {
			d.Close() //nolint:errcheck // see above
		}
	}
	for _, r := range []*os.Root{x.from, x.to} {
		if r != nil {
			r.Close() //nolint:errcheck // see above
		}
	}
}

// deliver brings one entry to its destination.
func (x *execution) deliver(ctx context.Context, i int) error {
	e := &x.plan.Entries[i]
	switch err := x.look(e); {
	case errors.Is(err, errDone):
		x.tidy(e)
	case err != nil:
		return err
	case x.job.Data != DataMove || e.Copy != 0:
		if err := x.duplicate(ctx, i); err != nil {
			return err
		}
	default:
		if err := x.move(ctx, i); err != nil {
			return err
		}
	}
	x.progress(e)
	return nil
}

// look tells where an entry stands: nil when it can be delivered under its
// name, errDone, ErrReplan, or that it is lost.
func (x *execution) look(e *Entry) error {
	there, err := x.to.Lstat(e.As)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return destinationError(err, "looking at the folder")
	}
	here, hereErr := x.from.Lstat(e.Name)
	if hereErr != nil && !errors.Is(hereErr, fs.ErrNotExist) {
		return sourceError(hereErr)
	}
	switch {
	case there != nil && e.is(there):
		return errDone
	case there != nil && here == nil && e.resembles(there):
		// Some network and union file systems number a file anew when it is
		// renamed. The source is gone, so this is it.
		return errDone
	case here == nil && e.Copy == 0:
		return errs.New(errs.FilesMissing, "The downloaded data is gone.")
	case there != nil && !(e.Claimed && isEmpty(x.to, e.As, there)):
		return ErrReplan
	}
	return nil
}

// is reports whether a file is the entry, moved, linked or copied.
func (e *Entry) is(info fs.FileInfo) bool {
	n := inode(info)
	return e.resembles(info) && (n == e.Inode || e.Copy != 0 && n == e.Copy)
}

func (e *Entry) resembles(info fs.FileInfo) bool {
	if e.Dir {
		return info.IsDir()
	}
	return info.Mode().IsRegular() && info.Size() == e.Size
}

// isEmpty recognises a name that was claimed before a crash.
func isEmpty(root *os.Root, name string, info fs.FileInfo) bool {
	if !info.IsDir() {
		return info.Mode().IsRegular() && info.Size() == 0
	}
	names, err := list(root, name)
	return err == nil && len(names) == 0
}

// tidy takes away the second name of a file that was linked, not renamed.
func (x *execution) tidy(e *Entry) {
	if x.job.Data != DataMove || e.Dir || e.Copy != 0 {
		return
	}
	if here, err := x.from.Lstat(e.Name); err != nil || inode(here) != e.Inode {
		return
	}
	if err := x.from.Remove(e.Name); err != nil {
		x.log.Debug("the job's name of a delivered file stays", "task", x.job.Task, "err", err)
	}
}

func (x *execution) progress(e *Entry) {
	if x.hooks.Progress == nil {
		return
	}
	for _, f := range x.job.Files {
		if top, _, _ := cutPath(f.Path); top == e.Name {
			x.moved += f.Size
		}
	}
	x.hooks.Progress(x.moved, 0)
}
