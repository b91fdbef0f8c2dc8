package worker

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/delivery"
	"github.com/haul-dl/haul/core/internal/failpoint"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

// progressEvery bounds how often a long delivery tells how far it is.
const progressEvery = 500 * time.Millisecond

// storageChanged tries at once what a storage has held.
func (n *Node) storageChanged(id core.StorageID) {
	n.retryRemnants(id)
	for _, j := range n.jobs {
		for _, d := range j.Deliveries {
			if j.Ending != 0 && !j.untidy.IsZero() && d.Plan != nil && d.Target.Storage == id {
				j.retry = retry{}
				n.touch(j)
			}
			if d.Failure != nil && d.open() && d.Want.Storage == id {
				d.retry = retry{}
				n.touch(j)
			}
		}
	}
}

// lastHeldPause bounds the pause between two tries of a held delivery.
const lastHeldPause = 10 * time.Minute

func errHoldExpired(why *core.Failure) error {
	err := errs.New(errs.HoldExpired, "The files could not be delivered for too long.")
	if why != nil {
		err = errs.New(errs.HoldExpired, "The files could not be delivered for too long. The last reason was: %s", why.Message)
	}
	return err
}

// delivererOf returns what brings files to the storage of a job's description.
func (n *Node) delivererOf(job *delivery.Job) Deliverer {
	if job.Remote != nil {
		return n.uploader
	}
	return n.deliverer
}

// deliveryJob describes one delivery of a job.
func (n *Node) deliveryJob(j *job, d *deliveryRecord, to target, data delivery.DataUse) (delivery.Job, error) {
	root, remote, err := n.storageOf(to.Storage)
	if err != nil {
		return delivery.Job{}, err
	}
	return delivery.Job{
		Task: d.Want.Task, Source: n.dirs.data(j.Job.ID), Root: root, Remote: remote, Storage: to.Storage, Path: to.Path,
		Files: j.filesOf(d), Data: data, OnConflict: to.OnConflict, Only: d.Want.Only, Verify: n.verifyCopies,
	}, nil
}

// dataFor returns what may become of the data for a delivery, as far as the
// others of the job allow. Nothing that one user gets may share its bytes with
// what another one has: it would tell of them, and let them change it.
func (j *job) dataFor(d *deliveryRecord) delivery.DataUse {
	needed, strangers := j.seeds(), false
	for _, other := range j.Deliveries {
		if other != d && other.open() {
			needed = true
			strangers = strangers || other.Want.Owner != d.Want.Owner
		}
	}
	mine := j.Linked == "" || j.Linked == d.Want.Owner
	switch {
	case !needed && mine:
		return delivery.DataMove
	case needed && mine && !strangers:
		return delivery.DataLink
	}
	return delivery.DataCopy
}

// mustCheck reports whether a delivery that fails where a name is taken has to
// be held against the destination: as soon as its names are known.
func (j *job) mustCheck(d *deliveryRecord) bool {
	return d.Want.OnConflict == core.ConflictFail && d.Plan == nil && len(j.Files) > 0 && !j.dataIsThere() &&
		d.checked != targetOf(&d.Want)
}

// checker returns a function that looks whether the names are free.
func (n *Node) checker(j *job, d *deliveryRecord, s *step) func(context.Context) stepDone {
	s.target = targetOf(&d.Want)
	job, err := n.deliveryJob(j, d, s.target, delivery.DataCopy)
	return func(ctx context.Context) stepDone {
		if err == nil {
			err = n.delivererOf(&job).Check(ctx, job)
		}
		return stepDone{err: err}
	}
}

// onDestinationChecked ends a delivery whose names are taken. Whatever else is
// wrong with the destination may pass until the data is there.
func (n *Node) onDestinationChecked(j *job, d *deliveryRecord, e stepDone) {
	if e.err != nil && scopeOf(e.err) == scopeGivenUp {
		return
	}
	d.checked = e.step.target
	if errs.Is(e.err, errs.DestinationExists) {
		d.fail(e.err, n.now())
		j.choice = nil
		j.save()
	}
}

// planner returns a function that chooses names at the destination.
func (n *Node) planner(j *job, d *deliveryRecord, s *step) func(context.Context) stepDone {
	s.target, s.data = targetOf(&d.Want), d.Data
	if d.Plan == nil {
		s.data = j.dataFor(d)
		if s.data == delivery.DataLink && j.Linked == "" {
			j.Linked = d.Want.Owner // before another one is looked at
		}
	}
	job, err := n.deliveryJob(j, d, s.target, s.data)
	if d.Plan == nil && job.Remote != nil {
		job.Data, s.data = delivery.DataCopy, delivery.DataCopy // an upload takes nothing away
	}
	old := d.Plan
	return func(ctx context.Context) stepDone {
		if err != nil {
			return stepDone{err: err}
		}
		var p delivery.Plan
		var err error
		if old == nil {
			p, err = n.delivererOf(&job).Plan(ctx, job)
		} else {
			p, err = n.delivererOf(&job).Replan(ctx, job, *old)
		}
		return stepDone{plan: &p, err: err}
	}
}

// executor returns a function that carries out a stored plan.
func (n *Node) executor(j *job, d *deliveryRecord, s *step) func(context.Context) stepDone {
	s.target = d.Target
	job, err := n.deliveryJob(j, d, d.Target, d.Data)
	plan := *d.Plan
	return func(ctx context.Context) stepDone {
		if err != nil {
			return stepDone{err: err}
		}
		r, err := n.delivererOf(&job).Execute(ctx, job, plan, n.hooks(s))
		return stepDone{result: &r, err: err}
	}
}

func (n *Node) hooks(s *step) delivery.Hooks {
	last := time.Now()
	return delivery.Hooks{
		Save: func(ctx context.Context, p delivery.Plan) error {
			reply := make(chan error, 1)
			failpoint.Hit("worker.before-save")
			err := n.ask(ctx, planLearnt{step: s, plan: p, reply: reply}, reply)
			failpoint.Hit("worker.after-save")
			return err
		},
		Progress: func(done int64, files int) {
			if now := time.Now(); now.Sub(last) >= progressEvery {
				last = now
				n.post(progressed{s, done, files})
			}
		},
		Waiting: func(waits bool) { n.post(copyWaits{s, waits}) },
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
// its directory. What it has at storages goes before: it is recognised by the data.
func (n *Node) remover(j *job, s *step) func(context.Context) stepDone {
	id := j.Job.ID
	forget := func(context.Context) error { return nil }
	if s.back != nil {
		forget = n.forgetter(j, s.back)
	}
	local, remote := n.allBegun(j)
	patient := j.untidy.IsZero() || time.Since(j.untidy) < tidyFor
	return func(ctx context.Context) stepDone {
		undone, left, err := n.undoAll(ctx, remote, patient)
		if err == nil {
			err = forget(ctx)
		}
		if err == nil {
			_, _, err = n.undoAll(ctx, local, false)
		}
		if err != nil {
			return stepDone{undone: undone, err: err}
		}
		if err := n.dirs.remove(id); err != nil {
			err = nodeError{errs.Wrap(err, errs.PathNotWritable, "The job's folder cannot be removed.")}
			return stepDone{undone: undone, err: err}
		}
		return stepDone{undone: undone, left: left}
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

// onPlanned stores a plan, with the fact that all data is there.
func (n *Node) onPlanned(j *job, d *deliveryRecord, e stepDone) {
	if scopeOf(e.err) == scopeGivenUp && e.err != nil {
		return
	}
	n.loaded(j)
	if e.err != nil {
		n.hold(j, d, e.err)
		return
	}
	d.Plan, d.taken = e.plan, false
	d.Target, d.Data = e.step.target, e.step.data
	j.save()
}

// loaded stores that all data is there.
func (n *Node) loaded(j *job) {
	if j.Phase != core.JobQueued || !j.hasData {
		return
	}
	j.Phase, j.Total, j.Uploaded = core.JobDownloaded, j.status.TotalBytes, j.uploaded()
	j.restartClocks() // they stand still until somebody wants more of it
	if j.LoadedAt == nil {
		now := n.now().UTC()
		j.LoadedAt = &now
	}
	j.save()
}

func (n *Node) onDelivered(j *job, d *deliveryRecord, e stepDone) {
	if scopeOf(e.err) == scopeGivenUp && e.err != nil {
		return
	}
	switch {
	case isReplan(e.err):
		d.taken = true
	case e.err != nil:
		if d.learnResult(e.result, n.now()) {
			j.save()
		}
		d.Want.Only = nil // what haul tries by itself is all of it
		n.hold(j, d, reason(e))
	default:
		d.Done, d.Files, d.Plan, d.Failed, d.Failure, d.HeldSince = true, e.result.Files, nil, nil, nil, nil
		d.progress, d.filesDone, d.copyWaits = 0, 0, false
		d.Seeded = d.Seeded || d.Data == delivery.DataMove // what is not there is not shared
		d.note(n.now(), core.EventDelivered, howDelivered(e.result))
		if j.Ending == core.JobRemoved {
			j.Ending = core.JobDone // the wish to remove it came too late
		}
		j.choice = nil
		j.save()
		n.log.Debug("delivered", "job", j.Job.ID, "task", d.Want.Task, "method", e.result.Method)
	}
}

// reason returns why a delivery is not complete. Where all went well that this
// attempt was for, it is what is wrong with the rest.
func reason(e stepDone) error {
	if errs.Is(e.err, errs.NotDelivered) && e.result != nil && len(e.result.Failed) > 0 {
		return e.result.Failed[0].Err
	}
	return e.err
}

// howDelivered tells in words how files came to their destination.
func howDelivered(r *delivery.Result) string {
	skipped := 0
	for _, f := range r.Files {
		if f.Skipped {
			skipped++
		}
	}
	how := "delivered"
	if r.Method != "" {
		how = string(r.Method) + " to the destination"
	}
	var said []string
	switch n := len(r.Files) - skipped; {
	case n == 1:
		said = append(said, "The file was "+how+".")
	case n > 1:
		said = append(said, fmt.Sprintf("%d files were %s.", n, how))
	}
	switch {
	case skipped == 1:
		said = append(said, "One was left out: something else has its name there.")
	case skipped > 1:
		said = append(said, fmt.Sprintf("%d were left out: something else has their names there.", skipped))
	}
	if r.Why != "" {
		said = append(said, r.Why)
	}
	return strings.Join(said, " ")
}

// learnResult takes over what a delivery has done that did not end well, and
// reports whether that is new.
func (d *deliveryRecord) learnResult(r *delivery.Result, now time.Time) (changed bool) {
	if r == nil {
		return false
	}
	failed := make([]core.FailedFile, 0, len(r.Failed))
	for _, f := range r.Failed {
		failed = append(failed, core.FailedFile{Index: f.Index, Failure: core.NewFailure(f.Err, now)})
	}
	changed = len(r.Files) != len(d.Files) || !slices.EqualFunc(failed, d.Failed, func(a, b core.FailedFile) bool {
		return a.Index == b.Index && a.Failure.Code == b.Failure.Code && a.Failure.Message == b.Failure.Message
	})
	if changed {
		d.Files, d.Failed = r.Files, failed
	}
	return changed
}

// hold keeps the data, and tries a delivery again later.
func (n *Node) hold(j *job, d *deliveryRecord, err error) {
	d.retry.failedUpTo(time.Now(), lastHeldPause)
	d.copyWaits = false
	n.suspectStorage(d.Want.Storage, err)
	if d.HeldSince == nil {
		now := n.now().UTC()
		d.HeldSince = &now
		j.save()
	}
	if d.Failure != nil && d.Failure.Code == errs.CodeOf(err) && d.Failure.Message == errs.MessageOf(err) {
		return
	}
	// The error may name files, which are the user's.
	n.log.Warn("delivery is held", "job", j.Job.ID, "task", d.Want.Task, "code", errs.CodeOf(err))
	n.log.Debug("delivery failed", "job", j.Job.ID, "task", d.Want.Task, "err", err)
	d.Failure = core.NewFailure(err, n.now())
	j.save()
}

// onPlanLearnt stores what an execution has to have stored before it goes on.
func (n *Node) onPlanLearnt(e planLearnt) {
	j, d := n.deliveryOf(e.step)
	if d == nil {
		e.reply <- errs.New(errs.Canceled, "The delivery is not wanted any more.")
		return
	}
	d.Plan = &e.plan
	j.save()
	n.touch(j)
	n.replies = append(n.replies, e.reply)
}

// deliveryOf returns what a delivery's step is for, nil where it is not wanted
// any more.
func (n *Node) deliveryOf(s *step) (*job, *deliveryRecord) {
	j := n.jobs[s.job]
	if j == nil {
		return nil, nil
	}
	if d := j.delivery(s.task); d != nil && d.step == s {
		return j, d
	}
	return j, nil
}

func (n *Node) onProgressed(e progressed) {
	if _, d := n.deliveryOf(e.step); d != nil {
		d.progress, d.filesDone, d.copyWaits = e.done, e.files, false
		n.dirty[e.step.job] = struct{}{}
	}
}

// onCopyWaits lets others have the place of a delivery that takes long.
func (n *Node) onCopyWaits(e copyWaits) {
	if e.step.pool != nil {
		e.step.pool.busy--
		e.step.pool = nil
	}
	if _, d := n.deliveryOf(e.step); d != nil {
		d.copyWaits = e.waits
		n.dirty[e.step.job] = struct{}{}
	}
}

func total(files []downloader.File) (sum int64) {
	for _, f := range files {
		sum += f.Size
	}
	return sum
}
