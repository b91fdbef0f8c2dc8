package store_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/store"
	"github.com/haul-dl/haul/sdk/errs"
)

func TestConcurrentUpdatesOfOneRecordAllCount(t *testing.T) {
	f := open(t)
	const workers, each = 16, 25
	f.update(t, func(tx *store.Tx) error { return tx.PutJob(&core.Job{ID: "j"}) })
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for range each {
				err := f.Update(t.Context(), func(tx *store.Tx) error {
					j, err := tx.Job("j")
					if err != nil {
						return err
					}
					j.Revision++
					return tx.PutJob(j)
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if j, err := f.Job(t.Context(), "j"); err != nil || j.Revision != workers*each {
		t.Errorf("got %+v, %v", j, err)
	}
}

func TestASlowUpdateIsNotStarvedByQuickOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := open(t)
		f.update(t, func(tx *store.Tx) error { return tx.PutJob(&core.Job{ID: "j"}) })
		count := func(tx *store.Tx) error {
			j, err := tx.Job("j")
			if err != nil {
				return err
			}
			j.Revision++
			return tx.PutJob(j)
		}
		var quick sync.WaitGroup
		runs := 0
		f.update(t, func(tx *store.Tx) error {
			runs++
			if err := count(tx); err != nil {
				return err
			}
			// Somebody quicker changes the same before this one is done.
			done := make(chan struct{})
			quick.Go(func() {
				defer close(done)
				if err := f.Update(t.Context(), count); err != nil {
					t.Error(err)
				}
			})
			select {
			case <-done:
			case <-time.After(time.Minute): // the quick one has to wait, at last
			}
			return nil
		})
		quick.Wait()
		if j, err := f.Job(t.Context(), "j"); err != nil || int(j.Revision) != runs+1 {
			t.Errorf("after %d runs: got %+v, %v", runs, j, err)
		}
	})
}

func TestOfTwoWhoMakeWhatIsMissingOneFindsItMade(t *testing.T) {
	f := open(t)
	var wg sync.WaitGroup
	var mu sync.Mutex // guards ids
	ids := map[core.NodeID]bool{}
	for range 8 {
		wg.Go(func() {
			var id core.NodeID
			err := f.Update(t.Context(), func(tx *store.Tx) error {
				n, err := tx.NodeByName("local")
				if errs.Is(err, errs.NotFound) {
					n = &core.Node{ID: core.NewID[core.NodeID](), Name: "local"}
					err = tx.PutNode(n)
				}
				if err == nil {
					id = n.ID
				}
				return err
			})
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			ids[id] = true
			mu.Unlock()
		})
	}
	wg.Wait()
	if nodes, _, err := f.Nodes(t.Context(), 0, ""); err != nil || len(nodes) != 1 || len(ids) != 1 {
		t.Errorf("%d nodes, %v, %v", len(nodes), ids, err)
	}
}

func TestAnUpdateThatAlwaysLosesEndsAsAConflict(t *testing.T) {
	f := open(t)
	f.update(t, func(tx *store.Tx) error { return tx.PutJob(&core.Job{ID: "j"}) })
	elsewhere := f.elsewhere(t)
	tries := 0
	err := f.Update(t.Context(), func(tx *store.Tx) error {
		tries++
		j, err := tx.Job("j")
		if err != nil {
			return err
		}
		elsewhere.update(t, func(other *store.Tx) error { return other.PutJob(&core.Job{ID: "j", Revision: int64(tries)}) })
		j.Wish = core.JobRemove
		return tx.PutJob(j)
	})
	wantCode(t, err, errs.Conflict)
	if tries < 5 || tries > 50 {
		t.Errorf("%d tries", tries)
	}
	if j, err := f.Job(t.Context(), "j"); err != nil || j.Wish != "" {
		t.Errorf("got %+v, %v", j, err)
	}
}

// The job goes away between the two reads of the first try: the error that
// this makes is not the answer.
func TestAnErrorOutOfAViewThatNeverWasIsTriedAgain(t *testing.T) {
	f := open(t)
	task := newTask(alice, core.StateStarting)
	task.Job = "j"
	f.create(t, task)
	f.update(t, func(tx *store.Tx) error { return tx.PutJob(&core.Job{ID: "j"}) })
	elsewhere := f.elsewhere(t)
	tries := 0
	f.update(t, func(tx *store.Tx) error {
		tries++
		seen, err := tx.Task(task.ID)
		if err != nil || seen.Job == "" {
			return err
		}
		elsewhere.update(t, func(other *store.Tx) error {
			ended := task
			ended.Job, ended.State = "", core.StateFailed
			return errors.Join(other.PutTask(&ended), other.DeleteJob("j"))
		})
		_, err = tx.Job(seen.Job)
		return err
	})
	if tries != 2 {
		t.Errorf("%d tries", tries)
	}
}

func TestAnUpdateThatFailsChangesNothing(t *testing.T) {
	f := open(t)
	before := f.dump(t, "")
	stop := errors.New("stop")
	task := newTask(alice, core.StateQueued)
	err := f.Update(t.Context(), func(tx *store.Tx) error {
		return errors.Join(tx.PutTask(&task), tx.PutUser(&core.User{ID: alice, Name: "alice"}), stop)
	})
	if !errors.Is(err, stop) {
		t.Errorf("got %v", err)
	}
	if after := f.dump(t, ""); len(after) != len(before) {
		t.Errorf("left behind: %q", after)
	}
}

func TestAnUpdateSeesItsOwnWrites(t *testing.T) {
	f := open(t)
	task := newTask(alice, core.StateQueued)
	f.update(t, func(tx *store.Tx) error {
		if err := tx.PutTask(&task); err != nil {
			return err
		}
		read, err := tx.Task(task.ID)
		if err != nil || read.Name != task.Name {
			t.Errorf("after a put: %+v, %v", read, err)
		}
		read.Name = "changed, and not stored"
		if again, err := tx.Task(task.ID); err != nil || again.Name != task.Name {
			t.Errorf("what was read is shared: %+v, %v", again, err)
		}
		task.State = core.StateStarting
		if err := tx.PutTask(&task); err != nil {
			return err
		}
		if err := tx.DeleteTask(task.ID); err != nil {
			return err
		}
		_, err = tx.Task(task.ID)
		wantCode(t, err, errs.NotFound)
		wantCode(t, tx.DeleteTask(task.ID), errs.NotFound)
		return nil
	})
	if left := f.dump(t, "task"); len(left) != 0 {
		t.Errorf("left behind: %q", left)
	}
}

func TestAWriteThatChangesNothingIsNotMade(t *testing.T) {
	f := open(t)
	task := newTask(alice, core.StateQueued)
	d := core.Downloader{ID: "d", Name: "d", Settings: []byte(`{"secret":"hunter2"}`)}
	same := func(tx *store.Tx) error { return errors.Join(tx.PutTask(&task), tx.PutDownloader(&d)) }
	f.update(t, same)
	revision := f.kv.Revision()
	f.update(t, same)
	f.update(t, func(*store.Tx) error { return nil })
	if f.kv.Revision() != revision {
		t.Error("it was written again")
	}
	d.Settings = []byte(`{"secret":"hunter3"}`)
	f.update(t, same)
	if f.kv.Revision() == revision {
		t.Error("another secret was not stored")
	}
}

func TestANameBelongsToOne(t *testing.T) {
	f := open(t)
	user := func(id core.UserID, name string) func(*store.Tx) error {
		return func(tx *store.Tx) error { return tx.PutUser(&core.User{ID: id, Name: name}) }
	}
	f.update(t, user(alice, "alice"))
	err := f.Update(t.Context(), user(bob, "alice"))
	wantCode(t, err, errs.NameTaken)
	f.update(t, user(alice, "alice2"))
	f.update(t, user(bob, "alice"))
	for name, id := range map[string]core.UserID{"alice": bob, "alice2": alice} {
		if u, err := f.UserByName(t.Context(), name); err != nil || u.ID != id {
			t.Errorf("%s is %+v, %v", name, u, err)
		}
	}
	f.update(t, func(tx *store.Tx) error { return tx.DeleteUser(bob) })
	_, err = f.UserByName(t.Context(), "alice")
	wantCode(t, err, errs.NotFound)
	f.update(t, user(alice, "alice"))
	if got := f.dump(t, "user.name/"); len(got) != 1 {
		t.Errorf("names: %q", got)
	}
	f.update(t, func(tx *store.Tx) error { // two at once, in one transaction
		if err := tx.PutUser(&core.User{ID: alice, Name: "x"}); err != nil {
			return err
		}
		return tx.PutUser(&core.User{ID: bob, Name: "alice"})
	})
	if u, err := f.UserByName(t.Context(), "alice"); err != nil || u.ID != bob {
		t.Errorf("got %+v, %v", u, err)
	}
}

func TestOfManyWhoWantANameOneGetsIt(t *testing.T) {
	f := open(t)
	var wg sync.WaitGroup
	results := make([]error, 12)
	for i := range results {
		wg.Go(func() {
			results[i] = f.Update(context.WithoutCancel(t.Context()), func(tx *store.Tx) error {
				return tx.PutDownloader(&core.Downloader{ID: core.DownloaderID(fmt.Sprint("d", i)), Name: "aria2"})
			})
		})
	}
	wg.Wait()
	won := 0
	for _, err := range results {
		if err == nil {
			won++
		} else {
			wantCode(t, err, errs.NameTaken)
		}
	}
	if won != 1 {
		t.Errorf("%d have the name", won)
	}
}
