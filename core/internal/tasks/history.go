package tasks

import (
	"context"

	"github.com/haul-dl/haul/core"
)

// History returns what happened to a task. That it was created is known from
// the task itself.
func (s *Service) History(ctx context.Context, id core.TaskID) ([]core.HistoryEvent, error) {
	t, err := s.mine(ctx, id)
	if err != nil {
		return nil, err
	}
	stored, err := s.store.History(ctx, id)
	if err != nil {
		return nil, err
	}
	created := core.HistoryEvent{
		At: t.CreatedAt, Kind: core.HistoryCreated, State: core.StateQueued, Message: "The task was created.",
		By: s.owners.name(ctx, s.store, t.Owner),
	}
	return append([]core.HistoryEvent{created}, stored...), nil
}
