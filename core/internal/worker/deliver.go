package worker

import (
	"context"
	"slices"
	"time"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/delivery"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

// progressEvery bounds how often a long delivery tells how far it is.
const progressEvery = 500 * time.Millisecond

func errNoStorage() error {
	return errs.New(errs.InvalidDestination, "The task's storage does not exist on this node.").
		WithHint("Choose another storage for the task, or bring this one back.")
}

// planner returns a function that chooses names at the destination.
func (n *Node) planner(j *job, s *step) func(context.Context) stepDone {
	job, err := n.deliveryJob(j, s.task)
	d := j.delivery(s.task)
	old := d.Plan
	return func(ctx context.Context) stepDone {
		if err != nil {
			return stepDone{err: err}
		}
		var p delivery.Plan
		var err error
		if old == nil {
			p, err = n.deliverer.Plan(ctx, job)
		} else {
			p, err = n.deliverer.Replan(ctx, job, *old)
		}
		return stepDone{plan: &p, err: err}
	}
}

// executor returns a function that carries out a stored plan.
func (n *Node) executor(j *job, s *step) func(context.Context) stepDone {
	job, err := n.deliveryJob(j, s.task)
	plan := *j.delivery(s.task).Plan
	return func(ctx context.Context) stepDone {
		if err != nil {
			return stepDone{err: err}
		}
		r, err := n.deliverer.Execute(ctx, job, plan, n.hooks(s))
		return stepDone{result: &r, err: err}
	}
}

func (n *Node) hooks(s *step) delivery.Hooks {
	last := time.Now()
	return delivery.Hooks{
		Save: func(ctx context.Context, p delivery.Plan) error {
			reply := make(chan error, 1)
			return n.ask(ctx, planLearnt{step: s, plan: p, reply: reply}, reply)
		},
		Progress: func(done int64) {
			if now := time.Now(); now.Sub(last) >= progressEvery {
				last = now
				n.post(progressed{s, done})
			}
		},
	}
}

// ask posts an event and waits for its answer.
func (n *Node) ask(ctx context.Context, e event, reply <-chan error) error {
	select {
	case n.events <- e:
	case <-n.quit:
		return errStopped()
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-reply:
		return err
	case <-n.ended:
		return errStopped()
	case <-ctx.Done():
		return ctx.Err()
	}
}

func errStopped() error { return errs.New(errs.NodeOffline, "The node is being stopped.") }

// remover returns a function that removes a job at its downloader, and then
// its directory.
func (n *Node) remover(j *job, s *step) func(context.Context) stepDone {
	id := j.Job.ID
	forget := func(context.Context) error { return nil }
	if s.back != nil {
		forget = n.forgetter(j, s.back)
	}
	discard := n.discarder(j)
	return func(ctx context.Context) stepDone {
		if err := forget(ctx); err != nil {
			return stepDone{err: err}
		}
		discard()
		if err := n.dirs.remove(id); err != nil {
			return stepDone{err: nodeError{errs.Wrap(err, errs.PathNotWritable, "The job's folder cannot be removed.")}}
		}
		return stepDone{}
	}
}

// forgetter makes the downloader forget a job. Where no Add was answered it is
// unknown whether the downloader has the job and how it calls it: then Add,
// which changes nothing in that case, tells.
func (n *Node) forgetter(j *job, b *backend) func(context.Context) error {
	driver, ref, add := b.inst.Driver(), j.Ref, n.adder(j, b)
	return func(ctx context.Context) error {
		if ref == nil {
			var err error
			ref, _, err = add(ctx)
			if err != nil && !isNodeError(err) && scopeOf(err) == scopeJob {
				return nil // it refuses the job, so it does not have it
			}
			if err != nil {
				return err
			}
		}
		return driver.Remove(ctx, *ref, true)
	}
}

// discarder removes temporary files of deliveries that will not be finished.
func (n *Node) discarder(j *job) func() {
	type discarded struct {
		job  delivery.Job
		plan delivery.Plan
	}
	var all []discarded
	for i := range j.Deliveries {
		d := &j.Deliveries[i]
		if d.Done || d.Plan == nil || j.wanted(d.Task) == nil {
			continue
		}
		if job, err := n.deliveryJob(j, d.Task); err == nil {
			all = append(all, discarded{job, *d.Plan})
		}
	}
	return func() {
		for _, d := range all {
			if err := n.deliverer.Discard(d.job, d.plan); err != nil {
				n.log.Warn("temporary files of a delivery may stay", "task", d.job.Task, "err", err)
			}
		}
	}
}

// onPlanned stores a plan, with the fact that all data is there.
func (n *Node) onPlanned(j *job, e stepDone) {
	d := j.delivery(e.step.task)
	if d == nil || scopeOf(e.err) == scopeGivenUp && e.err != nil {
		return
	}
	if j.Phase == core.JobQueued {
		j.Phase, j.Files, j.Total = core.JobDownloaded, wantedFiles(j.status.Files), j.status.TotalBytes
		j.Uploaded = j.status.UploadedBytes
		j.save()
	}
	if e.err != nil {
		n.hold(j, d, e.err)
		return
	}
	d.Plan, d.taken = e.plan, false
	j.save()
}

func (n *Node) onDelivered(j *job, e stepDone) {
	d := j.delivery(e.step.task)
	if d == nil || scopeOf(e.err) == scopeGivenUp && e.err != nil {
		return
	}
	switch {
	case isReplan(e.err):
		d.taken = true
	case e.err != nil:
		n.hold(j, d, e.err)
	default:
		d.Done, d.Files, d.Plan, d.Failure, d.progress = true, e.result.Files, nil, nil, 0
		if j.Ending == core.JobRemoved && j.undone() == 0 {
			j.Ending = core.JobDone // the wish to remove it came too late
		}
		j.save()
		n.log.Debug("delivered", "job", j.Job.ID, "task", d.Task)
	}
}

// hold keeps the data, and tries a delivery again later.
func (n *Node) hold(j *job, d *deliveryRecord, err error) {
	d.retry.failed(time.Now())
	if errs.Is(err, errs.FilesMissing) && j.undone() < len(j.Deliveries) {
		// The last of the others took the data; this task came too late.
		j.fail(err, n.now())
		return
	}
	if d.Failure != nil && d.Failure.Code == errs.CodeOf(err) && d.Failure.Message == errs.MessageOf(err) {
		return
	}
	// The error may name files, which are the user's.
	n.log.Warn("delivery is held", "job", j.Job.ID, "task", d.Task, "code", errs.CodeOf(err))
	n.log.Debug("delivery failed", "job", j.Job.ID, "task", d.Task, "err", err)
	d.Failure = core.NewFailure(err, n.now())
	j.save()
}

// onPlanLearnt stores what an execution has to have stored before it goes on.
func (n *Node) onPlanLearnt(e planLearnt) {
	j := n.jobs[e.step.job]
	if j == nil || j.step != e.step || j.delivery(e.step.task) == nil {
		e.reply <- errs.New(errs.Canceled, "The delivery is not wanted any more.")
		return
	}
	j.delivery(e.step.task).Plan = &e.plan
	j.save()
	n.touch(j)
	n.replies = append(n.replies, e.reply)
}

func (n *Node) onProgressed(e progressed) {
	j := n.jobs[e.step.job]
	if j == nil || j.step != e.step {
		return
	}
	if d := j.delivery(e.step.task); d != nil {
		d.progress = e.done
		n.dirty[e.step.job] = struct{}{}
	}
}

// wantedFiles leaves out those that were not selected.
func wantedFiles(files []downloader.File) []downloader.File {
	return slices.DeleteFunc(slices.Clone(files), func(f downloader.File) bool { return f.Skipped })
}

func total(files []downloader.File) (sum int64) {
	for _, f := range files {
		sum += f.Size
	}
	return sum
}
