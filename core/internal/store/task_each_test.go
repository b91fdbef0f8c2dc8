package store_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/sdk/errs"
)

func TestAllTasksOfAStateAreReadInOrder(t *testing.T) {
	f := open(t)
	var want []core.TaskID
	now := time.Now()
	for range 3 {
		batch := make([]core.Task, 500)
		for i := range batch {
			batch[i] = newTask(alice, core.TaskStates[i%2])
			if i%7 == 0 {
				batch[i].DeletedAt = &now
			} else if i%2 == 0 {
				want = append(want, batch[i].ID)
			}
		}
		f.create(t, batch...)
	}
	f.spoil(t, "task/"+string(want[5]), "broken")
	want = slices.Delete(want, 5, 6)
	read := func(ctx context.Context) (got []core.TaskID, err error) {
		for task, err := range f.TasksIn(ctx, core.TaskStates[0]) {
			if err != nil {
				return got, err
			}
			got = append(got, task.ID)
		}
		return got, nil
	}
	if got, err := read(t.Context()); err != nil || !slices.Equal(got, want) {
		t.Errorf("%d of %d tasks, %v", len(got), len(want), err)
	}
	for range f.TasksIn(t.Context(), core.TaskStates[0]) {
		break
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := read(ended)
	wantCode(t, err, errs.Canceled)
}
