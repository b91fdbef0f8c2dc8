package tasks

import (
	"context"
	"sync"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/schedule"
	"github.com/haul-dl/haul/core/internal/store"
	"github.com/haul-dl/haul/sdk/errs"
)

// edit is a change of one task in a transaction.
type edit struct {
	tx   *store.Tx
	task *core.Task
	// before and jobBefore are the task's state and job of before.
	before    core.TaskState
	jobBefore core.JobID
	// said is what was asked for, for the history; empty where nothing changes.
	said string
	// job is the task's, once it is changed.
	job *core.Job
	// looked is what was found out before the transaction.
	looked *looked
	// candidates are the downloaders as they are now.
	candidates func() []schedule.Candidate
}

// editor changes what e holds, or says why not: then it has stored nothing.
type editor func(s *Service, e *edit) error

// running returns the task's job, or nil where it has none that still runs.
func (e *edit) running() (*core.Job, error) {
	if e.task.Job == "" || e.task.State.Ended() {
		return nil, nil
	}
	return e.stored()
}

// stored returns the task's job, or nil where it is gone.
func (e *edit) stored() (*core.Job, error) {
	if e.task.Job == "" {
		return nil, nil
	}
	job, err := e.tx.Job(e.task.Job)
	if errs.Is(err, errs.NotFound) {
		return nil, nil
	}
	return job, err
}

// putJob stores the changed job.
func (e *edit) putJob(job *core.Job) error {
	e.job = job
	return e.tx.PutJob(job)
}

// candidate returns the task's downloader, or nil where it is gone or has not
// described itself yet.
func (e *edit) candidate() *schedule.Candidate {
	for _, c := range e.candidates() {
		if c.ID == e.task.Downloader && c.Sources != nil {
			return &c
		}
	}
	return nil
}

// change carries out a change of a task that the caller may change, tells the
// node, and shows the task.
func (s *Service) change(ctx context.Context, id core.TaskID, found *looked, fn editor) (*core.TaskView, error) {
	who, err := core.IdentityFrom(ctx)
	if err != nil {
		return nil, err
	}
	var done *edit
	err = s.store.Update(ctx, func(tx *store.Tx) (err error) {
		e := &edit{tx: tx, looked: found, candidates: sync.OnceValue(s.registry.Candidates)}
		done, err = e, s.edit(e, who, id, fn)
		return err
	})
	if err != nil {
		return nil, err
	}
	s.afterChange(done)
	return s.view(ctx, done.task), nil
}

// edit changes one task in a transaction, with an entry in its history.
func (s *Service) edit(e *edit, who *core.Identity, id core.TaskID, fn editor) error {
	t, err := e.tx.Task(id)
	if err != nil {
		return err
	}
	if !mayManage(who, t) {
		return notFound(id)
	}
	e.task, e.before, e.jobBefore = t, t.State, t.Job
	if err := fn(s, e); err != nil {
		return err
	}
	if e.said != "" {
		if err := e.tx.AppendHistory(t, s.wish(who, e.said)); err != nil {
			return err
		}
	}
	if err := s.noteState(e.tx, t, e.before); err != nil {
		return err
	}
	return e.tx.PutTask(t)
}

// afterChange brings the memory up to what was stored, and tells the nodes.
func (s *Service) afterChange(edits ...*edit) {
	now := s.now()
	s.mu.Lock()
	for _, e := range edits {
		if e.job != nil {
			s.live.order(e.job)
		}
		s.live.keep(e.task)
		if e.task.Job != e.jobBefore {
			s.live.drop(e.jobBefore, e.task.ID)
		}
		s.waiting.put(e.task, now)
	}
	s.mu.Unlock()
	orders := map[core.NodeID][]core.JobID{}
	for _, e := range edits {
		if e.task.State != e.before {
			s.logMoved(e.task)
		}
		if e.job != nil {
			orders[e.job.Node] = append(orders[e.job.Node], e.job.ID)
		}
	}
	s.dispatch(orders)
	s.Wake()
}

// mayManage reports whether somebody may see and change a task. One that is
// deleted is nobody's.
func mayManage(who *core.Identity, t *core.Task) bool {
	return t.DeletedAt == nil && (t.Owner == who.User && who.Has(core.PermissionDownload) || who.IsAdmin())
}

func notFound(id core.TaskID) error { return errs.New(errs.NotFound, "There is no task %q.", id) }
