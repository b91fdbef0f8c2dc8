package worker

import (
	"context"
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

// clearer undoes what was done of deliveries that will not be finished.
func (n *Node) clearer(j *job) func(context.Context) {
	type begun struct {
		task core.TaskID
		undo func(context.Context) error
	}
	var all []begun
	for _, d := range j.Deliveries {
		if d.Done || d.Plan == nil {
			continue
		}
		if job, err := n.deliveryJob(j, d, d.Target, d.Data); err == nil {
			all = append(all, begun{d.Want.Task, n.undoer(j, d, &job)})
		}
	}
	return func(ctx context.Context) {
		for _, d := range all {
			if err := d.undo(ctx); err != nil {
				n.log.Warn("parts of a delivery may stay", "task", d.task, "code", errs.CodeOf(err))
			}
		}
	}
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
	}
	d.Plan, d.Target, d.Files, d.Failed = nil, target{}, nil, nil
	d.taken, d.retry, d.undo, d.progress, d.filesDone = false, retry{}, retry{}, 0, 0
	j.save()
}
