package worker

import (
	"context"
	"errors"
	"time"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/delivery"
	"github.com/haul-dl/haul/sdk/errs"
)

// retracter returns a function that undoes what was done of a plan.
func (n *Node) retracter(j *job, d *deliveryRecord) func(context.Context) stepDone {
	job, err := n.deliveryJob(j, d, d.Target, d.Data)
	undo := n.undoer(j, d, &job)
	return func(ctx context.Context) stepDone {
		if err == nil {
			err = undo(ctx)
		}
		return stepDone{err: err}
	}
}

// undoer returns a function that takes back what was done of a plan. What was
// delivered before its time was over stays: only what is temporary goes.
func (n *Node) undoer(j *job, d *deliveryRecord, job *delivery.Job) func(context.Context) error {
	plan, keep := *d.Plan, d.Ended && !j.needsDataOf(d)
	return func(ctx context.Context) error {
		if keep {
			return n.delivererOf(job).Discard(*job, plan)
		}
		return n.delivererOf(job).Retract(ctx, *job, plan)
	}
}

// tidyFor is how long a job that ends waits for a storage which has something of
// it, such as one whose plugin is starting.
const tidyFor = time.Minute

// untidyError is trouble of a storage from which something has to be removed.
type untidyError struct{ error }

func (e untidyError) Unwrap() error { return e.error }

func isUntidy(err error) bool {
	_, ok := errors.AsType[untidyError](err)
	return ok
}

// begun is a delivery that will not be finished.
type begun struct {
	task core.TaskID
	undo func(context.Context) error
	// left is what stays of it where it cannot be undone; nil of a local folder.
	left *remnant
}

// allBegun lists those of a job, apart by where they go.
func (n *Node) allBegun(j *job) (local, remote []begun) {
	for _, d := range j.Deliveries {
		if d.Done || d.Plan == nil {
			continue
		}
		job, err := n.deliveryJob(j, d, d.Target, d.Data)
		if errs.Is(err, errs.StorageMissing) || !d.Plan.Begun && (err != nil || job.Remote != nil) {
			continue
		}
		b := begun{task: d.Want.Task, undo: n.undoer(j, d, &job)}
		switch {
		case err != nil:
			b.undo = func(context.Context) error { return err }
			fallthrough
		case job.Remote != nil:
			b.left = newRemnant(d)
			remote = append(remote, b)
		default:
			local = append(local, b)
		}
	}
	return local, remote
}

// undoAll undoes what was done of deliveries, and tells of whose nothing is left,
// and what stays of the others. While patient it fails where a storage is down.
func (n *Node) undoAll(ctx context.Context, all []begun, patient bool) (undone []core.TaskID, left []*remnant, failed error) {
	for _, b := range all {
		err := b.undo(ctx)
		switch {
		case err == nil:
			undone = append(undone, b.task)
			continue
		case ctx.Err() != nil:
			return undone, nil, ctx.Err()
		case b.left != nil && patient && isStorageDown(err) && !errs.Is(err, errs.DeadlineExceeded):
			failed = untidyError{err} // one that hangs would keep others waiting, too
			continue
		}
		n.log.Warn("parts of a delivery may stay", "task", b.task, "code", errs.CodeOf(err))
		if b.left != nil {
			left = append(left, b.left)
		}
	}
	return undone, left, failed
}

func (n *Node) onRetracted(j *job, d *deliveryRecord, e stepDone) {
	if e.err != nil && scopeOf(e.err) != scopeGivenUp && d.undo.tries+1 < maxTries {
		d.undo.failed(time.Now())
		return
	}
	if e.err != nil && scopeOf(e.err) == scopeGivenUp {
		return
	}
	if e.err != nil {
		n.log.Warn("parts of a delivery may stay", "task", d.Want.Task, "code", errs.CodeOf(e.err))
		if n.isRemote(d.Target.Storage) {
			n.noteRemnant(newRemnant(d))
		}
	}
	d.Plan, d.Target, d.Files, d.Failed = nil, target{}, nil, nil
	d.taken, d.retry, d.undo, d.progress, d.filesDone = false, retry{}, retry{}, 0, 0
	j.save()
}
