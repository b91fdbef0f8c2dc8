package tasks

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/schedule"
	"github.com/haul-dl/haul/core/internal/store"
	"github.com/haul-dl/haul/sdk/errs"
)

// consistent checks that the records of tasks and jobs fit together.
func (w *world) consistent() {
	w.t.Helper()
	ctx := w.t.Context()
	tasks, _, err := w.store.Tasks(ctx, store.TaskFilter{IncludeDeleted: true})
	if err != nil {
		w.t.Fatal(err)
	}
	jobs, byHash := map[core.JobID]*core.Job{}, map[string]core.JobID{}
	for job, err := range w.store.Jobs(ctx, store.JobFilter{}) {
		if err != nil {
			w.t.Fatal(err)
		}
		jobs[job.ID] = &job
		if other := byHash[job.InfoHash]; job.InfoHash != "" && other != "" {
			w.t.Errorf("jobs %s and %s load the same", other, job.ID)
		}
		byHash[job.InfoHash] = job.ID
		if (len(job.Deliveries) == 0) != (job.Wish == core.JobRemove) {
			w.t.Errorf("job %s has the wish %s and %d deliveries", job.ID, job.Wish, len(job.Deliveries))
		}
	}
	for i := range tasks {
		w.consistentTask(&tasks[i], jobs)
	}
	for _, job := range jobs {
		for _, d := range job.Deliveries {
			at := slices.IndexFunc(tasks, func(t core.Task) bool { return t.ID == d.Task })
			if at < 0 || tasks[at].Job != job.ID {
				w.t.Errorf("job %+v has a delivery for a task that is not of it: %+v", job, tasks[max(at, 0)])
			}
		}
	}
}

func (w *world) consistentTask(t *core.Task, jobs map[core.JobID]*core.Job) {
	w.t.Helper()
	job := jobs[t.Job]
	switch {
	case t.State == core.StateQueued && (t.Job != "" || t.Wish != core.WishRun || t.DeletedAt != nil):
		w.t.Errorf("queued with job %q, wish %s", t.Job, t.Wish)
	case t.State.Ended() || t.State == core.StateQueued:
	case t.Job == "" && t.State != core.StatePaused:
		w.t.Errorf("task %s is %s without a job", t.ID, t.State)
	case t.Job != "" && job == nil:
		w.t.Errorf("task %s is %s, and its job is gone", t.ID, t.State)
	case t.Job != "" && (job.Delivery(t.ID) != nil) == (t.LeftAt > 0):
		w.t.Errorf("task %s has left at %d: %+v", t.ID, t.LeftAt, job)
	case t.Job != "" && t.LeftAt == 0 && job.Delivery(t.ID).Paused != (t.Wish == core.WishPause):
		w.t.Errorf("task %s has the wish %s: %+v", t.ID, t.Wish, job)
	}
	if t.DeletedAt != nil && !t.State.Ended() && t.Wish != core.WishCancel {
		w.t.Errorf("task %s is deleted, and has the wish %s", t.ID, t.Wish)
	}
}

// simNode is a node that does what it is told, in steps that the dice choose.
type simNode struct {
	w      *world
	dice   *rand.Rand
	phases map[core.JobID]core.JobPhase
	// knows is the last order of each job that the node has taken in.
	knows map[core.JobID]core.Job
	// done are the deliveries that are made.
	done map[string]bool
}

// hear takes in some of the orders, in their newest form.
func (n *simNode) hear() {
	for job, err := range n.w.store.Jobs(n.w.t.Context(), store.JobFilter{}) {
		if err != nil {
			n.w.t.Fatal(err)
		}
		if n.dice.IntN(3) > 0 {
			n.knows[job.ID] = job
		}
	}
}

// step moves one job on, and reports it.
func (n *simNode) step() {
	ids := make([]core.JobID, 0, len(n.knows))
	for id := range n.knows {
		ids = append(ids, id)
	}
	if len(ids) == 0 {
		return
	}
	slices.Sort(ids)
	job := n.knows[ids[n.dice.IntN(len(ids))]]
	o := core.ObservedJob{ID: job.ID, Revision: job.Revision, Phase: n.next(&job)}
	for _, d := range job.Deliveries {
		o.Deliveries = append(o.Deliveries, n.delivery(&o, d))
	}
	n.phases[job.ID] = o.Phase
	forget, err := n.w.service.Observe(n.w.t.Context(), job.Node, []core.ObservedJob{o})
	if err != nil {
		n.w.t.Fatal(err)
	}
	for _, id := range forget {
		delete(n.knows, id)
		delete(n.phases, id)
	}
}

func (n *simNode) next(job *core.Job) core.JobPhase {
	now := n.phases[job.ID]
	switch {
	case now.Ended():
		return now
	case job.Wish == core.JobRemove:
		return core.JobRemoved
	case job.Wish == core.JobPause && now < core.JobDownloaded:
		return core.JobPaused
	case n.dice.IntN(12) == 0:
		return core.JobFailed
	case now < core.JobDownloaded:
		return []core.JobPhase{core.JobMetadata, core.JobDownloading, core.JobDownloaded}[n.dice.IntN(3)]
	}
	return []core.JobPhase{core.JobDelivering, core.JobHeld, core.JobSeeding, core.JobDone}[n.dice.IntN(4)]
}

func (n *simNode) delivery(o *core.ObservedJob, d core.Delivery) core.ObservedDelivery {
	out := core.ObservedDelivery{Task: d.Task, Phase: o.Phase, TotalBytes: 10, DoneBytes: int64(n.dice.IntN(11))}
	key := string(o.ID) + string(d.Task)
	switch {
	case n.done[key]:
		out.Done = true
	case o.Phase == core.JobFailed:
		out.Failure = &core.Failure{Code: errs.DownloaderError, Message: "It failed.", Retryable: n.dice.IntN(2) == 0}
	case o.Phase == core.JobHeld:
		out.Failure = &core.Failure{Code: errs.OutOfSpace, Message: "Full."}
	case d.Paused:
		out.Phase = core.JobPaused
		out.Refused = o.Phase >= core.JobDownloaded
	case o.Phase == core.JobSeeding || o.Phase == core.JobDone:
		out.Done, n.done[key] = true, true
		if n.dice.IntN(2) == 0 {
			out.Phase = core.JobDelivered // its own policy is met
		}
	case o.Phase == core.JobDelivering && n.dice.IntN(8) == 0:
		out.Phase, out.Failure = core.JobFailed, &core.Failure{Code: errs.HoldExpired, Message: "Too long."}
	}
	return out
}

// wish asks for something at random; what the state does not allow is refused.
func (n *simNode) wish(ctx context.Context, id core.TaskID) error {
	s := n.w.service
	var err error
	switch n.dice.IntN(10) {
	case 0, 1:
		_, err = s.Pause(ctx, id)
	case 2, 3:
		_, err = s.Resume(ctx, id)
	case 4:
		_, err = s.Cancel(ctx, id)
	case 5:
		_, err = n.w.retry(ctx, id)
	case 6:
		_, err = s.Update(ctx, id, &core.TaskChange{Destination: &core.NewDestination{Path: fmt.Sprint(n.dice.IntN(3))}})
	case 7:
		_, err = s.Recheck(ctx, id)
	case 8:
		selection := only(n.dice.IntN(3))
		_, err = s.Update(ctx, id, &core.TaskChange{Selection: &selection})
	case 9:
		if n.dice.IntN(3) == 0 {
			err = s.Delete(ctx, id, false)
		}
	}
	return err
}

func TestWhateverHappensTasksAndJobsFitTogether(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { randomly(t, seed) })
	}
}

// refusals are what a wish may be answered with.
var refusals = []errs.Code{errs.WrongState, errs.NotFound, errs.InvalidRequest}

func randomly(t *testing.T, seed uint64) {
	w := newWorld(t)
	w.retries, w.still = 1, true
	w.reg.change(func(c *schedule.Candidate) { c.MaxActive = 3 })
	w.restart()
	if err := os.MkdirAll(w.reg.storage.Root, 0o755); err != nil {
		t.Fatal(err)
	}
	n := &simNode{w: w, dice: rand.New(rand.NewPCG(seed, 1)), phases: map[core.JobID]core.JobPhase{}, knows: map[core.JobID]core.Job{}, done: map[string]bool{}}
	magnets := []string{testMagnet, "magnet:?xt=urn:btih:0000000000000000000000000000000000000001", "http://h/1"}
	users := []context.Context{w.alice, w.bob}
	var ids []core.TaskID
	var owners []context.Context
	for range 150 {
		switch n.dice.IntN(10) {
		case 0, 1:
			if len(ids) < 12 {
				owner := users[n.dice.IntN(2)]
				ids, owners = append(ids, w.create(owner, magnets[n.dice.IntN(3)])[0].ID), append(owners, owner)
			}
		case 2, 3, 4:
			if len(ids) == 0 {
				continue
			}
			i := n.dice.IntN(len(ids))
			if err := n.wish(owners[i], ids[i]); err != nil && !slices.Contains(refusals, errs.CodeOf(err)) {
				t.Fatal(err)
			}
		case 5:
			w.later(time.Minute)
		case 6:
			if n.dice.IntN(4) == 0 {
				w.restart()
			}
		default:
			n.hear()
			n.step()
		}
		w.drain()
		w.consistent()
		if t.Failed() {
			return
		}
	}
	n.finish(ids)
}

// finish lets everything come to its end: nothing may wait for ever.
func (n *simNode) finish(ids []core.TaskID) {
	n.w.t.Helper()
	for round := range 400 {
		n.hear()
		for range 4 {
			n.step()
		}
		n.w.later(time.Minute)
		n.w.drain()
		open := 0
		for _, id := range ids {
			t, err := n.w.store.Task(n.w.t.Context(), id)
			if err != nil {
				n.w.t.Fatal(err)
			}
			if !t.State.Ended() && t.Wish != core.WishPause {
				open++
			}
		}
		if open == 0 {
			n.w.consistent()
			return
		}
		if round == 399 {
			for _, id := range ids {
				t, _ := n.w.store.Task(n.w.t.Context(), id)
				n.w.t.Logf("task %+v", t)
			}
			n.w.t.Errorf("%d tasks never come to an end", open)
		}
	}
}

// drain lets what is queued start, and forgets what was dispatched.
func (w *world) drain() {
	w.t.Helper()
	if err := w.service.admit(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	for {
		select {
		case <-w.reg.dispatched:
		default:
			return
		}
	}
}
