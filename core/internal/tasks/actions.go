package tasks

import (
	"context"
	"sync"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/schedule"
	"github.com/haul-dl/haul/core/internal/store"
	"github.com/haul-dl/haul/sdk/errs"
)

// actions is what can be done to many tasks at once.
var actions = map[core.TaskAction]editor{
	core.ActionPause:   (*Service).pauseIn,
	core.ActionResume:  (*Service).resumeIn,
	core.ActionCancel:  (*Service).cancelIn,
	core.ActionRetry:   (*Service).retryIn,
	core.ActionRecheck: (*Service).recheckIn,
	core.ActionDelete:  (*Service).deleteIn,
}

// action is one call of Act.
type action struct {
	who        *core.Identity
	ids        []core.TaskID
	fn         editor
	looked     map[core.TaskID]*looked
	candidates func() []schedule.Candidate
	results    []core.TaskResult
	edits      []*edit
}

// Act does the same to many tasks, in one transaction.
func (s *Service) Act(ctx context.Context, what core.TaskAction, ids []core.TaskID) ([]core.TaskResult, error) {
	who, err := core.IdentityFrom(ctx)
	if err != nil {
		return nil, err
	}
	fn := actions[what]
	switch {
	case fn == nil:
		return nil, errs.New(errs.InvalidRequest, "There is no action %q.", string(what)).WithField("action", "does not exist")
	case len(ids) == 0 || len(ids) > core.MaxActionTasks:
		return nil, errs.New(errs.InvalidRequest, "There are %d ids; 1 to %d can be named at once.", len(ids), core.MaxActionTasks).
			WithField("ids", "must have 1 to 1000 items")
	}
	a := &action{who: who, ids: ids, fn: fn, candidates: sync.OnceValue(s.registry.Candidates)}
	if what == core.ActionRecheck {
		a.looked = s.lookForAll(ctx, who, ids)
	}
	if err := s.store.Update(ctx, func(tx *store.Tx) error { s.actIn(tx, a); return nil }); err != nil {
		return nil, err
	}
	done := make([]*edit, 0, len(a.edits))
	for _, e := range a.edits {
		if e != nil {
			done = append(done, e)
		}
	}
	s.afterChange(done...)
	for i, e := range a.edits {
		if e != nil && what != core.ActionDelete {
			a.results[i].Task = s.view(ctx, e.task)
		}
	}
	return a.results, nil
}

// actIn does what is asked to each task; what goes wrong is a part of the result.
func (s *Service) actIn(tx *store.Tx, a *action) {
	a.results, a.edits = make([]core.TaskResult, len(a.ids)), make([]*edit, len(a.ids))
	for i, id := range a.ids {
		e := &edit{tx: tx, looked: a.looked[id], candidates: a.candidates}
		a.results[i] = core.TaskResult{ID: id, Err: s.edit(e, a.who, id, a.fn)}
		if a.results[i].Err == nil {
			a.edits[i] = e
		}
	}
}

// lookForAll looks what is left of the completed ones among some tasks. What
// cannot be looked at is not known to be missing.
func (s *Service) lookForAll(ctx context.Context, who *core.Identity, ids []core.TaskID) map[core.TaskID]*looked {
	out := make(map[core.TaskID]*looked, len(ids))
	for _, id := range ids {
		out[id] = &looked{}
		t, err := s.store.Task(ctx, id)
		if err != nil || !mayManage(who, t) {
			continue
		}
		if found, err := s.lookFor(ctx, t); err == nil {
			out[id] = found
		}
	}
	return out
}
