package worker

import (
	"container/heap"
	"context"
	"time"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/delivery"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

// How many steps of each kind run at once; those at a downloader are bounded by
// callsAtOnce. Deliveries mostly wait for the disk: the more of them do so
// together, the fewer writes of the journal they need. Copies, which are not
// quick, have a bound of their own in package delivery.
const (
	fetchesAtOnce    = 8
	deliveriesAtOnce = 128
	removalsAtOnce   = 64
	// tidyPause is how long a delivered job stays at its downloader: what others
	// wait for comes first, and many removals go together.
	tidyPause = 500 * time.Millisecond
)

// stepKind is what a job needs next. Each step can be repeated.
type stepKind int

// The steps.
const (
	stepNone    stepKind = iota
	stepFetch            // load the torrent or metalink file
	stepAdd              // make the directory, tell the downloader
	stepAdjust           // give the downloader an order: pause, resume, files, limits
	stepPlan             // look at the data, choose names at the destination
	stepDeliver          // carry out a stored plan
	stepRemove           // remove at the downloader, remove the directory
)

var stepNames = [...]string{"none", "fetch", "add", "adjust", "plan", "deliver", "remove"}

func (k stepKind) String() string { return stepNames[k] }

// step is one step under way.
type step struct {
	job    core.JobID
	kind   stepKind
	task   core.TaskID // of stepPlan and stepDeliver
	since  uint64
	began  time.Time
	pool   *pool
	back   *backend // nil where none is needed
	cancel context.CancelFunc
}

// pool bounds how many steps run at once. It belongs to the loop.
type pool struct {
	limit, busy int
	queue       []core.JobID
}

// settle makes the transitions of a job that need no step.
func (j *job) settle() {
	if j.Phase.Ended() || j.Ending != 0 {
		return
	}
	was := j.Phase
	if j.Phase == core.JobDownloaded && j.undone() == 0 {
		j.Phase = core.JobDelivered
	}
	if j.Job.Wish == core.JobRemove && j.Phase < core.JobDelivered {
		j.end(core.JobRemoved)
		return
	}
	if j.Phase == core.JobAccepted && j.mustFetch() {
		j.Phase = core.JobResolving
	}
	if (j.Phase == core.JobAccepted || j.Phase == core.JobResolving) && !j.mustFetch() {
		j.Phase = core.JobAdding
	}
	if j.Phase != was {
		j.save()
	}
	if j.Phase == core.JobDelivered {
		j.end(core.JobDone)
		j.retry.at = time.Now().Add(tidyPause)
	}
}

// mustFetch reports whether the source is a file that is not here yet.
func (j *job) mustFetch() bool {
	kind := j.Job.Source.Kind
	return (kind == downloader.SourceTorrent || kind == downloader.SourceMetalink) && !j.Content
}

// wants returns the step that a settled job needs, and when it is due.
func (j *job) wants() (kind stepKind, task core.TaskID, at time.Time) {
	switch {
	case j.Phase.Ended():
		return stepNone, "", at
	case j.Ending != 0:
		return stepRemove, "", j.retry.at
	case j.Phase == core.JobResolving:
		return stepFetch, "", j.retry.at
	case j.Phase == core.JobAdding:
		return stepAdd, "", j.retry.at
	case j.Phase == core.JobDownloaded, j.Phase == core.JobQueued && j.hasData:
		d, due := j.due()
		if d == nil {
			return stepNone, "", at
		}
		if d.Plan == nil || d.taken {
			return stepPlan, d.Task, due
		}
		return stepDeliver, d.Task, due
	}
	if what, due := j.adjusts(); what != adjustNone {
		return stepAdjust, "", due
	}
	return stepNone, "", at
}

// advance settles a job, and queues the step that it needs.
func (n *Node) advance(j *job, now time.Time) {
	j.settle()
	if j.changed {
		n.unsaved[j.Job.ID] = struct{}{}
	}
	n.follow(j)
	if j.step != nil {
		if j.Ending != 0 && j.step.kind != stepRemove && j.step.kind != stepAdd && j.step.kind != stepAdjust {
			j.step.cancel()
		}
		return
	}
	kind, _, at := j.wants()
	if kind == stepNone {
		return
	}
	if at.After(now) {
		heap.Push(&n.timers, timer{at, j.Job.ID})
		return
	}
	n.enqueue(j, n.poolOf(j, kind))
}

// follow keeps the list of jobs that a downloader is asked for.
func (n *Node) follow(j *job) {
	b := n.backends[j.Job.Downloader]
	if b == nil {
		return
	}
	if j.Phase == core.JobQueued && !j.hasData && j.Ending == 0 && j.Ref != nil {
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

// poolOf returns where a step has to queue; nil where its downloader is not known.
func (n *Node) poolOf(j *job, kind stepKind) *pool {
	b := n.backend(j.Job.Downloader)
	switch kind {
	case stepFetch:
		return &n.fetches
	case stepPlan, stepDeliver:
		return &n.deliveries
	case stepRemove:
		if b == nil || !j.sent {
			return &n.removals
		}
	}
	if b == nil {
		return nil
	}
	return &b.pool
}

func (n *Node) enqueue(j *job, p *pool) {
	if p == nil || j.queued == p {
		return
	}
	j.queued = p
	p.queue = append(p.queue, j.Job.ID)
}

// pump begins what the pools have room for. All that it rests on is stored.
func (n *Node) pump(now time.Time) {
	n.pumpPool(&n.fetches, nil, now)
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
		j := n.jobs[p.queue[0]]
		p.queue = p.queue[1:]
		if j == nil || j.queued != p {
			continue // it has moved to another queue
		}
		j.queued = nil
		kind, task, at := j.wants()
		if j.step != nil || kind == stepNone || at.After(now) || n.poolOf(j, kind) != p {
			n.touchLater(j)
			continue
		}
		n.begin(j, kind, task, p, b)
	}
}

// touchLater makes the next turn look at a job, at once.
func (n *Node) touchLater(j *job) {
	n.touch(j)
	n.wakeAt(time.Now())
}

// begin starts a step.
func (n *Node) begin(j *job, kind stepKind, task core.TaskID, p *pool, b *backend) {
	parent := n.ctx
	if b != nil {
		parent = b.ctx
	}
	ctx, cancel := context.WithCancel(parent)
	s := &step{job: j.Job.ID, kind: kind, task: task, since: n.tick(), began: time.Now(), pool: p, back: b, cancel: cancel}
	run := n.prepare(j, s)
	j.step = s
	p.busy++
	n.steps.Go(func() {
		defer cancel()
		done := run(ctx)
		done.step = s
		n.post(done)
	})
}

// prepare copies what a step needs out of the job, which it must not touch.
func (n *Node) prepare(j *job, s *step) func(context.Context) stepDone {
	switch s.kind {
	case stepFetch:
		kind, uri := j.Job.Source.Kind, j.Job.Source.URI
		return func(ctx context.Context) stepDone {
			f, err := n.fetcher.fetch(ctx, kind, uri)
			return stepDone{fetched: f, err: err}
		}
	case stepAdd:
		j.sent = true
		add := n.adder(j, s.back)
		return func(ctx context.Context) stepDone {
			ref, req, err := add(ctx)
			return stepDone{ref: ref, request: req, err: err}
		}
	case stepAdjust:
		return n.adjuster(j, s.back)
	case stepPlan:
		return n.planner(j, s)
	case stepDeliver:
		return n.executor(j, s)
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
		Options: optionsOf(&j.Job), Files: j.Job.Files, Paused: j.Job.Wish == core.JobPause, Limits: j.Job.Limits,
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

// mappedPath returns how the daemon calls a path of this node.
func mappedPath(m []core.PathMapping, path string) (string, error) {
	mapped, ok := daemonPath(m, path)
	if !ok {
		return "", errs.New(errs.PathNotShared, "The downloader's path map does not say how its daemon calls haul's download folder.").
			WithHint("Add an entry for the folder of the node's jobs to path_map.")
	}
	return mapped, nil
}

// deliveryJob describes one delivery of a job.
func (n *Node) deliveryJob(j *job, task core.TaskID) (delivery.Job, error) {
	d := j.wanted(task)
	storage, ok := n.storages[d.Storage]
	if !ok || storage.Kind != core.StorageLocal {
		return delivery.Job{}, errNoStorage()
	}
	files := j.Files
	if j.hasData && j.Phase == core.JobQueued {
		files = wantedFiles(j.status.Files)
	}
	return delivery.Job{
		Task: task, Source: n.dirs.data(j.Job.ID), Root: storage.Root, Path: d.Path,
		Files: files, Keep: j.undone() > 1,
	}, nil
}
