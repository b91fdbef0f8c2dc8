package worker

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/delivery"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
	"github.com/haul-dl/haul/sdk/plugintest/scripted"
)

// bubble runs a node with an orderly driver, by a clock that does not wait.
func bubble(t *testing.T, fn func(t *testing.T, w *world, o *orderly, r *running), options ...func() delivery.Option) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w, o := orderlyWorld(t)
		var made []delivery.Option
		for _, option := range options {
			made = append(made, option())
		}
		r := w.start(made...)
		fn(t, w, o, r)
		r.stop()
	})
}

// forOne is a job of all files for one user.
func forOne(owner core.UserID, change func(*core.Delivery)) (core.DesiredJob, core.TaskID) {
	job := magnetJob()
	job.Deliveries, job.Revision = nil, 0
	return joined(job, owner, change)
}

func joined(job core.DesiredJob, owner core.UserID, change func(*core.Delivery)) (core.DesiredJob, core.TaskID) {
	d := core.Delivery{Task: core.NewID[core.TaskID](), Storage: storageID, Path: string(owner), Owner: owner}
	if change != nil {
		change(&d)
	}
	job.Join(d)
	return job, d.Task
}

// block lets no file b be delivered to a folder.
func (w *world) block(folder string) {
	w.t.Helper()
	if err := os.MkdirAll(filepath.Join(w.root, folder, "b", "somebody's"), 0o755); err != nil {
		w.t.Fatal(err)
	}
}

func overwrites(d *core.Delivery) { d.OnConflict = core.ConflictOverwrite }

func (r *running) part(job core.JobID, task core.TaskID) core.ObservedDelivery {
	r.t.Helper()
	o := r.job(job)
	d := o.Delivery(task)
	if d == nil {
		r.t.Fatalf("nothing is told of the task: %+v", o)
	}
	return *d
}

func TestWhatIsDeliveredStaysWhenTheRestIsGivenUp(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, _ *orderly, r *running) {
		w.block("ann")
		job, ann := forOne("ann", overwrites)
		job.Hold = 3 * time.Hour
		r.send(w.full(job))
		rest(2 * time.Second)
		w.finishABC(job.ID)
		rest(4 * time.Hour)
		o := r.job(job.ID)
		if o.Phase != core.JobFailed || len(r.part(job.ID, ann).Files) != 2 {
			t.Fatalf("%s %+v", o.Phase, o.Deliveries)
		}
		for _, name := range []string{"a", "c"} {
			if b, err := os.ReadFile(filepath.Join(w.root, "ann", name)); err != nil || string(b) != string(abc[name]) {
				t.Errorf("%s was taken away again: %q, %v", name, b, err)
			}
		}
		w.assertNoDirs()
	})
}

func TestWhoComesToHeldDataWaitsUntilItIsBack(t *testing.T) {
	var reached <-chan struct{}
	var release func()
	bubble(t, func(t *testing.T, w *world, _ *orderly, r *running) {
		w.block("ann")
		job, ann := forOne("ann", overwrites)
		r.send(w.full(job))
		rest(2 * time.Second)
		w.finishABC(job.ID)
		rest(2 * time.Hour) // ann's next try is minutes away
		if d := r.part(job.ID, ann); d.Phase != core.JobHeld || len(d.Files) != 2 {
			t.Fatalf("%+v", d)
		}
		job, bob := joined(job, "bob", nil)
		began := time.Now()
		r.order(w, job)
		<-reached // the first of ann's two files is back
		if took := time.Since(began); took > time.Second {
			t.Errorf("bob waited %s for ann's next try", took)
		}
		rest(2 * time.Second)
		if d := r.part(job.ID, bob); d.Phase != core.JobDownloaded || d.Failure != nil {
			t.Errorf("meanwhile: %+v", d)
		}
		release()
		rest(2 * time.Second)
		if d := r.part(job.ID, bob); d.Phase != core.JobDelivered {
			t.Errorf("then: %+v", d)
		}
		w.assertIn("bob", "a", "b", "c")
	}, func() (at delivery.Option) {
		at, reached, release = holdAt("retracted")
		return at
	})
}

func TestATaskThatLeavesWhileItIsDeliveredIsToldHowThatEnds(t *testing.T) {
	w, _ := orderlyWorld(t)
	at, reached, release := holdAt("renamed")
	defer release()
	r := w.start(at)
	job, ann := forOne("ann", func(d *core.Delivery) { d.Selection = core.Selection{Indexes: []int{0}} })
	job, _ = joined(job, "bob", func(d *core.Delivery) { d.Paused = true })
	r.send(w.full(job))
	r.waitAdded(job.ID)
	w.finishABC(job.ID)
	<-reached
	job.Leave(ann)
	r.order(w, job)
	r.waitFor("the order", func() bool { return r.jobs[job.ID].Revision == job.Revision })
	if d := r.part(job.ID, ann); d.Done {
		t.Fatalf("%+v", d)
	}
	release()
	r.waitFor("the end", func() bool { o := r.jobs[job.ID]; d := o.Delivery(ann); return d == nil || d.Done })
	if d := r.part(job.ID, ann); !d.Done || len(d.Files) != 1 {
		t.Errorf("%+v", d)
	}
}

func TestATaskMayComeBackToAJobThatHasServedIt(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, _ *orderly, r *running) {
		job := seedingJob()
		job, bob := joined(job, "bob", nil)
		r.send(w.full(job))
		rest(2 * time.Second)
		w.seed(job.ID)
		rest(2 * time.Second)
		if d := r.part(job.ID, bob); !d.Done {
			t.Fatalf("%+v", d)
		}
		job.Leave(bob)
		r.order(w, job)
		if err := os.RemoveAll(filepath.Join(w.root, "bob")); err != nil {
			t.Fatal(err)
		}
		job.Join(core.Delivery{Task: bob, Storage: storageID, Path: "bob", Owner: "bob", Attempt: 2})
		r.order(w, job)
		rest(2 * time.Second)
		if d := r.part(job.ID, bob); !d.Done || len(d.Log) != 1 || d.Storage != storageID || d.Path != "bob" {
			t.Errorf("%+v", d)
		}
		w.assertIn("bob", "a", "b", "c")
	})
}

func TestARecheckOfOneIsNotToldToOthers(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, o *orderly, r *running) {
		job := sharedJob()
		r.send(w.full(job))
		rest(2 * time.Second)
		job.Recheck()
		r.order(w, job)
		rest(2 * time.Second)
		if !o.lastAdd().Verify {
			t.Fatal("it is not verified")
		}
		for _, d := range r.job(job.ID).Deliveries {
			for _, e := range d.Log {
				t.Errorf("%s is told: %s", d.Task, e.Message)
			}
		}
	})
}

func TestWhatNobodyTakesIsSharedNoLongerThanItsIdleTime(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, _ *orderly, r *running) {
		job, ann := forOne("ann", func(d *core.Delivery) { d.Limits.Seed = &downloader.SeedLimits{Idle: time.Hour} })
		r.send(w.full(job))
		rest(2 * time.Second)
		w.seed(job.ID)
		rest(50 * time.Minute)
		if d := r.part(job.ID, ann); d.Phase != core.JobSeeding {
			t.Fatalf("before: %+v", d)
		}
		rest(15 * time.Minute)
		if o := r.job(job.ID); o.Phase != core.JobDone {
			t.Errorf("after: %s", o.Phase)
		}
	})
}

func TestWhoseFilesAreThereGetsThemWhenTheRestFails(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, _ *orderly, r *running) {
		job, ann := forOne("ann", func(d *core.Delivery) { d.Selection = core.Selection{Indexes: []int{0}} })
		job, bob := joined(job, "bob", nil)
		r.send(w.full(job))
		rest(2 * time.Second)
		w.finishABC(job.ID)
		w.plugin.Set(string(job.ID), func(s *downloader.Status) {
			s.Phase, s.Err = downloader.PhaseFailed, errs.New(errs.DownloaderError, "The rest cannot be had.")
			s.Files = []downloader.File{{Path: "a", Size: 1, DoneBytes: 1}, {Index: 1, Path: "b", Size: 2}, {Index: 2, Path: "c", Size: 3}}
		})
		rest(5 * time.Second)
		if d := r.part(job.ID, bob); d.Phase != core.JobFailed || d.Failure == nil || d.Failure.Code != errs.DownloaderError {
			t.Errorf("who lacks something: %+v", d)
		}
		if d := r.part(job.ID, ann); !d.Done {
			t.Errorf("who lacks nothing: %+v", d)
		}
		w.assertIn("ann", "a")
	})
}

func TestATaskThatWaitsForAnotherOfItsOwnerSaysSo(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, _ *orderly, r *running) {
		w.block("ann")
		job, _ := forOne("ann", overwrites)
		r.send(w.full(job))
		rest(2 * time.Second)
		job, second := joined(job, "ann", nil)
		r.order(w, job)
		w.finishABC(job.ID)
		rest(5 * time.Second)
		d := r.part(job.ID, second)
		if d.Waiting == nil || d.Waiting.Code != core.WaitingForCopy || !strings.Contains(d.Waiting.Message, "same folder") {
			t.Errorf("%s, waits for %+v", d.Phase, d.Waiting)
		}
	})
}

func TestWhatIsMovedAwayIsNotSaidToBeShared(t *testing.T) {
	var reached <-chan struct{}
	var release func()
	bubble(t, func(t *testing.T, w *world, _ *orderly, r *running) {
		job, ann := forOne("ann", nil)
		r.send(w.full(job))
		rest(2 * time.Second)
		w.seed(job.ID)
		<-reached
		job.Change(ann, func(d *core.Delivery) { d.Limits.Seed = &downloader.SeedLimits{} })
		r.order(w, job)
		release()
		rest(5 * time.Second)
		o := r.job(job.ID)
		there := 0 // files
		if entries, err := os.ReadDir(filepath.Join(w.dir, "jobs", string(job.ID), "data")); err == nil {
			there = len(entries)
		}
		if d := o.Delivery(ann); d.Phase == core.JobSeeding && there == 0 {
			t.Errorf("it seeds what is not there: %+v", d)
		}
		w.assertIn("ann", "a", "b", "c")
	}, func() (at delivery.Option) {
		at, reached, release = holdAt("renamed")
		return at
	})
}

func TestHeldDataThatIsPausedIsKeptAndGoesOnWhenItIsResumed(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, _ *orderly, r *running) {
		job, ann := forOne("ann", nil)
		job.Hold = 3 * time.Hour
		orders := w.full(job)
		orders.Storages = nil // so that nothing can be planned
		r.send(orders)
		rest(2 * time.Second)
		w.finishABC(job.ID)
		rest(2 * time.Second)
		job.Pause(ann)
		orders.Jobs = []core.DesiredJob{job}
		r.send(orders)
		rest(10 * time.Hour)
		if d := r.part(job.ID, ann); d.Phase != core.JobPaused || d.HeldUntil != nil {
			t.Fatalf("paused: %+v", d)
		}
		job.Resume(ann)
		orders.Jobs = []core.DesiredJob{job}
		r.send(orders)
		rest(time.Minute)
		if d := r.part(job.ID, ann); d.Phase != core.JobHeld || d.HeldUntil == nil || time.Until(*d.HeldUntil) < 2*time.Hour {
			t.Fatalf("resumed: %+v", d)
		}
		r.order(w, job)
		r.send(w.full(job))
		rest(15 * time.Minute)
		w.assertIn("ann", "a", "b", "c")
	})
}

func TestWhoJoinsAJobThatWasStoppedByHandIsNotStopped(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, o *orderly, r *running) {
		job, _ := forOne("ann", nil)
		r.send(w.full(job))
		rest(2 * time.Second)
		w.plugin.Set(string(job.ID), func(s *downloader.Status) { s.Phase = downloader.PhasePaused })
		rest(20 * time.Second)
		if n := len(o.list()); n > 0 {
			t.Fatalf("who stopped it is not respected: %v", o.list())
		}
		job, bob := joined(job, "bob", nil)
		r.order(w, job)
		rest(10 * time.Second)
		if d := r.part(job.ID, bob); d.Phase != core.JobDownloading || d.Waiting != nil && d.Waiting.Code == core.WaitingForResume {
			t.Errorf("%+v after %v", d, o.list())
		}
	})
}

func TestWhatIsAddedOnlyToBeRemovedDoesNotLoad(t *testing.T) {
	bubble(t, func(t *testing.T, w *world, o *orderly, r *running) {
		w.capabilities = []downloader.Capability{downloader.CapabilityPause}
		r.stop()
		release := w.plugin.Block(scripted.OpAdd)
		r = w.start()
		job, _ := forOne("ann", nil)
		r.send(w.full(job))
		rest(2 * time.Second)
		w.kv.fail(errDead) // the answer to the Add is lost
		release()
		rest(2 * time.Second)
		r.stop()
		w.kv.fail(nil)
		w.starting = true
		r = w.start()
		r.send(w.full())
		rest(time.Second)
		r.host.set(string(downloaderID), pluginRuns) // now that it is known that nobody wants the job
		rest(5 * time.Second)
		if add := o.lastAdd(); len(o.adds) != 2 || !add.Paused || len(w.plugin.Jobs()) > 0 {
			t.Errorf("%d adds, the last paused: %t; at the daemon: %v", len(o.adds), add.Paused, w.plugin.Jobs())
		}
		r.stop()
	})
}
