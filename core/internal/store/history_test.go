package store_test

import (
	"testing"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/store"
	"github.com/haul-dl/haul/sdk/errs"
)

func TestAHistoryKeepsItsNewestEntriesUntilItsTaskIsGone(t *testing.T) {
	f := open(t)
	task, other := newTask(alice, core.StateQueued), newTask(alice, core.StateQueued)
	f.create(t, task, other)
	const entries = core.MaxHistory + 30
	for i := range entries {
		f.update(t, func(tx *store.Tx) error {
			stored, err := tx.Task(task.ID)
			if err != nil {
				return err
			}
			if err := tx.AppendHistory(stored, core.HistoryEvent{At: then, Kind: core.HistoryEventOf, Code: "c", Message: string(rune('a' + i%26))}); err != nil {
				return err
			}
			return tx.PutTask(stored)
		})
	}
	f.update(t, func(tx *store.Tx) error { return tx.AppendHistory(&other, core.HistoryEvent{Message: "another's"}) })
	got, err := f.History(t.Context(), task.ID)
	if err != nil || len(got) != core.MaxHistory {
		t.Fatalf("%d entries, %v", len(got), err)
	}
	for i, ev := range got {
		if want := entries - core.MaxHistory + i + 1; ev.Seq != want || ev.Message != string(rune('a'+(want-1)%26)) || !ev.At.Equal(then) {
			t.Fatalf("entry %d is %+v", i, ev)
		}
	}
	f.update(t, func(tx *store.Tx) error { return tx.DeleteTask(task.ID) })
	if left := f.dump(t, "task.history/"); len(left) != 1 {
		t.Errorf("%d entries stay, one is another's", len(left))
	}
	for _, id := range []core.TaskID{"", "a/b", task.ID} {
		if got, err := f.History(t.Context(), id); err != nil || len(got) != 0 {
			t.Errorf("of %q: %v, %v", id, got, err)
		}
	}
	f.update(t, func(tx *store.Tx) error {
		wantCode(t, tx.AppendHistory(&core.Task{ID: "a/b"}, core.HistoryEvent{}), errs.Internal)
		return nil
	})
}

func TestNoTwoJobsAtADownloaderLoadTheSameTorrent(t *testing.T) {
	f := open(t)
	job := func(id core.JobID, d core.DownloaderID, hash string) *core.Job {
		return &core.Job{ID: id, Node: "n", Downloader: d, InfoHash: hash}
	}
	f.update(t, func(tx *store.Tx) error { return tx.PutJob(job("a", "d", "ab")) })
	put := func(j *core.Job) error {
		return f.Update(t.Context(), func(tx *store.Tx) error { return tx.PutJob(j) })
	}
	wantCode(t, put(job("b", "d", "ab")), errs.NameTaken)
	for _, other := range []*core.Job{job("c", "e", "ab"), job("d", "d", "cd"), job("e", "d", ""), job("f", "d", "")} {
		if err := put(other); err != nil {
			t.Errorf("job %s: %v", other.ID, err)
		}
	}
	f.update(t, func(tx *store.Tx) error {
		if got, err := tx.JobByHash("n", "d", "ab"); err != nil || got.ID != "a" {
			t.Errorf("by hash: %+v, %v", got, err)
		}
		_, err := tx.JobByHash("n", "d", "ef")
		wantCode(t, err, errs.NotFound)
		return tx.DeleteJob("a")
	})
	if err := put(job("b", "d", "ab")); err != nil {
		t.Errorf("after its end: %v", err)
	}
}

func TestAStorageIsInUseUntilItsLastTaskHasEnded(t *testing.T) {
	f := open(t)
	task := newTask(alice, core.StateQueued)
	task.Destination.Storage = "s"
	f.create(t, task)
	for _, step := range []struct {
		change func(*core.Task)
		used   bool
	}{
		{func(*core.Task) {}, true},
		{func(t *core.Task) { t.State = core.StateHeld }, true},
		{func(t *core.Task) { t.DeletedAt = &then }, true},
		{func(t *core.Task) { t.State = core.StateCanceled }, false},
		{func(t *core.Task) { t.State = core.StateQueued }, true},
		{func(t *core.Task) { t.Destination.Storage = "other" }, false},
	} {
		step.change(&task)
		f.update(t, func(tx *store.Tx) error { return tx.PutTask(&task) })
		if used, err := f.StorageInUse(t.Context(), "s"); err != nil || used != step.used {
			t.Errorf("%s for %s: %v, %v", task.State, task.Destination.Storage, used, err)
		}
	}
}
