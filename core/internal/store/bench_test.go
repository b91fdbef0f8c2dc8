package store_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/store"
)

// BenchmarkCreateTask measures durable tasks per second, each in a call of its own.
func BenchmarkCreateTask(b *testing.B) {
	for _, callers := range []int{1, 16, 64} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			f := open(b)
			ctx := b.Context()
			var left atomic.Int64
			left.Store(int64(b.N))
			b.ResetTimer()
			var wg sync.WaitGroup
			for range callers {
				wg.Go(func() {
					for left.Add(-1) >= 0 {
						if err := f.CreateTasks(ctx, []store.NewTask{{Task: newTask(alice, core.StateQueued)}}); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "tasks/s")
			b.ReportMetric(float64(f.kv.Revision())/b.Elapsed().Seconds(), "commits/s")
		})
	}
}

// BenchmarkTransition measures a task that moves on, read and written.
func BenchmarkTransition(b *testing.B) {
	f := open(b)
	ids := f.create(b, newTask(alice, core.StateQueued))
	states := []core.TaskState{core.StateStarting, core.StateDownloading}
	i := 0
	for b.Loop() {
		i++
		f.update(b, func(tx *store.Tx) error {
			t, err := tx.Task(ids[0])
			if err != nil {
				return err
			}
			t.State = states[i%2]
			return tx.PutTask(t)
		})
	}
}

// BenchmarkPage measures a page of 50 out of 50,000 tasks.
func BenchmarkPage(b *testing.B) {
	f := open(b)
	for range 50 {
		tasks := make([]core.Task, 1000)
		for i := range tasks {
			tasks[i] = newTask(alice, core.TaskStates[i%len(core.TaskStates)])
		}
		f.create(b, tasks...)
	}
	for name, filter := range map[string]store.TaskFilter{
		"all": {}, "owner": {Owner: alice}, "state": {States: []core.TaskState{core.StateQueued}}, "states": {States: core.TaskStates[:8]},
	} {
		b.Run(name, func(b *testing.B) {
			filter.Limit = 50
			for b.Loop() {
				if tasks, _, err := f.Tasks(b.Context(), filter); err != nil || len(tasks) != 50 {
					b.Fatal(len(tasks), err)
				}
			}
		})
	}
}
