package worker

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/delivery"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

// sharedJob is a magnet link of three files that two users want: ann the first
// two, bob the last two.
func sharedJob() core.DesiredJob {
	job := magnetJob()
	job.Deliveries = nil
	job.Revision = 0
	job.Join(core.Delivery{
		Task: core.NewID[core.TaskID](), Storage: storageID, Path: "ann", Owner: "ann",
		Selection: core.Selection{Indexes: []int{0, 1}},
	})
	job.Join(core.Delivery{
		Task: core.NewID[core.TaskID](), Storage: storageID, Path: "bob", Owner: "bob",
		Selection: core.Selection{Patterns: []string{"b", "c"}},
	})
	return job
}

var abc = map[string][]byte{"a": []byte("A"), "b": []byte("BB"), "c": []byte("CCC")}

// finishAll completes all three files at the daemon.
func (w *world) finishABC(id core.JobID) {
	w.t.Helper()
	if err := w.plugin.Finish(string(id), abc); err != nil {
		w.t.Fatal(err)
	}
}

// assertIn checks what a folder of the storage holds, and nothing else.
func (w *world) assertIn(folder string, want ...string) {
	w.t.Helper()
	entries, err := os.ReadDir(filepath.Join(w.root, folder))
	if err != nil && len(want) > 0 {
		w.t.Error(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
		b, err := os.ReadFile(filepath.Join(w.root, folder, e.Name()))
		if err != nil || string(b) != string(abc[e.Name()]) {
			w.t.Errorf("%s/%s holds %q, %v", folder, e.Name(), b, err)
		}
	}
	if !slices.Equal(got, want) {
		w.t.Errorf("%s has %v, want %v", folder, got, want)
	}
}

// order sends a job as it was changed.
func (r *running) order(w *world, d core.DesiredJob) {
	r.t.Helper()
	o := w.full(d)
	o.Full = false
	r.send(o)
}

// waitDelivery waits until a task's part of a job is in a phase.
func (r *running) waitDelivery(job core.JobID, task core.TaskID, p core.JobPhase) core.ObservedDelivery {
	r.t.Helper()
	var found core.ObservedDelivery
	r.waitFor("the delivery to be "+p.String(), func() bool {
		o := r.jobs[job]
		d := o.Delivery(task)
		if d == nil || d.Phase != p {
			return false
		}
		found = *d
		return true
	})
	return found
}

func TestTwoUsersOfAJobGetWhatEachHasSelected(t *testing.T) {
	t.Parallel()
	w, o := orderlyWorld(t)
	r := w.start()
	job := sharedJob()
	ann, bob := job.Deliveries[0].Task, job.Deliveries[1].Task
	r.send(w.full(job))
	r.waitAdded(job.ID)
	w.plugin.Set(string(job.ID), func(s *downloader.Status) {
		s.Phase, s.TotalBytes, s.DoneBytes = downloader.PhaseDownloading, 6, 4
		s.Files = []downloader.File{{Index: 0, Path: "a", Size: 1, DoneBytes: 1}, {Index: 1, Path: "b", Size: 2}, {Index: 2, Path: "c", Size: 3, DoneBytes: 3}}
	})
	r.waitFor("the shares", func() bool {
		j := r.jobs[job.ID]
		a, b := j.Delivery(ann), j.Delivery(bob)
		return a != nil && b != nil && a.TotalBytes == 3 && b.TotalBytes == 5 && a.DoneBytes == 1 && b.DoneBytes == 3
	})
	w.finishABC(job.ID)
	r.waitPhase(job.ID, core.JobDone)
	w.assertIn("ann", "a", "b")
	w.assertIn("bob", "b", "c")
	if got := o.list(); !slices.Equal(got, []string{"select [0 1 2]"}) {
		t.Errorf("orders: %v", got)
	}
	for _, folder := range []string{"ann", "bob"} {
		info, err := os.Stat(filepath.Join(w.root, folder, "b"))
		if err != nil {
			t.Fatal(err)
		}
		if s, ok := info.Sys().(*syscall.Stat_t); !ok || s.Nlink != 1 {
			t.Errorf("what %s got has %d names: it tells of another user", folder, s.Nlink)
		}
	}
	w.assertNoDirs()
}

func TestWhoPausesASharedJobStopsNobodyElse(t *testing.T) {
	t.Parallel()
	w, _ := orderlyWorld(t)
	r := w.start()
	job := sharedJob()
	ann, bob := job.Deliveries[0].Task, job.Deliveries[1].Task
	r.send(w.full(job))
	r.waitAdded(job.ID)
	job.Pause(ann)
	r.order(w, job)
	if d := r.waitDelivery(job.ID, ann, core.JobPaused); d.Waiting != nil {
		t.Errorf("ann waits for %+v", d.Waiting)
	}
	w.finishABC(job.ID)
	r.waitDelivery(job.ID, bob, core.JobDelivered)
	w.assertIn("bob", "b", "c")
	w.assertIn("ann")
	if o := r.job(job.ID); o.Phase.Ended() {
		t.Fatalf("the job has ended: %+v", o)
	}
	job.Resume(ann)
	r.order(w, job)
	r.waitPhase(job.ID, core.JobDone)
	w.assertIn("ann", "a", "b")
}

func TestWhoLeavesASharedJobTakesTheirSelectionAlong(t *testing.T) {
	t.Parallel()
	w, o := orderlyWorld(t)
	r := w.start()
	job := sharedJob()
	ann := job.Deliveries[0].Task
	r.send(w.full(job))
	r.waitAdded(job.ID)
	w.plugin.Set(string(job.ID), func(s *downloader.Status) {
		s.Phase, s.TotalBytes = downloader.PhaseDownloading, 6
		s.Files = []downloader.File{{Index: 0, Path: "a", Size: 1}, {Index: 1, Path: "b", Size: 2}, {Index: 2, Path: "c", Size: 3}}
	})
	waitOrders(t, o, "select [0 1 2]")
	job.Leave(ann)
	r.order(w, job)
	waitOrders(t, o, "select [0 1 2]", "select [1 2]")
	r.waitFor("ann to be gone", func() bool {
		j := r.jobs[job.ID]
		return j.Revision == job.Revision && j.Delivery(ann) == nil
	})
	w.finishABC(job.ID)
	r.waitPhase(job.ID, core.JobDone)
	w.assertIn("ann")
	w.assertIn("bob", "b", "c")
}

func TestWhoComesWhenTheDataLeavesIsRefused(t *testing.T) {
	t.Parallel()
	w, _ := orderlyWorld(t)
	at, reached, release := holdAt("renamed")
	defer release()
	r := w.start(at)
	job := newJob()
	r.send(w.full(job))
	r.waitAdded(job.ID)
	w.finish(job.ID, "a.bin", "A")
	<-reached
	late := core.Delivery{Task: core.NewID[core.TaskID](), Storage: storageID, Path: "late", Owner: "late"}
	job.Join(late)
	r.order(w, job)
	r.waitFor("the refusal", func() bool {
		j := r.jobs[job.ID]
		d := j.Delivery(late.Task)
		return d != nil && d.Refused && d.Phase == core.JobAdding
	})
	release()
	o := r.waitPhase(job.ID, core.JobDone)
	if d := o.Delivery(late.Task); d == nil || !d.Refused || d.Done {
		t.Errorf("%+v", d)
	}
	w.assertFiles(map[string]string{"a.bin": "A"})
}

func TestAHeldDeliveryKeepsNobodyElseFromTheData(t *testing.T) {
	t.Parallel()
	w, o := orderlyWorld(t)
	r := w.start()
	if err := os.WriteFile(filepath.Join(w.root, "blocked"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	job := newJob()
	job.Deliveries[0].Path, job.Deliveries[0].Owner = "blocked/below", "ann"
	ann := job.Deliveries[0].Task
	r.send(w.full(job))
	r.waitAdded(job.ID)
	w.finishABC(job.ID)
	r.waitDelivery(job.ID, ann, core.JobHeld)
	bob := core.Delivery{Task: core.NewID[core.TaskID](), Storage: storageID, Path: "bob", Owner: "bob"}
	job.Join(bob)
	r.order(w, job)
	r.waitDelivery(job.ID, bob.Task, core.JobDelivered)
	w.assertIn("bob", "a", "b", "c")
	if err := os.Remove(filepath.Join(w.root, "blocked")); err != nil {
		t.Fatal(err)
	}
	job.RetryDelivery(ann, nil)
	r.order(w, job)
	r.waitPhase(job.ID, core.JobDone)
	w.assertIn("blocked/below", "a", "b", "c")
	if n := len(o.adds); n != 1 {
		t.Errorf("it was added %d times", n)
	}
}

func TestASelectionOfNothingFailsItsTaskAlone(t *testing.T) {
	t.Parallel()
	w, _ := orderlyWorld(t)
	r := w.start()
	job := sharedJob()
	job.Change(job.Deliveries[0].Task, func(d *core.Delivery) { d.Selection = core.Selection{Patterns: []string{"*.iso"}} })
	ann := job.Deliveries[0].Task
	r.send(w.full(job))
	r.waitAdded(job.ID)
	w.finishABC(job.ID)
	r.waitPhase(job.ID, core.JobDone)
	o := r.job(job.ID)
	if d := o.Delivery(ann); d.Phase != core.JobFailed || d.Failure == nil || d.Failure.Code != errs.NoFilesSelected {
		t.Errorf("%+v", d)
	}
	w.assertIn("bob", "b", "c")
}

// seedingJob is one that shall be shared until its ratio is 1.
func seedingJob() core.DesiredJob {
	job := magnetJob()
	job.Deliveries = nil
	job.Revision = 0
	job.Join(core.Delivery{
		Task: core.NewID[core.TaskID](), Storage: storageID, Path: "ann", Owner: "ann",
		Limits: downloader.Limits{Seed: &downloader.SeedLimits{Ratio: 1}},
	})
	return job
}

func (w *world) seed(id core.JobID) {
	w.t.Helper()
	w.finishABC(id)
	w.plugin.Set(string(id), func(s *downloader.Status) { s.Phase = downloader.PhaseSeeding })
}

func TestASeedingJobIsDeliveredFirstAndKeptUntilItsLimit(t *testing.T) {
	t.Parallel()
	w, o := orderlyWorld(t)
	r := w.start()
	job := seedingJob()
	ann := job.Deliveries[0].Task
	r.send(w.full(job))
	r.waitAdded(job.ID)
	if l := o.lastAdd().Limits.Seed; l == nil || l.Ratio != 1 {
		t.Errorf("added with %+v", l)
	}
	w.plugin.Set(string(job.ID), func(s *downloader.Status) { s.Phase = downloader.PhaseDownloading })
	w.seed(job.ID)
	r.waitDelivery(job.ID, ann, core.JobSeeding)
	w.assertIn("ann", "a", "b", "c")
	if _, err := os.Stat(filepath.Join(w.dir, "jobs", string(job.ID), "data", "a")); err != nil {
		t.Errorf("the seeded data is gone: %v", err)
	}
	r.stop()
	r = w.start()
	r.waitDelivery(job.ID, ann, core.JobSeeding)
	w.plugin.Set(string(job.ID), func(s *downloader.Status) { s.UploadedBytes = 6; s.Phase = downloader.PhaseComplete })
	done := r.waitPhase(job.ID, core.JobDone)
	if d := done.Delivery(ann); !d.Done || d.UploadedBytes != 6 {
		t.Errorf("%+v", d)
	}
	w.assertIn("ann", "a", "b", "c")
	w.assertNoDirs()
}

func TestASeedingJobServesWhoComesLaterWithoutLoadingAgain(t *testing.T) {
	t.Parallel()
	w, _ := orderlyWorld(t)
	r := w.start()
	job := seedingJob()
	ann := job.Deliveries[0].Task
	r.send(w.full(job))
	r.waitAdded(job.ID)
	w.seed(job.ID)
	r.waitDelivery(job.ID, ann, core.JobSeeding)
	bob := core.Delivery{Task: core.NewID[core.TaskID](), Storage: storageID, Path: "bob", Owner: "bob"}
	job.Join(bob)
	r.order(w, job)
	r.waitDelivery(job.ID, bob.Task, core.JobDelivered)
	w.assertIn("bob", "a", "b", "c")
	if d := r.job(job.ID); d.Delivery(ann).Phase != core.JobSeeding {
		t.Errorf("ann's is %s", d.Delivery(ann).Phase)
	}
	info, err := os.Stat(filepath.Join(w.root, "bob", "a"))
	if err != nil {
		t.Fatal(err)
	}
	if s, ok := info.Sys().(*syscall.Stat_t); !ok || s.Nlink != 1 {
		t.Errorf("bob's file has %d names", s.Nlink)
	}
	job.Leave(ann) // who was seeding stops it
	r.order(w, job)
	o := r.waitPhase(job.ID, core.JobDone)
	if !o.Delivery(ann).Done || !o.Delivery(bob.Task).Done {
		t.Errorf("%+v", o.Deliveries)
	}
	w.assertNoDirs()
}

func TestAJobThatIsLostWhileItSeedsIsAddedAgainWithItsData(t *testing.T) {
	t.Parallel()
	w, o := orderlyWorld(t)
	r := w.start()
	job := seedingJob()
	ann := job.Deliveries[0].Task
	r.send(w.full(job))
	r.waitAdded(job.ID)
	w.seed(job.ID)
	r.waitDelivery(job.ID, ann, core.JobSeeding)
	w.plugin.Forget(string(job.ID))
	r.waitFor("the second add", func() bool { at, _ := w.plugin.Job(string(job.ID)); return at.Adds == 2 })
	if !o.lastAdd().Verify {
		t.Error("the data that is there is not verified")
	}
	w.seed(job.ID)
	r.waitDelivery(job.ID, ann, core.JobSeeding)
	w.assertIn("ann", "a", "b", "c")
}

func TestARecheckAddsTheJobAgainWithItsData(t *testing.T) {
	t.Parallel()
	w, o := orderlyWorld(t)
	r := w.start()
	job := newJob()
	r.send(w.full(job))
	r.waitPhase(job.ID, core.JobDownloading)
	r.change(w, &job, func(d *core.DesiredJob) { d.Rechecks++ })
	r.waitFor("the second add", func() bool {
		o.mu.Lock()
		defer o.mu.Unlock()
		return len(o.adds) == 2
	})
	at, _ := w.plugin.Job(string(job.ID))
	if !o.lastAdd().Verify || at.DataDeleted {
		t.Errorf("added with %+v, data deleted %v", o.lastAdd(), at.DataDeleted)
	}
	w.finish(job.ID, "a.bin", "A")
	done := r.waitPhase(job.ID, core.JobDone)
	if log := done.Deliveries[0].Log; len(log) != 2 || log[0].Code != core.EventRecheck {
		t.Errorf("log %+v", log)
	}
	w.assertFiles(map[string]string{"a.bin": "A"})
}

func TestAHeldDeliveryGoesElsewhereWhenItIsToldTo(t *testing.T) {
	t.Parallel()
	w, _ := orderlyWorld(t)
	r := w.start()
	job := newJob()
	job.Deliveries[0].Path = "blocked/below"
	if err := os.WriteFile(filepath.Join(w.root, "blocked"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	r.send(w.full(job))
	r.waitAdded(job.ID)
	w.finish(job.ID, "a.bin", "A")
	held := r.waitDelivery(job.ID, job.Deliveries[0].Task, core.JobHeld)
	if held.Failure == nil || held.NextTry == nil || held.Waiting == nil {
		t.Errorf("%+v", held)
	}
	job.Change(job.Deliveries[0].Task, func(d *core.Delivery) { d.Path, d.Attempt = "home", d.Attempt+1 })
	r.order(w, job)
	r.waitPhase(job.ID, core.JobDone)
	w.assertFiles(map[string]string{"a.bin": "A"})
}

func TestHeldDataIsGivenUpWhenItsTimeIsOver(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world, r *running, _ *callTimes) {
		job := newJob()
		job.Hold = 3 * time.Hour
		orders := w.full(job)
		orders.Storages = nil // so there is nowhere to deliver to
		r.send(orders)
		time.Sleep(2 * time.Second)
		w.finish(job.ID, "a.bin", "A")
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		o := r.job(job.ID)
		if d := o.Deliveries[0]; d.Phase != core.JobHeld || d.HeldUntil == nil || time.Until(*d.HeldUntil) > time.Hour+time.Minute {
			t.Fatalf("%+v", d)
		}
		time.Sleep(time.Hour + 20*time.Minute)
		synctest.Wait()
		o = r.job(job.ID)
		if o.Phase != core.JobFailed || o.Failure == nil || o.Failure.Code != errs.HoldExpired {
			t.Errorf("%s %+v", o.Phase, o.Failure)
		}
		w.assertNoDirs()
	})
}

func TestTheFilesOfAJobAreShownAsSoonAsTheyAreKnown(t *testing.T) {
	t.Parallel()
	w, _ := orderlyWorld(t)
	r := w.start()
	job := magnetJob()
	r.send(w.full(job))
	r.waitAdded(job.ID)
	w.plugin.Set(string(job.ID), func(s *downloader.Status) {
		s.Phase, s.Files, s.TotalBytes = downloader.PhaseDownloading, threeFiles(), 3
	})
	r.waitFor("the files", func() bool { return r.jobs[job.ID].FileCount == 3 })
	files, err := r.session.JobFiles(context.Background(), job.ID)
	if err != nil || len(files) != 3 || files[1].Path != "t/b" {
		t.Errorf("%+v %v", files, err)
	}
	if _, err := r.session.JobFiles(context.Background(), core.NewID[core.JobID]()); !errs.Is(err, errs.NotFound) {
		t.Errorf("an unknown job: %v", err)
	}
}

func TestATakenNameIsFoundBeforeAnythingIsLoaded(t *testing.T) {
	t.Parallel()
	w, _ := orderlyWorld(t)
	r := w.start()
	if err := os.MkdirAll(filepath.Join(w.root, "home", "t"), 0o755); err != nil {
		t.Fatal(err)
	}
	job := magnetJob()
	job.Deliveries[0].OnConflict = core.ConflictFail
	r.send(w.full(job))
	r.waitAdded(job.ID)
	w.plugin.Set(string(job.ID), func(s *downloader.Status) {
		s.Phase, s.Files, s.TotalBytes = downloader.PhaseDownloading, threeFiles(), 3
	})
	r.waitFor("the end", func() bool { return r.jobs[job.ID].Phase == core.JobFailed })
	o := r.job(job.ID)
	if o.Failure == nil || o.Failure.Code != errs.DestinationExists {
		t.Errorf("%+v", o.Failure)
	}
	w.assertNoDirs()
}

func TestTheHistoryTellsHowFilesCame(t *testing.T) {
	for _, tt := range []struct {
		result delivery.Result
		want   string
	}{
		{delivery.Result{Files: make([]core.DeliveredFile, 1), Method: delivery.MethodRename}, "The file was renamed to the destination."},
		{delivery.Result{Files: make([]core.DeliveredFile, 3), Method: delivery.MethodCopy, Why: "Hard links are not permitted here."}, "3 files were copied to the destination. Hard links are not permitted here."},
		{delivery.Result{Files: []core.DeliveredFile{{Skipped: true}}}, "One was left out: something else has its name there."},
		{delivery.Result{Files: []core.DeliveredFile{{}, {Skipped: true}, {Skipped: true}}}, "The file was delivered. 2 were left out: something else has their names there."},
	} {
		if got := howDelivered(&tt.result); got != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
}
