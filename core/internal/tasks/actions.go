package tasks

import (
	"context"
	"sync"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/store"
	"github.com/haul-dl/haul/sdk/errs"
)

// actions is what can be done to many tasks at once.
var actions = map[core.TaskAction]editor{
	core.ActionPause:  (*Service).pauseIn,
	core.ActionResume: (*Service).resumeIn,
	core.ActionCancel: (*Service).cancelIn,
	core.ActionRetry:  (*Service).retryIn,
	core.ActionDelete: (*Service).deleteIn,
}

// Act does the same to many tasks, in one transaction.
func (s *Service) Act(ctx context.Context, action core.TaskAction, ids []core.TaskID) ([]core.TaskResult, error) {
	who, err := core.IdentityFrom(ctx)
	if err != nil {
		return nil, err
	}
	fn := actions[action]
	switch {
	case fn == nil:
		return nil, errs.New(errs.InvalidRequest, "There is no action %q.", string(action)).WithField("action", "does not exist")
	case len(ids) == 0 || len(ids) > core.MaxActionTasks:
		return nil, errs.New(errs.InvalidRequest, "There are %d ids; 1 to %d can be named at once.", len(ids), core.MaxActionTasks).
			WithField("ids", "must have 1 to 1000 items")
	}
	results := make([]core.TaskResult, len(ids))
	edits := make([]*edit, len(ids))
	candidates := sync.OnceValue(s.registry.Candidates)
	err = s.store.Update(ctx, func(tx *store.Tx) error {
		for i, id := range ids {
			edits[i], results[i].Err = s.edit(tx, who, id, candidates, fn)
			if results[i].Err != nil {
				edits[i] = nil
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	s.afterActions(edits)
	for i, id := range ids {
		results[i].ID = id
		if results[i].Err == nil && action != core.ActionDelete {
			results[i].Task = s.view(ctx, edits[i].task)
		}
	}
	return results, nil
}

func (s *Service) afterActions(edits []*edit) {
	done := make([]*edit, 0, len(edits))
	for _, e := range edits {
		if e != nil {
			done = append(done, e)
		}
	}
	s.afterChange(done...)
}
