package tasks

import (
	"context"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/sdk/errs"
)

// looked is what was found out of a task before the transaction: what takes
// time must not be done in one.
type looked struct {
	// missing reports that delivered files are not at the destination.
	missing bool
	// content reports that the torrent file is in the store.
	content bool
}

// Recheck has what is loaded verified, and what is missing loaded. Of a
// completed task it looks for the files at the destination.
func (s *Service) Recheck(ctx context.Context, id core.TaskID) (*core.TaskView, error) {
	t, err := s.mine(ctx, id)
	if err != nil {
		return nil, err
	}
	found, err := s.lookFor(ctx, t)
	if err != nil {
		return nil, err
	}
	return s.change(ctx, id, found, (*Service).recheckIn)
}

// lookFor looks what is left of a completed task.
func (s *Service) lookFor(ctx context.Context, t *core.Task) (*looked, error) {
	found := &looked{}
	if t.State != core.StateCompleted {
		return found, nil
	}
	missing, err := s.filesMissing(ctx, t)
	if err != nil {
		return nil, err
	}
	found.missing = missing
	if t.Source.Stored() {
		_, err = s.store.Content(ctx, t.ID)
		found.content = err == nil
	}
	return found, nil
}

func (s *Service) recheckIn(e *edit) error {
	switch e.task.State {
	case core.StateFailed, core.StateCanceled:
		return s.retryIn(e)
	case core.StateCompleted:
		return s.loadAgain(e)
	}
	if e.task.Wish == core.WishCancel {
		return errs.New(errs.WrongState, "The task is being canceled.")
	}
	job, err := e.running()
	if err != nil {
		return err
	}
	if job == nil {
		return errs.New(errs.WrongState, "The task is %s: nothing of it is loaded yet.", e.task.State)
	}
	job.Recheck()
	e.said = "Asked to verify what is loaded."
	return e.putJob(job)
}

// loadAgain puts a completed task back into the queue where its files are gone.
func (s *Service) loadAgain(e *edit) error {
	if !e.looked.missing {
		e.said = "Asked to verify the files; all are at the destination."
		return nil
	}
	if e.task.Source.Stored() && !e.looked.content {
		if e.task.Source.Uploaded {
			return errs.New(errs.WrongState, "Files are missing, and the uploaded torrent was not kept after the delivery.").
				WithHint("Upload the torrent again: that makes a new task.")
		}
		e.task.Source.Fetched = false
	}
	if err := leaveOld(e); err != nil {
		return err
	}
	e.task.LoadAgain()
	e.task.Retries = core.Retries{Limit: s.retryLimit}
	e.said = "Asked to verify the files; some are missing, so they are loaded again."
	return nil
}
