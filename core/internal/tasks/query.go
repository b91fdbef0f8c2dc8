package tasks

import (
	"context"
	"sync"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/store"
	"github.com/haul-dl/haul/sdk/errs"
)

// defaultLimit is the length of a page unless told otherwise.
const defaultLimit = 50

// Get shows one task of the caller; an admin sees all.
func (s *Service) Get(ctx context.Context, id core.TaskID) (*core.TaskView, error) {
	t, err := s.mine(ctx, id)
	if err != nil {
		return nil, err
	}
	return s.view(ctx, t), nil
}

// mine returns a task that the caller may see.
func (s *Service) mine(ctx context.Context, id core.TaskID) (*core.Task, error) {
	who, err := core.IdentityFrom(ctx)
	if err != nil {
		return nil, err
	}
	t, err := s.store.Task(ctx, id)
	if err != nil {
		return nil, err
	}
	if !mayManage(who, t) {
		return nil, notFound(id)
	}
	return t, nil
}

// List shows the caller's tasks; an admin sees all.
func (s *Service) List(ctx context.Context, q *core.TaskQuery) (*core.Page[core.TaskView], error) {
	who, err := core.IdentityFrom(ctx)
	if err != nil {
		return nil, err
	}
	filter, err := s.filter(ctx, who, q)
	if err != nil || filter == nil {
		return &core.Page[core.TaskView]{}, err
	}
	tasks, next, err := s.store.Tasks(ctx, *filter)
	if err != nil {
		return nil, err
	}
	page := &core.Page[core.TaskView]{NextCursor: next, Items: make([]core.TaskView, 0, len(tasks))}
	candidates := sync.OnceValue(s.candidates)
	for i := range tasks {
		page.Items = append(page.Items, *s.viewAmong(ctx, &tasks[i], candidates))
	}
	return page, nil
}

// filter turns a query into one for the store; nil when nothing can match.
func (s *Service) filter(ctx context.Context, who *core.Identity, q *core.TaskQuery) (*store.TaskFilter, error) {
	f := &store.TaskFilter{
		States: q.States, Text: q.Text, OldestFirst: q.OldestFirst, Cursor: q.Cursor, Limit: q.Limit,
	}
	if f.Limit == 0 {
		f.Limit = defaultLimit
	}
	if q.Owner != "" {
		u, err := s.store.UserByName(ctx, q.Owner)
		if errs.Is(err, errs.NotFound) {
			u, err = &core.User{ID: core.UserID(q.Owner)}, nil
		}
		if err != nil {
			return nil, err
		}
		f.Owner = u.ID
	}
	if !who.IsAdmin() {
		if f.Owner != "" && f.Owner != who.User {
			return nil, nil
		}
		f.Owner = who.User
	}
	if q.Node != "" {
		n, err := s.registry.Node(q.Node)
		if err != nil {
			return nil, nil //nolint:nilerr // no such node: nothing is there
		}
		f.Node = n.ID
	}
	if q.Downloader != "" {
		d, err := s.registry.Downloader(q.Downloader)
		if err != nil {
			return nil, nil //nolint:nilerr // no such downloader: nothing is there
		}
		f.Downloader = d.ID
	}
	return f, nil
}
