package delivery

import (
	"context"
	"errors"
	"os"
	"slices"

	"github.com/haul-dl/haul/sdk/errs"
)

// Execute carries out a plan that is stored. What an earlier call has done is
// not done again. It returns when everything is durable at the destination.
//
// A file that cannot be delivered does not keep the others back: then the error
// is that of the first such file, and Result.Failed has all. Files that Job.Only
// leaves out, and that are not there, are among them with errs.NotDelivered.
//
// Errors: ErrReplan, errs.OutOfSpace, errs.DestinationReadOnly,
// errs.DestinationExists, errs.NameNotPossible, errs.InvalidDestination,
// errs.FilesMissing, errs.FilesChanged, errs.UnsafeFile, errs.PathNotWritable,
// errs.NotDelivered, those of Hooks.Save, and ctx's.
func (m *Mover) Execute(ctx context.Context, job Job, p Plan, hooks Hooks) (Result, error) {
	x, err := m.begin(job, p, hooks)
	if err != nil {
		return Result{}, err
	}
	defer x.close()
	if err := x.run(ctx); err != nil {
		x.lookAtRest(ctx)
		return x.result(), err
	}
	if err := x.syncTouched(); err != nil {
		return Result{}, destinationError(err, "writing the folder to the disk")
	}
	m.at("folder synced")
	r := x.result()
	if len(r.Failed) > 0 {
		return r, x.firstFailure()
	}
	if err := removeHidden(x.to, job.Task); err != nil {
		return r, destinationError(err, "removing temporary files")
	}
	return r, nil
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
	// fromAt and toAt open folders below them.
	fromAt, toAt *folderCache
	listed       listed
	*account
	// queue are the entries to deliver, ready those whose copy is whole.
	queue, ready []int
	readyBytes   int64
	// unsynced are finished copies of files that the disk may not have yet.
	unsynced      []finished
	unsyncedBytes int64
	// wayHere is the first of waysInKernel that may work between the two file
	// systems; buffer is for copies that none of them makes.
	wayHere int
	buffer  []byte
	// touched are the destination's folders that got new names.
	touched map[string]bool
	// bulk says that there are so many files that one call which writes all of
	// them to the disk is cheaper; fromSynced that it was made.
	bulk, fromSynced bool
	turn, roomKnown  bool
	// oneDevice says that data and destination are on one file system.
	oneDevice       bool
	noLink, noClone bool
}

// bulkFiles is how many files make a bulk.
const bulkFiles = 512

func (m *Mover) begin(job Job, p Plan, hooks Hooks) (_ *execution, err error) {
	p.Entries = slices.Clone(p.Entries)
	x := &execution{
		Mover: m, job: job, hooks: hooks, plan: p, listed: listOf(job.Files),
		touched: map[string]bool{}, bulk: len(job.Files) >= bulkFiles,
	}
	x.account = newAccount(job, x.plan.Entries, hooks.Progress)
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
	x.fromAt, x.toAt = newFolderCache(x.from, x.fromDir), newFolderCache(x.to, x.toDir)
	x.oneDevice = sameDevice(x.fromDir, x.toDir)
	return x, nil
}

// close lets the directories go; nothing was written through them.
func (x *execution) close() {
	if x.turn {
		<-x.copying
	}
	x.fromAt.close()
	x.toAt.close()
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

// run delivers all entries, in the order of the plan.
func (x *execution) run(ctx context.Context) error {
	if err := x.splitForOnly(ctx); err != nil {
		return err
	}
	for i := range x.plan.Entries {
		x.queue = append(x.queue, i)
	}
	for len(x.queue) > 0 || len(x.ready) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		if len(x.queue) == 0 || x.readyIsFull() {
			if err := x.settleReady(ctx); err != nil {
				return err
			}
			continue
		}
		i := x.queue[0]
		x.queue = x.queue[1:]
		if err := x.deliver(ctx, i); err != nil {
			if err := x.fail(ctx, i, err); err != nil {
				return err
			}
		}
	}
	return nil
}

// maxTurns bounds how often one entry is looked at again, as others keep
// changing what is at its destination.
const maxTurns = 5

// deliver brings one entry to its destination, or makes its copy ready for that.
func (x *execution) deliver(ctx context.Context, i int) error {
	e := &x.plan.Entries[i]
	for range maxTurns {
		switch err := x.look(e); {
		case errors.Is(err, errDone):
			x.tidy(e)
			x.arrived(i, x.wayOf(e))
			return nil
		case errors.Is(err, errSkip):
			x.skipped(i)
			return x.dropCopy(e)
		case x.leftOut(i):
			return errLeftOut()
		case errors.Is(err, errMerge):
			return x.split(ctx, i)
		case err != nil:
			return err
		}
		if err := x.learn(ctx, i); err != nil {
			return err
		}
		err := x.bring(ctx, i)
		if !errors.Is(err, ErrReplan) || x.job.policy() == renamePolicy {
			return err
		}
	}
	return errs.New(errs.Conflict, "%q is changed at the destination all the time.", e.As)
}

// bring moves, links or copies an entry, as the job allows.
func (x *execution) bring(ctx context.Context, i int) error {
	e := &x.plan.Entries[i]
	switch {
	case x.hasCopy(e):
		return x.readyToSettle(i)
	case x.job.Data == DataMove:
		return x.move(ctx, i)
	case x.job.Data == DataLink && !e.Dir && x.job.policy() != overwritePolicy:
		return x.link(ctx, i)
	}
	return x.duplicate(ctx, i)
}

// fail notes an entry's error, or returns it where it ends the delivery. The
// files of a folder that fails are tried one by one, unless they changed: then
// none of them can be trusted.
func (x *execution) fail(ctx context.Context, i int, err error) error {
	e := &x.plan.Entries[i]
	switch {
	case endsAll(err):
		x.failed(i, err)
		return err
	case e.Dir && !errs.Is(err, errs.NotDelivered) && !errs.Is(err, errs.FilesChanged):
		x.log.Debug("a folder is delivered file by file", "task", x.job.Task, "err", err)
		if err := x.split(ctx, i); !errs.Is(err, errs.FilesChanged) {
			return err
		}
	}
	x.failed(i, err)
	return nil
}

func errLeftOut() error {
	return errs.New(errs.NotDelivered, "The file was not among those that were tried.")
}

// lookAtRest finds what earlier calls have delivered, after an error.
func (x *execution) lookAtRest(ctx context.Context) {
	for i := range x.plan.Entries {
		if ctx.Err() != nil {
			return
		}
		if x.open(i) && errors.Is(x.look(&x.plan.Entries[i]), errDone) {
			x.arrived(i, x.wayOf(&x.plan.Entries[i]))
		}
	}
}

// wayOf tells how an entry came that an earlier call delivered.
func (x *execution) wayOf(e *Entry) Method {
	switch {
	case e.Copy != 0:
		return e.Method
	case x.job.Data == DataMove:
		return MethodRename
	}
	return MethodLink
}

func (x *execution) save(ctx context.Context) error {
	p := x.plan
	p.Entries = slices.Clone(p.Entries)
	if err := x.hooks.Save(ctx, p); err != nil {
		return saveError{err}
	}
	return nil
}
