package store

import (
	"context"
	"iter"
	"runtime"
	"sync"

	"github.com/haul-dl/haul/core"
)

// TasksIn goes over all tasks of a state that are not deleted, oldest first. An
// error ends it; damaged records are logged and left out. It reads a great
// number of them as fast as the machine can.
func (s *Store) TasksIn(ctx context.Context, state core.TaskState) iter.Seq2[*core.Task, error] {
	return func(yield func(*core.Task, error) bool) {
		filter := TaskFilter{States: []core.TaskState{state}}
		for r := (RangeRequest{Prefix: taskStateIndex + string(state) + "/", KeysOnly: true}); ; {
			res, err := s.scan(ctx, r)
			if err != nil {
				yield(nil, err)
				return
			}
			tasks, err := s.fetchAll(ctx, res.Entries)
			if err != nil {
				yield(nil, err)
				return
			}
			for _, t := range tasks {
				if t != nil && filter.matches(t) && !yield(t, nil) {
					return
				}
			}
			if !res.More {
				return
			}
			r.After = res.Entries[len(res.Entries)-1].Key
		}
	}
}

// fetchAll returns the tasks of index entries, nil for those to pass over: most
// of the time goes into decoding, so all cores take part.
func (s *Store) fetchAll(ctx context.Context, entries []Entry) ([]*core.Task, error) {
	out := make([]*core.Task, len(entries))
	workers := min(runtime.GOMAXPROCS(0), len(entries))
	failures := make([]error, workers)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := w; i < len(entries) && failures[w] == nil; i += workers {
				out[i], failures[w] = fetch(ctx, s, &s.kinds.task, &entries[i], true)
			}
		})
	}
	wg.Wait()
	for _, err := range failures {
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}
