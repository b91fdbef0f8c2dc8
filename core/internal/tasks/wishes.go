package tasks

import (
	"context"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/schedule"
	"github.com/haul-dl/haul/core/internal/store"
	"github.com/haul-dl/haul/sdk/errs"
)

// Cancel ends a task: a queued one at once, a running one when its node has
// stopped it.
func (s *Service) Cancel(ctx context.Context, id core.TaskID) (*core.TaskView, error) {
	return s.change(ctx, id, func(tx *store.Tx, t *core.Task) error {
		if t.State.Ended() {
			return errs.New(errs.WrongState, "The task is %s already.", t.State)
		}
		return s.cancelIn(tx, t)
	})
}

func (s *Service) cancelIn(tx *store.Tx, t *core.Task) error {
	if !t.Cancel(s.now()) || t.Job == "" {
		return nil
	}
	job, err := tx.Job(t.Job)
	if errs.Is(err, errs.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	job.Leave(t.ID)
	return tx.PutJob(job)
}

// Retry starts an ended task again, or a held delivery at once.
func (s *Service) Retry(ctx context.Context, id core.TaskID) (*core.TaskView, error) {
	return s.change(ctx, id, func(tx *store.Tx, t *core.Task) error {
		if t.State == core.StateHeld {
			return retryDelivery(tx, t)
		}
		if !t.Retry() {
			return errs.New(errs.WrongState, "A task that is %s cannot be tried again.", t.State)
		}
		return nil
	})
}

func retryDelivery(tx *store.Tx, t *core.Task) error {
	job, err := tx.Job(t.Job)
	if err != nil {
		return err
	}
	job.RetryDelivery(t.ID)
	return tx.PutJob(job)
}

// Delete hides a task and stops its job. With deleteData its delivered files
// go first, so that a failure leaves the task to try again.
func (s *Service) Delete(ctx context.Context, id core.TaskID, deleteData bool) error {
	if deleteData {
		t, err := s.mine(ctx, id)
		if err != nil {
			return err
		}
		if err := s.deleteFiles(ctx, t); err != nil {
			return err
		}
	}
	_, err := s.change(ctx, id, func(tx *store.Tx, t *core.Task) error {
		if err := s.cancelIn(tx, t); err != nil {
			return err
		}
		now := s.now().UTC()
		t.DeletedAt, t.DeleteData = &now, deleteData
		if t.Source.Uploaded && t.State.Ended() {
			return tx.DeleteContent(t.ID)
		}
		return nil
	})
	return err
}

// change carries out a change of a task that the caller may change, tells the
// node, and shows the task.
func (s *Service) change(ctx context.Context, id core.TaskID, fn func(*store.Tx, *core.Task) error) (*core.TaskView, error) {
	who, err := core.IdentityFrom(ctx)
	if err != nil {
		return nil, err
	}
	var before core.TaskState
	var task *core.Task
	err = s.store.Update(ctx, func(tx *store.Tx) error {
		t, err := tx.Task(id)
		if err != nil {
			return err
		}
		if !mayManage(who, t) {
			return notFound(id)
		}
		before, task = t.State, t
		if err := fn(tx, t); err != nil {
			return err
		}
		return tx.PutTask(t)
	})
	if err != nil {
		return nil, err
	}
	s.afterChange(before, task)
	return s.view(ctx, task), nil
}

func (s *Service) afterChange(before core.TaskState, t *core.Task) {
	s.mu.Lock()
	s.live.keep(t)
	if t.State == core.StateQueued && before != core.StateQueued {
		s.queue.Push(schedule.WantOf(t), t.ID)
	}
	s.mu.Unlock()
	if t.State != before {
		s.logMoved(t)
	}
	if t.Job != "" {
		s.registry.Dispatch(t.Node, t.Job)
	}
	s.Wake()
}

// mayManage reports whether somebody may see and change a task. One that is
// deleted is nobody's.
func mayManage(who *core.Identity, t *core.Task) bool {
	return t.DeletedAt == nil && (t.Owner == who.User && who.Has(core.PermissionDownload) || who.IsAdmin())
}

func notFound(id core.TaskID) error { return errs.New(errs.NotFound, "There is no task %q.", id) }
