package worker

import (
	"container/heap"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/failpoint"
	"github.com/haul-dl/haul/core/internal/store"
)

const (
	// eventQueue is how many events wait before those who post them do.
	eventQueue = 1024
	// eventBatch is how many are taken before the journal is written.
	eventBatch = 512
)

// state belongs to the loop.
type state struct {
	jobs     map[core.JobID]*job
	backends map[core.DownloaderID]*backend
	storages map[core.StorageID]*depot
	// unreadable are keys of the journal that were left where they are.
	unreadable map[string]bool

	touched map[core.JobID]struct{} // to be looked at in this turn
	pending changes                 // to be written, beside the jobs in unsaved
	unsaved map[core.JobID]struct{}
	replies []chan error // of orders that wait for the commit

	journalErr                     error
	commitTries                    int
	commitAt                       time.Time
	timers                         timers
	wake                           time.Time // of the next turn without an event
	counter                        uint64    // orders calls and their answers
	deliveries                     pool
	removals                       pool
	session                        *session
	dirty                          map[core.JobID]struct{} // to be reported
	reported                       map[core.JobID]core.ObservedJob
	downloadersDirty, pluginsDirty bool
	storagesDirty                  bool

	guards
}

func newState() state {
	return state{
		jobs:     map[core.JobID]*job{},
		backends: map[core.DownloaderID]*backend{},
		storages: map[core.StorageID]*depot{},
		touched:  map[core.JobID]struct{}{}, unsaved: map[core.JobID]struct{}{},
		unreadable: map[string]bool{},
		deliveries: pool{limit: deliveriesAtOnce}, removals: pool{limit: removalsAtOnce},
		dirty:    map[core.JobID]struct{}{},
		reported: map[core.JobID]core.ObservedJob{},
	}
}

// run is the loop.
func (n *Node) run() {
	defer close(n.ended)
	defer n.endSession()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-n.quit:
			return
		case e := <-n.events:
			n.guardClock(time.Now()) // before anything gets a stamp
			n.handle(e)
			n.drain()
		case <-timer.C:
		}
		n.turn(time.Now())
		if n.wake.IsZero() {
			timer.Stop()
		} else {
			timer.Reset(time.Until(n.wake))
		}
	}
}

// drain takes what else has queued, so that it shares a commit.
func (n *Node) drain() {
	for range eventBatch {
		select {
		case e := <-n.events:
			n.handle(e)
		default:
			return
		}
	}
}

// turn brings everything up to what the events have changed.
func (n *Node) turn(now time.Time) {
	n.wake = time.Time{}
	n.guard(now)
	for len(n.timers) > 0 && !n.timers[0].at.After(now) {
		if t, ok := heap.Pop(&n.timers).(timer); ok && n.jobs[t.job] != nil {
			n.touched[t.job] = struct{}{}
		}
	}
	// In the order of their ids, which is that of their creation.
	for _, id := range slices.Sorted(maps.Keys(n.touched)) {
		if j := n.jobs[id]; j != nil {
			n.advance(j, now)
		}
	}
	clear(n.touched)
	if n.commit(now) {
		failpoint.Hit("worker.before-steps")
		n.pump(now)
	}
	for _, b := range n.backends {
		n.drive(b, now)
	}
	n.driveStorages(now)
	n.publish()
	if len(n.timers) > 0 {
		n.wakeAt(n.timers[0].at)
	}
}

// commit writes all that has changed, and reports whether the journal is up to
// date. While it fails nothing begins, and it is tried again with back-off.
func (n *Node) commit(now time.Time) bool {
	if len(n.unsaved) == 0 && n.pending.empty() {
		n.journalErr = nil
		n.reply(nil)
		return true
	}
	if n.journalErr != nil && now.Before(n.commitAt) {
		n.wakeAt(n.commitAt)
		n.reply(n.journalErr)
		return false
	}
	all := changes{ops: append(n.pending.ops[:len(n.pending.ops):len(n.pending.ops)], n.jobOps()...)}
	err := n.journal.commit(context.WithoutCancel(n.ctx), &all)
	n.metrics.committed(err)
	if err != nil {
		n.commitFailed(now, err)
		return false
	}
	n.commitSucceeded()
	return true
}

func (n *Node) commitFailed(now time.Time, err error) {
	n.commitTries++
	n.commitAt = now.Add(pause(n.commitTries))
	n.wakeAt(n.commitAt)
	if n.journalErr == nil {
		n.log.Error("the journal cannot be written", "err", err)
		n.everythingDirty()
	}
	n.journalErr = journalTrouble(err)
	n.reply(n.journalErr)
}

func (n *Node) commitSucceeded() {
	for id := range n.unsaved {
		if j := n.jobs[id]; j != nil {
			j.changed, j.newContent = false, nil
			n.dirty[id] = struct{}{}
		}
	}
	clear(n.unsaved)
	n.pending.ops = nil
	if n.journalErr != nil {
		n.log.Info("the journal can be written again")
		n.journalErr, n.commitTries = nil, 0
		n.everythingDirty()
	}
	n.reply(nil)
}

func (n *Node) jobOps() []store.Op {
	c := changes{}
	for id := range n.unsaved {
		j := n.jobs[id]
		if j == nil {
			continue
		}
		if err := c.putJob(n.journal.box, j); err != nil {
			n.log.Error("encode a job", "job", id, "err", err)
		}
	}
	return c.ops
}

func (n *Node) everythingDirty() {
	for id := range n.jobs {
		n.dirty[id] = struct{}{}
	}
	n.downloadersDirty = true
}

func (n *Node) reply(err error) {
	for _, r := range n.replies {
		r <- err
	}
	n.replies = nil
}

// touch makes this turn look at a job.
func (n *Node) touch(j *job) { n.touched[j.Job.ID] = struct{}{} }

// tick counts on: what got a lower number began before.
func (n *Node) tick() uint64 {
	n.counter++
	return n.counter
}

// wakeAt makes the next turn come at t at the latest.
func (n *Node) wakeAt(t time.Time) {
	if n.wake.IsZero() || t.Before(n.wake) {
		n.wake = t
	}
}

// timer touches a job later. One that came too late does no harm.
type timer struct {
	at  time.Time
	job core.JobID
}

// timers is a heap, the earliest first.
type timers []timer

// Len implements heap.Interface.
func (t timers) Len() int { return len(t) }

// Less implements heap.Interface.
func (t timers) Less(i, j int) bool { return t[i].at.Before(t[j].at) }

// Swap implements heap.Interface.
func (t timers) Swap(i, j int) { t[i], t[j] = t[j], t[i] }

// Push implements heap.Interface.
func (t *timers) Push(x any) {
	if v, ok := x.(timer); ok {
		*t = append(*t, v)
	}
}

// Pop implements heap.Interface.
func (t *timers) Pop() any {
	old := *t
	last := old[len(old)-1]
	*t = old[:len(old)-1]
	return last
}
