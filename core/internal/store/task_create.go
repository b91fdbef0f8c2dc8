package store

import (
	"context"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/sdk/errs"
)

// NewTask is a task to create.
type NewTask struct {
	Task core.Task
	// Content is the uploaded file; empty for none.
	Content []byte
}

// CreateTasks stores tasks with fresh ids, all or none. It reads nothing, so
// any number of callers share one write to the disk and none waits for another.
func (s *Store) CreateTasks(ctx context.Context, fresh []NewTask) error {
	if len(fresh) == 0 {
		return nil
	}
	t := &Txn{If: make([]Compare, 0, len(fresh)), Then: make([]Op, 0, 5*len(fresh))}
	counts := map[string]int64{}
	for i := range fresh {
		if err := s.appendTask(t, counts, &fresh[i]); err != nil {
			return err
		}
	}
	for key, n := range counts {
		t.Then = append(t.Then, Op{Type: OpAdd, Key: key, Delta: n})
	}
	res, err := s.commit(ctx, t)
	if err != nil {
		return err
	}
	if !res.Succeeded {
		return errs.New(errs.Conflict, "A task of that id exists already.")
	}
	return nil
}

func (s *Store) appendTask(t *Txn, counts map[string]int64, n *NewTask) error {
	k := &s.kinds.task
	if !validID(string(n.Task.ID)) {
		return errs.New(errs.Internal, "%q is not an id of a task.", n.Task.ID)
	}
	key := k.key(string(n.Task.ID))
	value, err := k.encode(key, &n.Task)
	if err != nil {
		return err
	}
	t.If = append(t.If, Compare{Key: key})
	t.Then = append(t.Then, Op{Type: OpPut, Key: key, Value: value})
	left := k.traces(&n.Task)
	for _, entry := range left.entries {
		t.Then = append(t.Then, Op{Type: OpPut, Key: entry})
	}
	for _, counter := range left.counters {
		counts[counter]++
	}
	if len(n.Content) == 0 {
		return nil
	}
	op, err := putContent(n.Task.ID, n.Content)
	t.Then = append(t.Then, op)
	return err
}
