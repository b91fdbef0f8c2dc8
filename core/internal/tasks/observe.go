package tasks

import (
	"context"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/store"
	"github.com/haul-dl/haul/sdk/errs"
)

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
	var moved []core.Task
	err = s.store.Update(ctx, func(tx *store.Tx) error {
		moved = moved[:0]
		for _, o := range durable {
			if err := s.storeObserved(tx, o, &moved); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if s.remember(durable, moved) {
		s.Wake()
	}
	s.deleteLateFiles(ctx, moved)
	for _, o := range durable {
		if o.Phase.Ended() {
			ended = append(ended, o.ID)
		}
	}
	return ended, nil
}

// deleteLateFiles removes what was delivered of tasks that were deleted with
// their data meanwhile.
func (s *Service) deleteLateFiles(ctx context.Context, moved []core.Task) {
	for i := range moved {
		if t := &moved[i]; t.DeletedAt != nil && t.DeleteData {
			if err := s.deleteFiles(ctx, t); err != nil {
				s.log.Warn("files of a deleted task stay", "task", t.ID, "code", errs.CodeOf(err))
			}
		}
	}
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
		if o.Phase.Ended() || j.wouldChange(o, now) {
			durable = append(durable, o)
		}
	}
	return durable, unknown, freed
}

// storeObserved brings the tasks of one job up to its report, and ends the job
// with it.
func (s *Service) storeObserved(tx *store.Tx, o *core.ObservedJob, moved *[]core.Task) error {
	job, err := tx.Job(o.ID)
	if errs.Is(err, errs.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, id := range s.tasksOf(o.ID) {
		t, err := tx.Task(id)
		if errs.Is(err, errs.NotFound) {
			continue
		}
		if err != nil {
			return err
		}
		if !t.Observe(o, s.now()) {
			continue
		}
		if t.Source.Uploaded && t.State.Ended() && (t.State == core.StateCompleted || t.DeletedAt != nil) {
			if err := tx.DeleteContent(t.ID); err != nil {
				return err
			}
		}
		if err := tx.PutTask(t); err != nil {
			return err
		}
		*moved = append(*moved, *t)
	}
	if o.Phase.Ended() {
		return tx.DeleteJob(job.ID)
	}
	return nil
}

func (s *Service) tasksOf(id core.JobID) []core.TaskID {
	s.mu.Lock()
	defer s.mu.Unlock()
	j := s.live.jobs[id]
	if j == nil {
		return nil
	}
	out := make([]core.TaskID, 0, len(j.tasks))
	for task := range j.tasks {
		out = append(out, task)
	}
	return out
}

// remember brings the memory up to what was stored, and reports whether places
// became free.
func (s *Service) remember(durable []*core.ObservedJob, moved []core.Task) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	freed := false
	for i := range moved {
		t := &moved[i]
		if j := s.live.jobs[t.Job]; j != nil && j.tasks[t.ID] != nil && j.tasks[t.ID].State != t.State {
			s.logMoved(t)
		}
		s.live.keep(t)
	}
	for _, o := range durable {
		if o.Phase.Ended() {
			freed = s.live.remove(o.ID) || freed
		}
	}
	return freed
}

func (s *Service) logMoved(t *core.Task) {
	s.onTransition(t.State)
	if t.Error != nil {
		s.log.Warn("task changed state", "task", t.ID, "job", t.Job, "state", t.State, "code", t.Error.Code)
		return
	}
	s.log.Info("task changed state", "task", t.ID, "job", t.Job, "state", t.State)
}
