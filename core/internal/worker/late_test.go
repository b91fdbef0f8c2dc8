package worker

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/delivery"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
	"github.com/haul-dl/haul/sdk/plugintest/scripted"
)

// canceled is the order that core sends when the only task of a job leaves it.
func canceled(job core.DesiredJob) *core.Orders {
	for _, d := range job.Deliveries {
		job.Leave(d.Task)
	}
	return &core.Orders{Jobs: []core.DesiredJob{job}}
}

// holdAt returns a failpoint that stays at a point once, until released.
func holdAt(point string) (at delivery.Option, reached <-chan struct{}, release func()) {
	held, free := make(chan struct{}), make(chan struct{})
	var once sync.Once
	return delivery.WithFailpoint(func(p string) {
		if p == point {
			once.Do(func() { close(held); <-free })
		}
	}), held, sync.OnceFunc(func() { close(free) })
}

func TestACancelThatComesAfterTheDeliveryKeepsTheListOfFiles(t *testing.T) {
	w := newWorld(t, scripted.Options{})
	r := w.start()
	job := newJob()
	r.send(w.full(job))
	r.waitAdded(job.ID)
	w.finish(job.ID, "a.bin", "content")
	r.waitPhase(job.ID, core.JobDone)
	r.send(canceled(job))
	r.waitFor("the answer", func() bool { return r.jobs[job.ID].Revision == 2 })
	o := r.job(job.ID)
	if o.Phase != core.JobDone || len(o.Deliveries) != 1 || !o.Deliveries[0].Done || len(o.Deliveries[0].Files) != 1 {
		t.Errorf("%v, deliveries %+v", o.Phase, o.Deliveries)
	}
}

func TestACancelDuringTheLastRenameLeavesADeliveredJob(t *testing.T) {
	w := newWorld(t, scripted.Options{})
	at, reached, release := holdAt("renamed")
	defer release()
	r := w.start(at)
	job := newJob()
	r.send(w.full(job))
	r.waitAdded(job.ID)
	w.finish(job.ID, "a.bin", "content")
	<-reached
	r.send(canceled(job))
	release()
	r.waitFor("the end", func() bool { return r.jobs[job.ID].Phase.Ended() })
	o := r.job(job.ID)
	if o.Phase != core.JobDone || len(o.Deliveries) != 1 || len(o.Deliveries[0].Files) != 1 {
		t.Errorf("%v, deliveries %+v", o.Phase, o.Deliveries)
	}
	w.assertFiles(map[string]string{"a.bin": "content"})
	w.assertNoDirs()
}

func TestACanceledDeliveryLeavesNoTemporaryFiles(t *testing.T) {
	w := newWorld(t, scripted.Options{})
	at, reached, release := holdAt("renamed")
	defer release()
	r := w.start(at)
	job := newJob()
	r.send(w.full(job))
	r.waitAdded(job.ID)
	if err := w.plugin.Finish(string(job.ID), map[string][]byte{"a": []byte("A"), "b": []byte("B")}); err != nil {
		t.Fatal(err)
	}
	<-reached
	part := filepath.Join(w.root, "home", core.TemporaryPrefix+string(job.Deliveries[0].Task)+".part")
	if err := os.MkdirAll(part, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(part, "b"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.send(canceled(job))
	release()
	r.waitPhase(job.ID, core.JobRemoved)
	if _, err := os.Lstat(part); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the temporary file stays: %v", err)
	}
	w.assertFiles(nil)
}

func TestAJobForADownloaderThatIsGoneFailsAtOnce(t *testing.T) {
	w := newWorld(t, scripted.Options{})
	r := w.start()
	r.send(w.full())
	r.waitHealth(core.HealthOK)
	r.send(&core.Orders{RemovedDownloaders: []core.DownloaderID{downloaderID}})
	job := newJob()
	r.send(&core.Orders{Jobs: []core.DesiredJob{job}})
	if o := r.waitPhase(job.ID, core.JobFailed); o.Failure == nil || o.Failure.Code != errs.DownloaderMissing {
		t.Errorf("failure %+v", o.Failure)
	}
}

func TestAListOfFilesThatNoRecordHoldsFailsItsJobAlone(t *testing.T) {
	w := newWorld(t, scripted.Options{})
	r := w.start()
	hostile, good := newJob(), newJob()
	r.send(w.full(hostile, good))
	r.waitAdded(hostile.ID)
	r.waitAdded(good.ID)
	files := make([]downloader.File, 30_000)
	for i := range files {
		files[i] = downloader.File{Index: i, Path: "d/" + strings.Repeat("&", 250), Size: 1}
	}
	w.plugin.Set(string(hostile.ID), func(s *downloader.Status) {
		s.Phase, s.Files = downloader.PhaseComplete, files
	})
	if o := r.waitPhase(hostile.ID, core.JobFailed); o.Failure == nil || o.Failure.Code != errs.UnsafeFile {
		t.Errorf("failure %+v", o.Failure)
	}
	w.finish(good.ID, "a.bin", "A")
	r.waitPhase(good.ID, core.JobDone)
}

func TestDataThatIsThereOutlivesWhatTheDaemonSaysNext(t *testing.T) {
	for name, next := range map[string]downloader.Status{
		"gone":   {Phase: downloader.PhaseGone},
		"failed": {Phase: downloader.PhaseFailed, Err: errs.New(errs.DownloaderError, "late")},
	} {
		t.Run(name, func(t *testing.T) {
			n := &Node{now: time.Now, metrics: newMetrics(nil), log: hclog.NewNullLogger(), state: newState()}
			j := &job{record: record{Job: newJob().Job, Phase: core.JobQueued, Ref: &downloader.Ref{}}}
			b := newBackend(wantedDownloader())
			n.jobs[j.Job.ID], n.backends[downloaderID] = j, b
			n.follow(j)
			next.JobID = string(j.Job.ID)
			n.onStatus(b, &downloader.Status{JobID: next.JobID, Phase: downloader.PhaseComplete}, 1)
			n.onStatus(b, &next, 1)
			if j.Phase != core.JobQueued || j.Ending != 0 || !j.hasData {
				t.Errorf("phase %v, ending %v, has data %v", j.Phase, j.Ending, j.hasData)
			}
		})
	}
}

func TestADirectoryWhoseMarkerAPowerFailureEmptiedIsRemoved(t *testing.T) {
	w := newWorld(t, scripted.Options{})
	r := w.start()
	job := newJob()
	r.send(w.full(job))
	r.waitAdded(job.ID)
	if err := os.Truncate(filepath.Join(w.dir, "jobs", string(job.ID), markerName), 0); err != nil {
		t.Fatal(err)
	}
	w.finish(job.ID, "a.bin", "A")
	r.waitPhase(job.ID, core.JobDone)
	w.assertNoDirs()
}
