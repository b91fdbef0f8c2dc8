package tasks

import (
	"context"
	"fmt"
	"slices"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/sdk/errs"
)

// Retry starts an ended task again, a held delivery at once, a paused task, and
// one that waits for its next try.
func (s *Service) Retry(ctx context.Context, id core.TaskID, o core.RetryOptions) (*core.TaskView, error) {
	return s.change(ctx, id, nil, func(s *Service, e *edit) error { return s.retryWith(e, o) })
}

// retryIn is Retry without any options.
func (s *Service) retryIn(e *edit) error { return s.retryWith(e, core.RetryOptions{}) }

func (s *Service) retryWith(e *edit, o core.RetryOptions) error {
	t := e.task
	only, err := s.checkRetryFiles(t, o.Files)
	if err != nil {
		return err
	}
	if !canRetry(t) {
		return errs.New(errs.WrongState, "A task that is %s cannot be tried again.", t.State)
	}
	if o.Destination != nil {
		if err := s.moveTo(e, o.Destination); err != nil {
			return err
		}
	}
	switch t.State {
	case core.StateHeld:
		return s.retryDelivery(e, only)
	case core.StatePaused:
		return s.resumeIn(e)
	case core.StateQueued:
		t.Retries.NextAt, t.Retries.Used, e.said = nil, 0, "Asked to try again at once."
		return nil
	}
	if err := leaveOld(e); err != nil {
		return err
	}
	t.Retry()
	t.Retries.Limit = s.retryLimit
	e.said = "Asked to try again."
	return nil
}

// canRetry reports whether there is anything to try. A queued task is tried at
// once where it waits for a time or for its source.
func canRetry(t *core.Task) bool {
	switch t.State {
	case core.StateFailed, core.StateCanceled:
		return true
	case core.StateHeld, core.StatePaused:
		return t.Wish != core.WishCancel
	case core.StateQueued:
		return t.Retries.NextAt != nil || t.Source.MustFetch()
	}
	return false
}

// checkRetryFiles returns the files to try, in order.
func (s *Service) checkRetryFiles(t *core.Task, files []int) ([]int, error) {
	if len(files) == 0 {
		return nil, nil
	}
	if t.State != core.StateHeld {
		return nil, errs.New(errs.WrongState, "Single files can be tried again while a task is held; this one is %s.", t.State).
			WithField("files", "are only for a held task")
	}
	if len(files) > core.MaxSelection {
		return nil, wrongRetry("files", fmt.Sprintf("has more than %d indexes", core.MaxSelection))
	}
	count := s.fileCount(t)
	seen := make(map[int]bool, len(files))
	for i, index := range files {
		field := fmt.Sprintf("files[%d]", i)
		_, named := slices.BinarySearch(t.Selection.Indexes, index)
		switch {
		case index < 0:
			return nil, wrongRetry(field, "must be at least 0")
		case seen[index]:
			return nil, wrongRetry(field, fmt.Sprintf("names file %d again", index))
		case count > 0 && index >= count:
			return nil, wrongRetry(field, fmt.Sprintf("names file %d; there are %d", index, count))
		case !named && len(t.Selection.Indexes) > 0 && len(t.Selection.Patterns) == 0:
			return nil, wrongRetry(field, fmt.Sprintf("names file %d, which the task does not want", index))
		}
		seen[index] = true
	}
	only := slices.Clone(files)
	slices.Sort(only)
	return only, nil
}

func wrongRetry(field, why string) error {
	return errs.New(errs.InvalidRequest, "The files to try again are not valid.").WithField(field, why).
		WithHint("GET the task's files: those that could not be delivered say why.")
}

// retryDelivery has the node try a held delivery at once.
func (s *Service) retryDelivery(e *edit, only []int) error {
	job, err := e.running()
	if err != nil {
		return err
	}
	if job == nil || job.Delivery(e.task.ID) == nil {
		return errs.New(errs.WrongState, "The task's data is gone.").WithHint("Cancel the task, and retry it to load it again.")
	}
	job.RetryDelivery(e.task.ID, only)
	e.said = "Asked to try the delivery again."
	if len(only) > 0 {
		e.said = fmt.Sprintf("Asked to try the delivery of %d files again.", len(only))
	}
	return e.putJob(job)
}

// leaveOld takes an ended task off a job that has not ended, so that it can get
// another place.
func leaveOld(e *edit) error {
	job, err := e.stored()
	if err != nil || job == nil || job.Delivery(e.task.ID) == nil {
		return err
	}
	job.Leave(e.task.ID)
	return e.putJob(job)
}
