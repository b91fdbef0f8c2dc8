package worker

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/store"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
	"github.com/haul-dl/haul/sdk/plugintest/scripted"
)

// orphanage is a world in which things are left behind.
type orphanage struct {
	*world
	t        *testing.T
	clock    *wallClock
	registry *prometheus.Registry
}

// withOrphans runs fn with a time of grace of a day.
func withOrphans(t *testing.T, fn func(t *testing.T, w *orphanage)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &orphanage{world: newWorld(t, scripted.Options{}), t: t, clock: &wallClock{}}
		w.change = func(o *Options) {
			w.registry = prometheus.NewRegistry()
			o.OrphanGrace, o.Clock, o.Registerer = 24*time.Hour, w.clock.now, w.registry
		}
		fn(t, w)
	})
}

// leaveDirectory makes a marked directory without a record.
func (w *orphanage) leaveDirectory(id core.JobID) string {
	w.t.Helper()
	dir := filepath.Join(w.dir, "jobs", string(id))
	if err := os.MkdirAll(filepath.Join(dir, dataName), 0o750); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, markerName), []byte(id), 0o600); err != nil {
		w.t.Fatal(err)
	}
	return dir
}

// leaveJob gives the daemon a job without a record.
func (w *orphanage) leaveJob(id core.JobID) {
	w.t.Helper()
	d, err := w.plugin.Configure(w.t.Context(), downloader.Config{DownloaderID: string(downloaderID), Settings: wantedDownloader().Settings})
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := d.Add(w.t.Context(), downloader.AddRequest{JobID: string(id)}); err != nil {
		w.t.Fatal(err)
	}
}

// counts checks the metric.
func (w *orphanage) counts(directories, jobs string) {
	w.t.Helper()
	want := "# HELP haul_orphans Directories and downloaders' jobs that no job of haul refers to.\n# TYPE haul_orphans gauge\n" +
		`haul_orphans{kind="directory"} ` + directories + "\n" + `haul_orphans{kind="job"} ` + jobs + "\n"
	if err := testutil.GatherAndCompare(w.registry, strings.NewReader(want), "haul_orphans"); err != nil {
		w.t.Error(err)
	}
}

func isThere(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

func (w *orphanage) atDaemon(id core.JobID) bool { return slices.Contains(w.plugin.Jobs(), string(id)) }

func TestWhatWasLeftBehindIsRemovedAfterTheTimeOfGrace(t *testing.T) {
	withOrphans(t, func(t *testing.T, w *orphanage) {
		w.start().stop()
		dir, left := core.NewID[core.JobID](), core.NewID[core.JobID]()
		path := w.leaveDirectory(dir)
		both := w.leaveDirectory(left)
		w.leaveJob(left)
		r := w.start()
		defer func() { r.stop() }()
		job := newJob()
		r.send(w.full(job))
		rest(3 * time.Second)
		w.counts("2", "1")
		if n := len(w.keys(keyOrphan)); n != 3 {
			t.Errorf("%d are noted", n)
		}
		rest(23 * time.Hour)
		if !isThere(path) || !isThere(both) || !w.atDaemon(left) {
			t.Fatal("removed before its time")
		}
		rest(2 * time.Hour)
		if isThere(path) || isThere(both) || w.atDaemon(left) {
			t.Error("not removed after a day")
		}
		if j, _ := w.plugin.Job(string(left)); !j.DataDeleted {
			t.Error("its data was left at the daemon")
		}
		w.counts("0", "0")
		if keys := w.keys(keyOrphan); len(keys) > 0 {
			t.Errorf("still noted: %v", keys)
		}
		if !w.atDaemon(job.ID) || !isThere(filepath.Join(w.dir, "jobs", string(job.ID))) {
			t.Error("a job with a record was touched")
		}
	})
}

func TestWhatIsLeftBehindWhileTheNodeRunsIsFoundWithinAnHour(t *testing.T) {
	withOrphans(t, func(t *testing.T, w *orphanage) {
		r := w.start()
		defer func() { r.stop() }()
		r.send(w.full())
		rest(3 * time.Second)
		id := core.NewID[core.JobID]()
		w.leaveDirectory(id)
		w.leaveJob(id)
		rest(time.Hour)
		w.counts("1", "1")
	})
}

func TestTheTimeOfGraceGoesOnOverRestartsAndJumpsOfTheClock(t *testing.T) {
	withOrphans(t, func(t *testing.T, w *orphanage) {
		w.start().stop()
		path := w.leaveDirectory(core.NewID[core.JobID]())
		r := w.start()
		defer func() { r.stop() }()
		r.send(w.full())
		rest(10 * time.Hour)
		w.clock.jump(1000 * time.Hour)
		rest(2 * time.Hour)
		r.stop()
		rest(6 * time.Hour)
		r = w.start()
		r.send(w.full())
		rest(5 * time.Hour)
		if !isThere(path) {
			t.Fatal("removed before its time")
		}
		rest(2 * time.Hour)
		if isThere(path) {
			t.Error("not removed after a day")
		}
	})
}

func TestWhatHasARecordAgainIsNoOrphan(t *testing.T) {
	withOrphans(t, func(t *testing.T, w *orphanage) {
		r := w.start()
		defer func() { r.stop() }()
		job := newJob()
		r.send(w.full(job))
		rest(3 * time.Second)
		r.stop()
		// The journal was lost, and core takes its time to tell what it wants.
		if _, err := w.kv.Commit(t.Context(), deleteAll(keyJob+string(job.ID))); err != nil {
			t.Fatal(err)
		}
		r = w.start()
		rest(100 * time.Hour)
		w.counts("1", "1")
		if !w.atDaemon(job.ID) {
			t.Fatal("removed before core has told what it wants")
		}
		r.send(w.full(job))
		rest(2 * time.Hour)
		w.counts("0", "0")
		w.finish(job.ID, "a.bin", "A")
		rest(5 * time.Second)
		if o := r.job(job.ID); o.Phase != core.JobDone {
			t.Errorf("%v", o.Phase)
		}
	})
}

func TestAJobWhoseRecordCannotBeReadIsNoOrphan(t *testing.T) {
	withOrphans(t, func(t *testing.T, w *orphanage) {
		r := w.start()
		defer func() { r.stop() }()
		job := newJob()
		r.send(w.full(job))
		rest(3 * time.Second)
		r.stop()
		put := &store.Txn{Then: []store.Op{{Type: store.OpPut, Key: keyJob + string(job.ID), Value: []byte("rubbish")}}}
		if _, err := w.kv.Commit(t.Context(), put); err != nil {
			t.Fatal(err)
		}
		r = w.start()
		r.send(w.full())
		rest(50 * time.Hour)
		if !w.atDaemon(job.ID) || !isThere(filepath.Join(w.dir, "jobs", string(job.ID))) {
			t.Error("it was removed")
		}
	})
}

func TestARemovalThatFailsIsTriedAgain(t *testing.T) {
	withOrphans(t, func(t *testing.T, w *orphanage) {
		id := core.NewID[core.JobID]()
		w.leaveJob(id)
		w.plugin.Fail(scripted.OpRemove, errs.New(errs.DownloaderError, "not now"))
		r := w.start()
		defer func() { r.stop() }()
		r.send(w.full())
		rest(25 * time.Hour)
		w.counts("0", "1")
		w.plugin.Fail(scripted.OpRemove, nil)
		rest(10 * time.Minute)
		w.counts("0", "0")
		if w.atDaemon(id) {
			t.Error("it is still there")
		}
	})
}

func TestADownloaderThatWasDownIsAskedWhenItIsBack(t *testing.T) {
	withOrphans(t, func(t *testing.T, w *orphanage) {
		w.leaveJob(core.NewID[core.JobID]())
		w.plugin.Fail(scripted.OpList, errs.New(errs.DownloaderUnreachable, "down"))
		r := w.start()
		defer func() { r.stop() }()
		r.send(w.full())
		rest(3 * time.Minute)
		w.plugin.Fail(scripted.OpList, nil)
		rest(5 * time.Minute)
		w.counts("0", "1")
	})
}

func TestOrphansOfADeletedDownloaderAreForgotten(t *testing.T) {
	withOrphans(t, func(t *testing.T, w *orphanage) {
		w.leaveJob(core.NewID[core.JobID]())
		r := w.start()
		defer func() { r.stop() }()
		r.send(w.full())
		rest(3 * time.Second)
		w.counts("0", "1")
		r.send(&core.Orders{RemovedDownloaders: []core.DownloaderID{downloaderID}})
		rest(2 * time.Hour)
		w.counts("0", "0")
	})
}

func deleteAll(keys ...string) *store.Txn {
	t := &store.Txn{}
	for _, k := range keys {
		t.Then = append(t.Then, store.Op{Type: store.OpDelete, Key: k})
	}
	return t
}
