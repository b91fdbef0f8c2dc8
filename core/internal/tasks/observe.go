package tasks

import (
	"context"
	"strings"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/store"
	"github.com/haul-dl/haul/sdk/errs"
)

// outcome is a task that was changed, as it is stored now.
type outcome struct {
	task *core.Task
	// before and job are its state and job of before.
	before core.TaskState
	job    core.JobID
}

// observation is what one report has changed for good.
type observation struct {
	moved []outcome
	// orders are the jobs that go on with fewer tasks.
	orders []*core.Job
}

// Observe takes in what a node reports. Progress stays in memory; what changes
// a task for good is stored in one transaction for the whole report.
func (s *Service) Observe(ctx context.Context, node core.NodeID, jobs []core.ObservedJob) ([]core.JobID, error) {
	durable, unknown, freed := s.takeIn(node, jobs)
	if freed {
		s.Wake()
	}
	ended, err := s.withoutRecord(ctx, node, unknown)
	if err != nil {
		return nil, err
	}
	if len(durable) == 0 {
		return ended, nil
	}
	var seen observation
	err = s.store.Update(ctx, func(tx *store.Tx) error {
		seen = observation{}
		for _, o := range durable {
			if err := s.storeObserved(tx, o, &seen); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if s.remember(durable, &seen) {
		s.Wake()
	}
	for _, job := range seen.orders {
		s.registry.Dispatch(job.Node, job.ID)
	}
	s.late.wakeFor(seen.moved)
	for _, o := range durable {
		if o.Phase.Ended() {
			ended = append(ended, o.ID)
		}
	}
	return ended, nil
}

// withoutRecord returns those of the ended jobs that core does not have on the
// node any more. One that has just been stored may be known there before it is
// followed here: its end is reported again when the job is dispatched.
func (s *Service) withoutRecord(ctx context.Context, node core.NodeID, ended []core.JobID) ([]core.JobID, error) {
	var out []core.JobID
	for _, id := range ended {
		job, err := s.store.Job(ctx, id)
		switch {
		case errs.Is(err, errs.NotFound), err == nil && job.Node != node:
			out = append(out, id)
		case err != nil && !errs.Is(err, errs.Internal): // a damaged record is one, too
			return nil, err
		}
	}
	return out, nil
}

// takeIn updates the memory, and returns the reports that need the disk, and
// the ended jobs that are not followed.
func (s *Service) takeIn(node core.NodeID, jobs []core.ObservedJob) (durable []*core.ObservedJob, unknown []core.JobID, freed bool) {
	now := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range jobs {
		o := &jobs[i]
		j := s.live.jobs[o.ID]
		if j == nil || j.node != node {
			if o.Phase.Ended() {
				unknown = append(unknown, o.ID)
			}
			continue
		}
		freed = s.live.see(j, o) || freed
		if j.joinable() {
			freed = s.waiting.unpark(o.ID) || freed
		}
		if o.Phase.Ended() || j.wouldChange(o, now) {
			durable = append(durable, o)
		}
	}
	return durable, unknown, freed
}

// storeObserved brings the tasks of one job up to its report, and ends the job
// with it.
func (s *Service) storeObserved(tx *store.Tx, o *core.ObservedJob, seen *observation) error {
	job, err := tx.Job(o.ID)
	if errs.Is(err, errs.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	ends, revision := o.Phase.Ended(), job.Revision
	for _, id := range s.tasksOf(job) {
		t, err := tx.Task(id)
		if errs.Is(err, errs.NotFound) {
			continue
		}
		if err != nil {
			return err
		}
		before := outcome{task: t, before: t.State, job: t.Job}
		changed, err := s.observeTask(tx, t, o)
		if err != nil {
			return err
		}
		if !changed {
			continue
		}
		if !ends {
			leave(job, t)
		}
		if contentDone(t) && (ends || job.ContentOf != t.ID) {
			if err := tx.DeleteContent(t.ID); err != nil {
				return err
			}
		}
		seen.moved = append(seen.moved, before)
	}
	if ends {
		return endJob(tx, job)
	}
	if job.Revision == revision {
		return nil
	}
	seen.orders = append(seen.orders, job)
	return tx.PutJob(job)
}

// observeTask brings one task up to the report, with its history, and reports
// whether anything has changed.
func (s *Service) observeTask(tx *store.Tx, t *core.Task, o *core.ObservedJob) (bool, error) {
	before, news := t.State, t.NewEvents(o)
	if !t.Observe(o, s.now()) {
		return false, nil
	}
	if err := s.noteWhere(tx, t, o); err != nil {
		return false, err
	}
	for _, ev := range news {
		told := core.HistoryEvent{At: ev.At, Kind: core.HistoryEventOf, Code: ev.Code, Message: ev.Message}
		if err := tx.AppendHistory(t, told); err != nil {
			return false, err
		}
	}
	if err := s.noteFailure(tx, t, before); err != nil {
		return false, err
	}
	return true, tx.PutTask(t)
}

// noteWhere corrects the destination of a task whose files had come to the one
// before when it was changed.
func (s *Service) noteWhere(tx *store.Tx, t *core.Task, o *core.ObservedJob) error {
	d := t.DeliveryIn(o)
	if d == nil || !d.Done || d.Storage == "" || t.State != core.StateCompleted && t.State != core.StateSeeding {
		return nil
	}
	owner, err := tx.User(t.Owner)
	if errs.Is(err, errs.NotFound) {
		return nil
	}
	if err != nil || d.Storage == t.Destination.Storage && d.Path == inHome(owner, t.Destination.Path) {
		return err
	}
	below, ok := strings.CutPrefix(d.Path+"/", owner.Home()+"/")
	if !ok {
		return nil
	}
	t.Destination = core.Destination{Storage: d.Storage, Path: strings.TrimSuffix(below, "/")}
	return tx.AppendHistory(t, s.event("", "The files had been delivered before the destination was changed."))
}

// leave takes a task that needs its job no more off it. Where the last one has
// all that it wanted, the job ends by itself.
func leave(job *core.Job, t *core.Task) {
	over := t.State.Ended() || t.Job != job.ID
	if over && job.Delivery(t.ID) != nil && (len(job.Deliveries) > 1 || t.State != core.StateCompleted) {
		job.Leave(t.ID)
	}
}

// contentDone reports whether nobody will ask for a task's torrent file again.
func contentDone(t *core.Task) bool {
	return t.Source.Stored() && (t.State == core.StateCompleted || t.State.Ended() && t.DeletedAt != nil)
}

// endJob removes a job's record, and the torrent file that it was made from
// where its task has no more use for that.
func endJob(tx *store.Tx, job *core.Job) error {
	if err := tx.DeleteJob(job.ID); err != nil || job.ContentOf == "" {
		return err
	}
	t, err := tx.Task(job.ContentOf)
	if err == nil && !contentDone(t) {
		return nil
	}
	if err != nil && !errs.Is(err, errs.NotFound) {
		return err
	}
	return tx.DeleteContent(job.ContentOf)
}

// tasksOf returns the tasks that a report of a job may change: those that the
// memory has, which may have left the job, and those that have just been given it.
func (s *Service) tasksOf(job *core.Job) []core.TaskID {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []core.TaskID
	known := map[core.TaskID]bool{}
	if j := s.live.jobs[job.ID]; j != nil {
		for i := range j.tasks {
			task := j.tasks[i].id
			known[task], out = true, append(out, task)
		}
	}
	for i := range job.Deliveries {
		if task := job.Deliveries[i].Task; !known[task] {
			out = append(out, task)
		}
	}
	return out
}

// remember brings the memory up to what was stored, and reports whether the
// queue is worth a look.
func (s *Service) remember(durable []*core.ObservedJob, seen *observation) bool {
	now, look := s.now(), false
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, job := range seen.orders {
		look = s.live.order(job) || look
	}
	for i := range seen.moved {
		m := &seen.moved[i]
		if m.task.State != m.before {
			s.logMoved(m.task)
		}
		s.live.keep(m.task)
		if m.task.Job != m.job {
			s.live.drop(m.job, m.task.ID)
			s.waiting.put(m.task, now)
			look = true
		}
	}
	for _, o := range durable {
		if o.Phase.Ended() {
			look = s.live.remove(o.ID) || look
			look = s.waiting.unpark(o.ID) || look
		}
	}
	return look
}

func (s *Service) logMoved(t *core.Task) {
	s.onTransition(t.State)
	if t.Error != nil {
		s.log.Warn("task changed state", "task", t.ID, "job", t.Job, "state", t.State, "code", t.Error.Code)
		return
	}
	s.log.Info("task changed state", "task", t.ID, "job", t.Job, "state", t.State)
}
