package worker

import (
	"container/heap"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/delivery"
	"github.com/haul-dl/haul/core/internal/failpoint"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

// How many steps of each kind run at once; those at a downloader are bounded by
// callsAtOnce. Deliveries mostly wait for the disk: the more of them do so
// together, the fewer writes of the journal they need. Copies and uploads, which
// are not quick, have bounds of their own, and give their place here back.
const (
	deliveriesAtOnce = 128
	removalsAtOnce   = 64
	// tidyPause is how long a delivered job stays at its downloader: what others
	// wait for comes first, and many removals go together.
	tidyPause = 500 * time.Millisecond
)

// stepKind is what a job needs next. Each step can be repeated.
type stepKind int

// The steps. Those from stepCheck to stepRetract are of one delivery, and run
// beside those of others.
const (
	stepNone    stepKind = iota
	stepAdd              // make the directory, tell the downloader
	stepAdjust           // give the downloader an order: pause, resume, files, limits
	stepRelease          // make the downloader forget the job, but not its data
	stepCheck            // look whether the names are free, before anything is loaded
	stepPlan             // look at the data, choose names at the destination
	stepDeliver          // carry out a stored plan
	stepRetract          // undo what was done of a plan
	stepRemove           // remove at the downloader, remove the directory
)

var stepNames = [...]string{"none", "add", "adjust", "release", "check", "plan", "deliver", "retract", "remove"}

func (k stepKind) String() string { return stepNames[k] }

// step is one step under way.
type step struct {
	job    core.JobID
	kind   stepKind
	task   core.TaskID // of a delivery's step
	since  uint64
	began  time.Time
	pool   *pool    // nil once the place is given back
	back   *backend // nil where none is needed
	cancel context.CancelFunc
	// target and data are those of stepPlan.
	target target
	data   delivery.DataUse
}

// place is what waits for a step: a job, or one of its deliveries.
type place struct {
	job  core.JobID
	task core.TaskID
}

// pool bounds how many steps run at once. It belongs to the loop.
type pool struct {
	limit, busy int
	queue       []place
}

// settle makes the transitions of a job that need no step.
func (n *Node) settle(j *job, now time.Time) {
	n.settleDeliveries(j, now)
	if j.Phase.Ended() || j.Ending != 0 {
		return
	}
	if j.Job.Wish == core.JobRemove {
		j.end(core.JobRemoved)
		return
	}
	if j.Phase == core.JobAccepted {
		j.Phase = core.JobAdding
		j.save()
	}
	j.intendSelection()
	if j.undone() > 0 {
		return
	}
	switch {
	case !j.anyDone():
		n.endWithout(j)
	case j.dataIsThere(), !j.sharesOn():
		n.settleSeeding(j, now)
	}
}

// anyDone reports whether a delivery is done.
func (j *job) anyDone() bool {
	for _, d := range j.Deliveries {
		if d.Done {
			return true
		}
	}
	return false
}

// endWithout ends a job of which nothing can be delivered any more.
func (n *Node) endWithout(j *job) {
	for _, d := range j.Deliveries {
		if d.Ended {
			j.Failure = d.Failure
			j.end(core.JobFailed)
			return
		}
	}
	j.end(core.JobRemoved)
}

// settleDeliveries gives up what was held too long, and forgets what has left.
func (n *Node) settleDeliveries(j *job, now time.Time) {
	kept := j.Deliveries[:0]
	for _, d := range j.Deliveries {
		if d.Left && !d.Done && d.Plan == nil && d.step == nil && j.Job.Wish != core.JobRemove {
			j.choice = nil
			j.save()
			continue
		}
		kept = append(kept, d)
		if j.Ending == 0 && !j.Phase.Ended() {
			j.welcome(d)
		}
		if until := d.heldUntil(j.Job.Hold); until != nil && d.open() && d.step == nil {
			if now.Before(*until) {
				n.alarm(j, d, *until)
				continue
			}
			d.fail(errHoldExpired(d.Failure), n.now())
			j.save()
		}
	}
	clear(j.Deliveries[len(kept):])
	j.Deliveries = kept
}

// alarm has a job looked at when the time of held data is over.
func (n *Node) alarm(j *job, d *deliveryRecord, at time.Time) {
	if !d.alarm.Equal(at) {
		d.alarm = at
		heap.Push(&n.timers, timer{at, j.Job.ID})
	}
}

// wants returns the step that a settled job itself needs, and when it is due.
func (n *Node) wants(j *job) (kind stepKind, at time.Time) {
	switch {
	case j.Phase.Ended():
		return stepNone, at
	case j.Ending != 0 && j.busy():
		return stepNone, at
	case j.Ending != 0:
		return stepRemove, j.retry.at
	case j.Phase == core.JobAdding:
		return stepAdd, j.retry.at
	case j.mustRelease():
		if j.busy() || j.planned() {
			return stepNone, at // they are retracted first
		}
		return stepRelease, j.retry.at
	}
	if what, due := n.adjusts(j); what != adjustNone {
		if what == adjustFiles && j.bringsBack(nil) {
			return stepNone, at // nothing is loaded beside what is on its way back
		}
		return stepAdjust, due
	}
	return stepNone, at
}

// wantsOf returns the step that a delivery needs, and when it is due.
func (j *job) wantsOf(d *deliveryRecord) (kind stepKind, at time.Time) {
	switch {
	case j.Ending != 0 || j.Phase.Ended():
		return stepNone, at // removing the job clears up
	case d.mustRetract(j.mustRelease() || j.needsDataOf(d)):
		return stepRetract, d.undo.at
	case !d.open():
		return stepNone, at
	case j.mustCheck(d):
		return stepCheck, d.retry.at
	case d.Want.Paused && d.Plan == nil || !j.dataIsThere() && !d.copies() || j.mustRelease():
		return stepNone, at
	case d.Plan == nil && (j.another(d) || j.bringsBack(d)):
		return stepNone, at
	case d.Plan == nil || d.taken:
		return stepPlan, d.retry.at
	}
	return stepDeliver, d.retry.at
}

// wantsOf returns the step that a delivery needs, and when it is due, unless it
// waits for its storage.
func (n *Node) wantsOf(j *job, d *deliveryRecord) (kind stepKind, at time.Time) {
	if n.waitingForStorage(j, d) != nil {
		return stepNone, at
	}
	return j.wantsOf(d)
}

// waitingForStorage says that a delivery waits for the plugin of its storage; nil
// where it does not.
func (n *Node) waitingForStorage(j *job, d *deliveryRecord) *core.Waiting {
	k := n.storages[d.place()]
	if k == nil || !k.starting() || d.step != nil {
		return nil
	}
	if kind, _ := j.wantsOf(d); kind == stepNone {
		return nil
	}
	return &core.Waiting{Code: errs.PluginStarting, Message: fmt.Sprintf("The plugin of storage %s is starting.", k.want.Name)}
}

// another reports whether another delivery to the same folder is under way:
// which of them a file with the data's inode belongs to could not be told.
func (j *job) another(d *deliveryRecord) bool {
	return slices.ContainsFunc(j.Deliveries, func(o *deliveryRecord) bool {
		return o != d && !o.Done && (o.Plan != nil && o.Target.sameFolder(&d.Want) || o.step != nil && o.step.target.sameFolder(&d.Want))
	})
}

// advance settles a job, and queues the steps that it needs.
func (n *Node) advance(j *job, now time.Time) {
	n.settle(j, now)
	n.guardDeadlines(j, now)
	if j.changed {
		n.unsaved[j.Job.ID] = struct{}{}
	}
	n.follow(j)
	for _, d := range j.Deliveries {
		n.advanceDelivery(j, d, now)
	}
	if j.step != nil {
		return
	}
	kind, at := n.wants(j)
	if kind == stepNone {
		return
	}
	if at.After(now) {
		heap.Push(&n.timers, timer{at, j.Job.ID})
		return
	}
	n.enqueue(j, nil, n.poolOf(j, kind))
}

func (n *Node) advanceDelivery(j *job, d *deliveryRecord, now time.Time) {
	if d.step != nil {
		if d.step.kind != stepRetract && (j.Ending != 0 || d.Left || j.mustRelease() || d.Want.Limits.Seed != nil && j.needsDataOf(d) || d.step.target != targetOf(&d.Want)) {
			d.step.cancel()
		}
		return
	}
	kind, at := n.wantsOf(j, d)
	if kind == stepNone {
		return
	}
	if at.After(now) {
		heap.Push(&n.timers, timer{at, j.Job.ID})
		return
	}
	n.enqueue(j, d, &n.deliveries)
}

// follow keeps the list of jobs that a downloader is asked for.
func (n *Node) follow(j *job) {
	b := n.backends[j.Job.Downloader]
	if b == nil {
		return
	}
	loads := j.Phase == core.JobQueued && !j.hasData
	if (loads || j.seeds()) && j.Ending == 0 && j.Ref != nil {
		if _, ok := b.at[j.Job.ID]; !ok {
			if len(b.at) == 0 {
				b.lastCheck = time.Now() // no special look right after an Add
			}
			b.track(j.Job.ID, *j.Ref)
		}
		return
	}
	b.untrack(j.Job.ID)
}

// poolOf returns where a step of a job has to queue; nil where its downloader is
// not known.
func (n *Node) poolOf(j *job, kind stepKind) *pool {
	b := n.backend(j.Job.Downloader)
	if kind == stepRemove && (b == nil || !j.sent) {
		return &n.removals
	}
	if b == nil {
		return nil
	}
	return &b.pool
}

// enqueue lets a job, or with d one of its deliveries, wait for a place.
func (n *Node) enqueue(j *job, d *deliveryRecord, p *pool) {
	queued, at := &j.queued, place{job: j.Job.ID}
	if d != nil {
		queued, at.task = &d.queued, d.Want.Task
	}
	if p == nil || *queued == p {
		return
	}
	*queued = p
	p.queue = append(p.queue, at)
}

// pump begins what the pools have room for. All that it rests on is stored.
func (n *Node) pump(now time.Time) {
	n.pumpPool(&n.deliveries, nil, now)
	n.pumpPool(&n.removals, nil, now)
	for _, b := range n.backends {
		if b.ready() {
			b.pool.limit = b.callLimit()
			n.pumpPool(&b.pool, b, now)
		}
	}
}

func (n *Node) pumpPool(p *pool, b *backend, now time.Time) {
	for p.busy < p.limit && len(p.queue) > 0 {
		next := p.queue[0]
		p.queue = p.queue[1:]
		j := n.jobs[next.job]
		if j == nil {
			continue
		}
		if next.task != "" {
			n.pumpDelivery(j, j.delivery(next.task), p, now)
			continue
		}
		if j.queued != p {
			continue // it has moved to another queue
		}
		j.queued = nil
		kind, at := n.wants(j)
		if j.step != nil || kind == stepNone || at.After(now) || n.poolOf(j, kind) != p {
			n.touchLater(j)
			continue
		}
		if kind == stepAdd && n.spaceFor(j, now) != nil {
			continue // it is touched when there is room
		}
		n.begin(j, nil, kind, p, b)
	}
}

func (n *Node) pumpDelivery(j *job, d *deliveryRecord, p *pool, now time.Time) {
	if d == nil || d.queued != p {
		return
	}
	d.queued = nil
	kind, at := n.wantsOf(j, d)
	if d.step != nil || kind == stepNone || at.After(now) {
		n.touchLater(j)
		return
	}
	n.begin(j, d, kind, p, nil)
}

// touchLater makes the next turn look at a job, at once.
func (n *Node) touchLater(j *job) {
	n.touch(j)
	n.wakeAt(time.Now())
}

// begin starts a step of a job, or with d one of a delivery.
func (n *Node) begin(j *job, d *deliveryRecord, kind stepKind, p *pool, b *backend) {
	parent := n.ctx
	if b != nil {
		parent = b.ctx
	}
	ctx, cancel := context.WithCancel(parent)
	s := &step{job: j.Job.ID, kind: kind, since: n.tick(), began: time.Now(), pool: p, back: b, cancel: cancel}
	if d != nil {
		s.task = d.Want.Task
		d.step = s
	} else {
		j.step = s
	}
	run := n.prepare(j, d, s)
	p.busy++
	n.steps.Go(func() {
		defer cancel()
		failpoint.HitOf("worker.before-step", s.kind.String())
		done := run(ctx)
		failpoint.HitOf("worker.after-step", s.kind.String())
		done.step = s
		n.post(done)
	})
}

// prepare copies what a step needs out of the job, which it must not touch.
func (n *Node) prepare(j *job, d *deliveryRecord, s *step) func(context.Context) stepDone {
	switch s.kind {
	case stepAdd:
		j.sent = true
		add := n.adder(j, s.back)
		return func(ctx context.Context) stepDone {
			ref, req, err := add(ctx)
			return stepDone{ref: ref, request: req, err: err}
		}
	case stepAdjust:
		return n.adjuster(j, s.back)
	case stepRelease:
		driver, ref, rechecks := s.back.inst.Driver(), *j.Ref, j.Job.Rechecks
		return func(ctx context.Context) stepDone {
			return stepDone{rechecks: rechecks, err: driver.Remove(ctx, ref, false)}
		}
	case stepCheck:
		return n.checker(j, d, s)
	case stepPlan:
		return n.planner(j, d, s)
	case stepDeliver:
		return n.executor(j, d, s)
	case stepRetract:
		return n.retracter(j, d)
	}
	return n.remover(j, s)
}

// adder returns a function that makes a job's directory and tells its downloader.
func (n *Node) adder(j *job, b *backend) func(context.Context) (*downloader.Ref, *downloader.AddRequest, error) {
	id, src, stored := j.Job.ID, j.Job.Source, j.Content
	driver, paths := b.inst.Driver(), b.want.PathMap
	req := &downloader.AddRequest{
		JobID:   string(id),
		Source:  downloader.Source{Kind: src.Kind, URI: src.URI},
		Options: optionsOf(&j.Job), Files: j.filesToAdd(), Paused: n.wantsPause(j) || j.Ending != 0 && n.canPause(j),
		Verify: j.Verify, Limits: n.limitsFor(j, b),
	}
	return func(ctx context.Context) (*downloader.Ref, *downloader.AddRequest, error) {
		if err := n.dirs.make(id); err != nil {
			return nil, nil, nodeError{err}
		}
		var err error
		if req.Dir, err = mappedPath(paths, n.dirs.data(id)); err != nil {
			return nil, nil, nodeError{err}
		}
		if stored {
			select {
			case n.contents <- struct{}{}:
				defer func() { <-n.contents }()
			case <-ctx.Done():
				return nil, nil, ctx.Err()
			}
			content, err := n.journal.content(ctx, id)
			if err != nil {
				return nil, nil, nodeError{journalTrouble(err)}
			}
			req.Source.URI, req.Source.Content = "", content
		}
		ref, err := driver.Add(ctx, *req)
		req.Source.Content = nil
		if err != nil {
			return nil, nil, err
		}
		return &ref, req, nil
	}
}
