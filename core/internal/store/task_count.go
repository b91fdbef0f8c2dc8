package store

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/sdk/errs"
)

// TaskCounts are the numbers of tasks that are not deleted. What is not listed is 0.
type TaskCounts struct {
	ByState      map[core.TaskState]int64
	ByOwner      map[core.UserID]map[core.TaskState]int64
	ByDownloader map[core.DownloaderID]map[core.TaskState]int64
}

// TaskCounts returns the counters, without looking at any task.
func (s *Store) TaskCounts(ctx context.Context) (*TaskCounts, error) {
	c := &TaskCounts{
		ByState:      map[core.TaskState]int64{},
		ByOwner:      map[core.UserID]map[core.TaskState]int64{},
		ByDownloader: map[core.DownloaderID]map[core.TaskState]int64{},
	}
	err := s.counters(ctx, countState, func(name string, n int64) { c.ByState[core.TaskState(name)] = n })
	if err != nil {
		return nil, err
	}
	if err := s.counters(ctx, countOwner, nested(c.ByOwner)); err != nil {
		return nil, err
	}
	if err := s.counters(ctx, countDownloader, nested(c.ByDownloader)); err != nil {
		return nil, err
	}
	return c, nil
}

// StorageInUse reports whether tasks that have not ended deliver to a storage,
// deleted ones too.
func (s *Store) StorageInUse(ctx context.Context, id core.StorageID) (bool, error) {
	if !validID(string(id)) {
		return false, nil
	}
	e, err := s.get(ctx, countStorage+string(id))
	if err != nil || e == nil {
		return false, err
	}
	n, err := strconv.ParseInt(string(e.Value), 10, 64)
	return n > 0 || err != nil, nil // a damaged counter must not cost a storage
}

// nested files counters named ID/STATE.
func nested[ID ~string](into map[ID]map[core.TaskState]int64) func(string, int64) {
	return func(name string, n int64) {
		id, state, _ := strings.Cut(name, "/")
		if into[ID(id)] == nil {
			into[ID(id)] = map[core.TaskState]int64{}
		}
		into[ID(id)][core.TaskState(state)] = n
	}
}

// counters calls fn with each counter that has a prefix.
func (s *Store) counters(ctx context.Context, prefix string, fn func(name string, n int64)) error {
	for w := s.walk(prefix, "", false, false, MaxRange); ; w.skip() {
		e, err := w.peek(ctx)
		if err != nil || e == nil {
			return err
		}
		n, err := strconv.ParseInt(string(e.Value), 10, 64)
		if err != nil {
			return errs.Wrap(err, errs.Internal, "The counter %q is damaged.", e.Key)
		}
		fn(w.id(e), n)
	}
}

// sum adds the counters of some states, or of all when there are none.
func (s *Store) sum(ctx context.Context, prefix string, states []core.TaskState) (int64, error) {
	total := int64(0)
	err := s.counters(ctx, prefix, func(name string, n int64) {
		if len(states) == 0 || slices.Contains(states, core.TaskState(name)) {
			total += n
		}
	})
	return total, err
}
