package worker

import (
	"context"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/pluginhost"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
	"github.com/haul-dl/haul/sdk/plugintest/scripted"
)

func TestAJobGoesFromItsOrderToTheFile(t *testing.T) {
	w := newWorld(t, scripted.Options{})
	r := w.start()
	job := newJob()
	r.send(w.full(job))
	r.waitAdded(job.ID)
	w.plugin.Set(string(job.ID), func(s *downloader.Status) {
		s.Phase, s.TotalBytes, s.DoneBytes, s.DownloadRate = downloader.PhaseDownloading, 100, 10, 5
	})
	r.waitFor("progress", func() bool {
		o := r.jobs[job.ID]
		return o.Phase == core.JobDownloading && o.Progress.DoneBytes == 10 && o.Progress.DownloadRate == 5
	})
	w.finish(job.ID, "a.bin", "content")
	o := r.waitPhase(job.ID, core.JobDone)
	w.assertFiles(map[string]string{"a.bin": "content"})
	w.assertNoDirs()
	if len(o.Deliveries) != 1 || !o.Deliveries[0].Done || len(o.Deliveries[0].Files) != 1 ||
		o.Deliveries[0].Files[0] != (core.DeliveredFile{Path: "a.bin", Size: 7}) {
		t.Errorf("deliveries %+v", o.Deliveries)
	}
	if j, _ := w.plugin.Job(string(job.ID)); j.Adds != 1 || !j.Removed {
		t.Errorf("at the daemon: %d adds, removed %v", j.Adds, j.Removed)
	}
	r.send(&core.Orders{Forget: []core.JobID{job.ID}})
	if keys := w.keys(keyJob); len(keys) != 0 {
		t.Errorf("the journal still holds %v", keys)
	}
}

// TestFilesShowAfterTwoCommits counts what stands between the daemon's word
// and the file.
func TestFilesShowAfterTwoCommits(t *testing.T) {
	w := newWorld(t, scripted.Options{})
	r := w.start()
	job := newJob()
	r.send(w.full(job))
	r.waitAdded(job.ID)
	waitWatched(t, w)
	before, began := w.kv.commits.Load(), time.Now()
	w.finish(job.ID, "a.bin", "A")
	r.waitFor("the delivery", func() bool { d := r.jobs[job.ID].Deliveries; return len(d) > 0 && d[0].Done })
	took := time.Since(began)
	r.waitPhase(job.ID, core.JobDone)
	if commits := w.kv.commits.Load() - before; commits > 3 {
		t.Errorf("%d commits from the event to the end, want 2 to the file and 1 for the removal", commits)
	}
	t.Logf("from the event to the report: %s", took)
}

func waitWatched(t *testing.T, w *world) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); w.plugin.Watchers() == 0; {
		if time.Now().After(deadline) {
			t.Fatal("nobody watches")
		}
		time.Sleep(time.Millisecond)
	}
}

func TestFailuresOfAddAreTold(t *testing.T) {
	tests := []struct {
		name  string
		err   error
		fails bool
	}{
		{"a source that it does not take", errs.New(errs.SourceNotSupported, "no"), true},
		{"an option", errs.New(errs.OptionNotAllowed, "no"), true},
		{"a daemon that is down", errs.New(errs.DownloaderUnreachable, "down"), false},
		{"a wrong secret", errs.New(errs.DownloaderAuthFailed, "secret"), false},
		{"a plugin that crashed", errs.New(errs.PluginCrashed, "boom"), false},
		{"an answer that came too late", context.DeadlineExceeded, false},
		{"an error that may pass", errs.New(errs.DownloaderError, "hm"), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, scripted.Options{})
			w.plugin.Fail(scripted.OpAdd, tt.err)
			r := w.start()
			job := newJob()
			r.send(w.full(job))
			if tt.fails {
				o := r.waitPhase(job.ID, core.JobFailed)
				if o.Failure == nil || o.Failure.Code != errs.CodeOf(tt.err) || o.Failure.Hint == "" {
					t.Errorf("failure %+v", o.Failure)
				}
				w.assertNoDirs()
				return
			}
			r.waitFor("the reason", func() bool { return r.jobs[job.ID].Waiting != nil })
			if o := r.job(job.ID); o.Phase != core.JobAdding || o.Waiting.Code != errs.CodeOf(tt.err) {
				t.Errorf("%v, waiting %+v", o.Phase, o.Waiting)
			}
			w.plugin.Fail(scripted.OpAdd, nil)
			r.waitAdded(job.ID)
			r.waitHealth(core.HealthOK)
		})
	}
}

func TestAFailedDownloadIsRemoved(t *testing.T) {
	w := newWorld(t, scripted.Options{})
	r := w.start()
	job := newJob()
	r.send(w.full(job))
	r.waitAdded(job.ID)
	w.plugin.Set(string(job.ID), func(s *downloader.Status) {
		s.Phase, s.Err = downloader.PhaseFailed, errs.New(errs.SourceNotFound, "404")
	})
	o := r.waitPhase(job.ID, core.JobFailed)
	if o.Failure == nil || o.Failure.Code != errs.SourceNotFound {
		t.Errorf("failure %+v", o.Failure)
	}
	if len(w.plugin.Jobs()) != 0 {
		t.Error("it is still at the daemon")
	}
	w.assertNoDirs()
}

func TestAJobThatIsNotWantedGoesFromEveryPhase(t *testing.T) {
	tests := []struct {
		name string
		to   func(w *world, r *running, job *core.DesiredJob)
	}{
		{"just accepted, while the downloader is down", func(_ *world, r *running, job *core.DesiredJob) {
			r.host.set(string(downloaderID), pluginhost.Status{State: pluginhost.StateBackingOff, Err: errs.New(errs.PluginCrashed, "boom")})
			r.waitHealth(core.HealthFailed)
			r.send(&core.Orders{Jobs: []core.DesiredJob{*job}})
			r.waitPhase(job.ID, core.JobAdding)
		}},
		{"queued", func(_ *world, r *running, job *core.DesiredJob) {
			r.send(&core.Orders{Jobs: []core.DesiredJob{*job}})
			r.waitAdded(job.ID)
		}},
		{"held", func(w *world, r *running, job *core.DesiredJob) {
			if err := os.WriteFile(filepath.Join(w.root, "home"), nil, 0o600); err != nil {
				w.t.Fatal(err)
			}
			r.send(&core.Orders{Jobs: []core.DesiredJob{*job}})
			r.waitAdded(job.ID)
			w.finish(job.ID, "a.bin", "A")
			r.waitPhase(job.ID, core.JobHeld)
		}},
		{"never heard of", func(*world, *running, *core.DesiredJob) {}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, scripted.Options{})
			r := w.start()
			r.send(w.full())
			r.waitHealth(core.HealthOK)
			job := newJob()
			tt.to(w, r, &job)
			job.Revision, job.Wish, job.Deliveries = 2, core.JobRemove, nil
			r.send(&core.Orders{Jobs: []core.DesiredJob{job}})
			if o := r.waitPhase(job.ID, core.JobRemoved); o.Revision != 2 {
				t.Errorf("revision %d", o.Revision)
			}
			if len(w.plugin.Jobs()) != 0 {
				t.Error("it is still at the daemon")
			}
			w.assertNoDirs()
		})
	}
}

func TestAJobRemovedWhileItIsAddedLeavesNothing(t *testing.T) {
	w := newWorld(t, scripted.Options{})
	release := w.plugin.Block(scripted.OpAdd)
	r := w.start()
	job := newJob()
	r.send(w.full(job))
	r.waitPhase(job.ID, core.JobAdding)
	r.send(w.full()) // full orders without it
	release()
	r.waitPhase(job.ID, core.JobRemoved)
	if len(w.plugin.Jobs()) != 0 {
		t.Error("it is still at the daemon")
	}
	w.assertNoDirs()
	r.send(w.full())
	if keys := w.keys(keyJob); len(keys) != 0 {
		t.Errorf("full orders without an ended job forget it: %v", keys)
	}
}

// TestAJobWhoseAddWasNeverAnsweredIsRemovedAtTheDaemon has a node die between
// the Add and the journal, so that the next one does not know what the daemon
// calls the job, nor whether it has it.
func TestAJobWhoseAddWasNeverAnsweredIsRemovedAtTheDaemon(t *testing.T) {
	w := newWorld(t, scripted.Options{})
	r := w.start()
	release := w.plugin.Block(scripted.OpAdd)
	job := newJob()
	r.send(w.full(job))
	r.waitPhase(job.ID, core.JobAdding)
	w.kv.fail(errDead)
	release()
	for deadline := time.Now().Add(5 * time.Second); len(w.plugin.Jobs()) == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it was not added")
		}
	}
	r.stop()
	w.kv.fail(nil)
	w.plugin.Fail(scripted.OpAdd, errs.New(errs.DownloaderUnreachable, "down"))
	again := w.start()
	again.waitHealth(core.HealthDegraded)
	again.send(w.full())
	again.waitFor("the reason", func() bool {
		o := again.jobs[job.ID]
		return o.Phase == core.JobAdding && o.Waiting != nil && o.Waiting.Code == errs.DownloaderUnreachable
	})
	w.plugin.Fail(scripted.OpAdd, nil)
	again.waitPhase(job.ID, core.JobRemoved)
	if left := w.plugin.Jobs(); len(left) != 0 {
		t.Errorf("at the daemon: %v", left)
	}
	w.assertNoDirs()
}

func TestALostJobIsAddedAgain(t *testing.T) {
	w := newWorld(t, scripted.Options{})
	r := w.start()
	job := newJob()
	r.send(w.full(job))
	r.waitAdded(job.ID)
	w.plugin.Forget(string(job.ID))
	r.waitFor("the second Add", func() bool { j, _ := w.plugin.Job(string(job.ID)); return j.Adds == 2 })
	w.finish(job.ID, "a.bin", "A")
	r.waitPhase(job.ID, core.JobDone)
	w.assertFiles(map[string]string{"a.bin": "A"})
}

func TestOldOrdersChangeNothing(t *testing.T) {
	w := newWorld(t, scripted.Options{})
	r := w.start()
	job := newJob()
	job.Revision = 3
	r.send(w.full(job))
	r.waitAdded(job.ID)
	r.mu.Lock()
	reports := r.reported[job.ID]
	r.mu.Unlock()
	old := job
	old.Revision, old.Wish = 2, core.JobRemove
	r.send(&core.Orders{Jobs: []core.DesiredJob{old}})
	r.waitFor("a report", func() bool { return r.reported[job.ID] > reports })
	if o := r.job(job.ID); o.Phase > core.JobDownloading || o.Revision != 3 {
		t.Errorf("%v of revision %d", o.Phase, o.Revision)
	}
}

func TestAHeldDeliveryIsTriedAtOnceWhenAsked(t *testing.T) {
	w := newWorld(t, scripted.Options{})
	r := w.start()
	blocked := filepath.Join(w.root, "home")
	if err := os.WriteFile(blocked, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	job := newJob()
	r.send(w.full(job))
	r.waitAdded(job.ID)
	w.finish(job.ID, "a.bin", "A")
	o := r.waitPhase(job.ID, core.JobHeld)
	if f := o.Deliveries[0].Failure; f == nil || f.Code != errs.DestinationReadOnly || o.Deliveries[0].Waiting == nil {
		t.Errorf("failure %+v, waiting %+v", f, o.Deliveries[0].Waiting)
	}
	if err := os.Remove(blocked); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	job.RetryDelivery(job.Deliveries[0].Task, nil)
	r.send(&core.Orders{Jobs: []core.DesiredJob{job}})
	r.waitPhase(job.ID, core.JobDone)
	if took := time.Since(began); took > 900*time.Millisecond {
		t.Errorf("it took %s", took)
	}
	w.assertFiles(map[string]string{"a.bin": "A"})
}

func TestSeveralTasksOfAJobGetTheirFiles(t *testing.T) {
	w := newWorld(t, scripted.Options{})
	r := w.start()
	job := newJob()
	job.Deliveries = append(job.Deliveries, core.Delivery{Task: core.NewID[core.TaskID](), Storage: storageID, Path: "home"})
	r.send(w.full(job))
	r.waitAdded(job.ID)
	w.finish(job.ID, "a.bin", "A")
	o := r.waitPhase(job.ID, core.JobDone)
	w.assertFiles(map[string]string{"a.bin": "A", "a (1).bin": "A"})
	if !o.Deliveries[0].Done || !o.Deliveries[1].Done {
		t.Errorf("%+v", o.Deliveries)
	}
}

func TestAFullDiskStopsEverythingAndIsTold(t *testing.T) {
	w := newWorld(t, scripted.Options{})
	r := w.start()
	first := newJob()
	r.send(w.full(first))
	r.waitAdded(first.ID)
	r.waitHealth(core.HealthOK)
	w.kv.fail(syscall.ENOSPC)
	second := newJob()
	err := r.session.Send(context.Background(), &core.Orders{Jobs: []core.DesiredJob{second}})
	if !errs.Is(err, errs.OutOfSpace) {
		t.Errorf("Send: %v", err)
	}
	r.waitFor("the health to tell", func() bool { return r.downloaders[0].Health.Code == errs.OutOfSpace })
	w.finish(first.ID, "a.bin", "A")
	r.waitFor("the job to tell", func() bool {
		o := r.jobs[first.ID]
		return o.Waiting != nil && o.Waiting.Code == errs.OutOfSpace && o.Phase <= core.JobDownloaded
	})
	if _, known := w.plugin.Job(string(second.ID)); known {
		t.Error("a job was added that the journal does not have")
	}
	w.assertFiles(nil)
	w.kv.fail(nil)
	r.waitPhase(first.ID, core.JobDone)
	r.waitAdded(second.ID)
	r.waitHealth(core.HealthOK)
}

// TestAFileThatIsThereBeforeTheAnswerToItsAddWaitsForNoCheck has a daemon that
// is done within Add.
func TestAFileThatIsThereBeforeTheAnswerToItsAddWaitsForNoCheck(t *testing.T) {
	w := newWorld(t, scripted.Options{Auto: func(req downloader.AddRequest) map[string][]byte {
		return map[string][]byte{req.JobID + ".bin": []byte("A")}
	}})
	r := w.start()
	d := wantedDownloader()
	d.PollInterval = 3600
	orders := w.full()
	orders.Downloaders[0] = d
	r.send(orders)
	waitWatched(t, w)
	jobs := manyJobs(500)
	began := time.Now()
	r.send(&core.Orders{Jobs: jobs})
	for _, j := range jobs {
		r.waitPhase(j.ID, core.JobDone)
	}
	t.Logf("%d jobs from their order to the end: %s, %d commits", len(jobs), time.Since(began), w.kv.commits.Load())
}
