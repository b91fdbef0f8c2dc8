package tasks

import (
	"context"
	"errors"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

// Pause stops a task for a while: a queued one at once, a running one when its
// node has stopped it.
func (s *Service) Pause(ctx context.Context, id core.TaskID) (*core.TaskView, error) {
	return s.change(ctx, id, nil, (*Service).pauseIn)
}

func (s *Service) pauseIn(e *edit) error {
	if err := canPause(e, "paused"); err != nil {
		return err
	}
	job, err := e.running()
	if err != nil {
		return err
	}
	if c := e.candidate(); job != nil && c != nil && !c.Has(downloader.CapabilityPause) {
		return errs.New(errs.NotOffered, "Downloader %q cannot pause.", c.Name).
			WithHint("Cancel the task and retry it later, or use a downloader that can pause.")
	}
	if !e.task.Pause(s.now()) {
		return nil
	}
	e.said = "Asked to pause."
	if job == nil {
		e.task.Retries.NextAt = nil
		return nil
	}
	job.Pause(e.task.ID)
	return e.putJob(job)
}

// Resume lets a task go on: back to the queue, or at the downloader. One that
// waits for its next try is tried at once.
func (s *Service) Resume(ctx context.Context, id core.TaskID) (*core.TaskView, error) {
	return s.change(ctx, id, nil, (*Service).resumeIn)
}

func (s *Service) resumeIn(e *edit) error {
	if err := canPause(e, "resumed"); err != nil {
		return err
	}
	if e.task.State == core.StateQueued && e.task.Retries.NextAt != nil {
		e.task.Retries.NextAt, e.said = nil, "Asked to go on at once."
		return nil
	}
	job, err := e.running()
	if err != nil {
		return err
	}
	if job != nil && s.cannotHaveStopped(e, job) {
		return nil
	}
	if !e.task.Resume(s.now()) {
		return nil
	}
	e.said = "Asked to go on."
	if job == nil {
		return nil
	}
	job.Resume(e.task.ID)
	return e.putJob(job)
}

// cannotHaveStopped reports that a task runs, and that its downloader cannot
// even stop it.
func (s *Service) cannotHaveStopped(e *edit, job *core.Job) bool {
	d, c := job.Delivery(e.task.ID), e.candidate()
	return d != nil && !d.Paused && c != nil && !c.Has(downloader.CapabilityPause)
}

// canPause refuses what is beyond pausing and resuming.
func canPause(e *edit, what string) error {
	switch {
	case e.task.CanPause():
		return nil
	case e.task.Wish == core.WishCancel && !e.task.State.Ended():
		return errs.New(errs.WrongState, "The task is being canceled and cannot be %s.", what)
	}
	wrong := errs.New(errs.WrongState, "A task that is %s cannot be %s.", e.task.State, what)
	if e.task.State == core.StateFailed || e.task.State == core.StateCanceled {
		return wrong.WithHint("Retry it to start it again.")
	}
	return wrong
}

// Cancel ends a task: a queued one at once, a running one when its node has
// stopped it.
func (s *Service) Cancel(ctx context.Context, id core.TaskID) (*core.TaskView, error) {
	return s.change(ctx, id, nil, (*Service).cancelIn)
}

func (s *Service) cancelIn(e *edit) error {
	if e.task.State.Ended() {
		return errs.New(errs.WrongState, "The task is %s already.", e.task.State)
	}
	return s.leaveIn(e)
}

// leaveIn ends a task, unless it has ended.
func (s *Service) leaveIn(e *edit) error {
	job, err := e.running()
	if err != nil {
		return err
	}
	if !e.task.Cancel(s.now()) {
		return nil
	}
	e.said = "Asked to cancel."
	e.task.Retries.NextAt = nil
	if job == nil {
		return nil
	}
	job.Leave(e.task.ID)
	e.task.LeftAt = job.Revision
	return e.putJob(job)
}

// Delete hides a task and stops its job. With deleteData its delivered files
// go first, so that a failure leaves the task to try again.
func (s *Service) Delete(ctx context.Context, id core.TaskID, deleteData bool) error {
	var gone []core.DeliveredFile
	if deleteData {
		t, err := s.mine(ctx, id)
		if err != nil {
			return err
		}
		if left, err := s.deleteFiles(ctx, t); err != nil {
			return errors.Join(err, s.noteRemoved(ctx, id, core.WithoutFiles(t.Files, left)))
		}
		gone = t.Files
	}
	after, err := s.change(ctx, id, nil, func(s *Service, e *edit) error {
		e.task.DeleteData = deleteData
		e.task.ForgetFiles(gone)
		return s.deleteIn(e)
	})
	if err == nil && after.FilesMustGo() { // more had come meanwhile
		s.late.wake()
	}
	return err
}

// noteRemoved notes what a delete that failed has removed: what gets the name of
// that is not the task's.
func (s *Service) noteRemoved(ctx context.Context, id core.TaskID, removed []core.DeliveredFile) error {
	if len(removed) == 0 {
		return nil
	}
	_, err := s.change(ctx, id, nil, func(_ *Service, e *edit) error {
		e.task.ForgetFiles(removed)
		return nil
	})
	return err
}

func (s *Service) deleteIn(e *edit) error {
	if err := s.leaveIn(e); err != nil {
		return err
	}
	now := s.now().UTC()
	e.task.DeletedAt = &now
	e.said = "Asked to delete the task."
	if !contentDone(e.task) {
		return nil
	}
	job, err := e.stored()
	if err != nil || job != nil && job.ContentOf == e.task.ID {
		return err // it goes with the job
	}
	return e.tx.DeleteContent(e.task.ID)
}
