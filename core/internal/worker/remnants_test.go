package worker

import (
	"bytes"
	"path"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/pluginhost"
	"github.com/haul-dl/haul/sdk/errs"
	"github.com/haul-dl/haul/sdk/plugintest/scripted"
	"github.com/haul-dl/haul/sdk/storage"
)

// halfDone is a node whose cloud has taken some of ann's files, and no more.
type halfDone struct {
	*world
	r   *running
	job core.DesiredJob
	ann core.TaskID
	// down lets the cloud be down, canceling cancel each call by itself; removed are
	// the names that it was asked to remove.
	down, canceling atomic.Bool
	removed         *sync.Map
	// arrived is what the cloud has, missing what it has not.
	arrived []string
	missing string
}

func leftHalfDone(t *testing.T, fn func(t *testing.T, h *halfDone)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		h := &halfDone{}
		h.world, _ = orderlyWorld(t)
		h.removed = h.canBeDown(func() error {
			if h.canceling.Load() {
				return errs.New(errs.Canceled, "The provider has canceled it.")
			}
			return downWhile(&h.down)()
		}, new(atomic.Int64))
		h.r = h.start()
		h.job, h.ann = forOne("ann", func(d *core.Delivery) { d.Storage = cloudID })
		h.r.send(h.toCloud(h.job))
		rest(2 * time.Second)
		h.finishABC(h.job.ID)
		rest(time.Minute)
		h.arrived = h.inCloud()
		for _, name := range []string{"ann/a", "ann/b", "ann/c"} {
			if !slices.Contains(h.arrived, name) {
				h.missing = name
			}
		}
		if d := h.r.part(h.job.ID, h.ann); d.Phase != core.JobHeld || len(h.arrived) == 0 || h.missing == "" {
			t.Fatalf("not held half done: %+v, the cloud has %v", d, h.arrived)
		}
		fn(t, h)
		h.r.stop()
	})
}

// toCloud are full orders for jobs, with a cloud that two of their three files
// fit in.
func (h *halfDone) toCloud(jobs ...core.DesiredJob) *core.Orders {
	o := h.withCloud(cloud(`{"capacity":4}`, 1))
	o.Jobs = jobs
	return o
}

func (h *halfDone) inCloud() []string { return h.r.host.storage(string(cloudID)).Names() }

// partsRemoved reports whether the parts of the missing file were removed.
func (h *halfDone) partsRemoved() bool {
	_, ok := h.removed.Load(h.missing)
	return ok
}

// assertCleared checks that nothing is left to do.
func (h *halfDone) assertCleared() {
	h.t.Helper()
	if keys := h.keys(keyRemnant); len(keys) > 0 || !h.partsRemoved() {
		h.t.Errorf("removed: %t; the journal has %v", h.partsRemoved(), keys)
	}
}

func TestACanceledTaskLeavesNothingAtAStorageThatIsAwayForAMoment(t *testing.T) {
	leftHalfDone(t, func(t *testing.T, h *halfDone) {
		h.down.Store(true)
		h.r.send(canceled(h.job))
		rest(tidyFor / 2)
		if o := h.r.job(h.job.ID); o.Phase.Ended() {
			t.Fatalf("while it is away: %+v", o)
		}
		h.down.Store(false)
		rest(time.Minute)
		if o := h.r.job(h.job.ID); o.Phase != core.JobRemoved || len(h.inCloud()) > 0 {
			t.Errorf("%v, and the cloud has %v", o.Phase, h.inCloud())
		}
	})
}

func TestACanceledTaskDoesNotWaitForAStorageThatStaysAway(t *testing.T) {
	leftHalfDone(t, func(t *testing.T, h *halfDone) {
		h.down.Store(true)
		h.r.send(canceled(h.job))
		rest(3 * tidyFor)
		if o := h.r.job(h.job.ID); o.Phase != core.JobRemoved {
			t.Fatalf("while it is away: %+v", o)
		}
		rest(5 * time.Hour)
		h.down.Store(false)
		rest(2 * lastHeldPause)
		h.assertCleared()
		if got := h.inCloud(); !slices.Equal(got, h.arrived) {
			t.Errorf("the cloud has %v, whole files were %v", got, h.arrived)
		}
	})
}

func TestARestartDoesNotForgetWhatIsLeftAtAStorage(t *testing.T) {
	leftHalfDone(t, func(t *testing.T, h *halfDone) {
		h.down.Store(true)
		h.r.send(canceled(h.job))
		rest(3 * tidyFor)
		h.r.stop()
		h.r = h.start()
		h.r.send(h.toCloud())
		rest(time.Hour)
		if len(h.keys(keyRemnant)) != 1 {
			t.Errorf("the journal has %v", h.keys(keyRemnant))
		}
		h.down.Store(false)
		rest(2 * lastHeldPause)
		h.assertCleared()
	})
}

func TestWhatIsLeftAtAStorageIsGivenUpAtLast(t *testing.T) {
	leftHalfDone(t, func(t *testing.T, h *halfDone) {
		h.down.Store(true)
		h.r.send(canceled(h.job))
		rest(remnantsFor - time.Hour)
		if len(h.keys(keyRemnant)) != 1 {
			t.Errorf("given up too early: %v", h.keys(keyRemnant))
		}
		rest(2 * time.Hour)
		if keys := h.keys(keyRemnant); len(keys) > 0 {
			t.Errorf("the journal has %v", keys)
		}
	})
}

func TestWhatIsLeftAtADeletedStorageIsForgotten(t *testing.T) {
	leftHalfDone(t, func(t *testing.T, h *halfDone) {
		h.down.Store(true)
		h.r.send(canceled(h.job))
		rest(3 * tidyFor)
		h.r.send(&core.Orders{AllStorages: true, Storages: h.full().Storages})
		rest(time.Minute)
		if keys := h.keys(keyRemnant); len(keys) > 0 {
			t.Errorf("the journal has %v", keys)
		}
	})
}

func TestWhatIsLeftAtAStorageThatNeverRunsIsGivenUp(t *testing.T) {
	leftHalfDone(t, func(t *testing.T, h *halfDone) {
		h.down.Store(true)
		h.r.send(canceled(h.job))
		rest(3 * tidyFor)
		h.r.host.setStorage(string(cloudID), pluginhost.Status{State: pluginhost.StateFailed, Err: errs.New(errs.PluginMissing, "It is gone.")})
		rest(remnantsFor + time.Hour)
		if keys := h.keys(keyRemnant); len(keys) > 0 {
			t.Errorf("the journal has %v", keys)
		}
	})
}

// The downloader does not let go of the job: its removal is tried again.
func TestWhatComesAfterFilesWereTakenBackStays(t *testing.T) {
	leftHalfDone(t, func(t *testing.T, h *halfDone) {
		h.plugin.Fail(scripted.OpRemove, errs.New(errs.DownloaderUnreachable, "It does not answer."))
		h.r.send(canceled(h.job))
		rest(time.Minute)
		if got := h.inCloud(); len(got) > 0 {
			t.Fatalf("not taken back: %v", got)
		}
		name := h.arrived[0]
		content := abc[path.Base(name)]
		_, err := h.r.host.storage(string(cloudID)).Put(t.Context(), storage.PutRequest{
			Path: name, Size: int64(len(content)), ModTime: time.Now(), Content: bytes.NewReader(content),
		})
		if err != nil {
			t.Fatal(err)
		}
		h.r.stop()
		h.r = h.start()
		h.r.send(h.toCloud())
		rest(time.Minute)
		h.plugin.Fail(scripted.OpRemove, nil)
		rest(10 * time.Minute)
		if got := h.inCloud(); !slices.Equal(got, []string{name}) || h.r.job(h.job.ID).Phase != core.JobRemoved {
			t.Errorf("the cloud has %v, the job is %+v", got, h.r.job(h.job.ID))
		}
	})
}

func TestAStorageThatCancelsCallsDoesNotKeepTheNodeBusy(t *testing.T) {
	leftHalfDone(t, func(t *testing.T, h *halfDone) {
		h.canceling.Store(true)
		h.r.send(canceled(h.job))
		rest(time.Minute)
		if o := h.r.job(h.job.ID); o.Phase != core.JobRemoved {
			t.Errorf("%+v", o)
		}
		h.canceling.Store(false)
		rest(2 * lastHeldPause)
		h.assertCleared()
	})
}

func TestFilesThatAreSentElsewhereLeaveNoPartsBehind(t *testing.T) {
	leftHalfDone(t, func(t *testing.T, h *halfDone) {
		h.down.Store(true)
		h.r.change(h.world, &h.job, func(d *core.DesiredJob) { d.Deliveries[0].Storage = storageID })
		rest(time.Minute)
		h.assertIn("ann", "a", "b", "c")
		if o := h.r.job(h.job.ID); o.Phase != core.JobDone {
			t.Errorf("elsewhere: %+v", o)
		}
		h.down.Store(false)
		rest(2 * lastHeldPause)
		h.assertCleared()
	})
}

func TestWhoLeavesASharedJobLeavesNoPartsBehind(t *testing.T) {
	leftHalfDone(t, func(t *testing.T, h *halfDone) {
		job, bob := joined(h.job, "bob", nil)
		h.r.order(h.world, job)
		h.down.Store(true)
		job.Leave(h.ann)
		h.r.order(h.world, job)
		rest(3 * tidyFor)
		if o := h.r.job(job.ID); o.Phase != core.JobDone || !h.r.part(job.ID, bob).Done {
			t.Errorf("%+v", o)
		}
		h.down.Store(false)
		rest(2 * lastHeldPause)
		h.assertCleared()
	})
}

// whileItsPluginStarts runs a node with files for a cloud whose plugin is starting.
func whileItsPluginStarts(t *testing.T, fn func(t *testing.T, h *halfDone)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		h := &halfDone{}
		h.world, _ = orderlyWorld(t)
		h.removed = h.canBeDown(downWhile(&h.down), new(atomic.Int64))
		h.starting = true
		h.r = h.start()
		h.job, h.ann = forOne("ann", func(d *core.Delivery) { d.Storage = cloudID })
		o := h.withCloud(cloud(`{}`, 1))
		o.Jobs = []core.DesiredJob{h.job}
		h.r.send(o)
		h.r.host.set(string(downloaderID), pluginRuns)
		rest(2 * time.Second)
		h.finishABC(h.job.ID)
		rest(time.Minute)
		if d := h.r.part(h.job.ID, h.ann); d.Phase != core.JobDownloaded || d.Waiting == nil || d.Waiting.Code != errs.PluginStarting {
			t.Errorf("while it starts: %+v", d)
		}
		fn(t, h)
		h.r.stop()
	})
}

func TestFilesWaitForTheStartOfTheirStoragesPlugin(t *testing.T) {
	whileItsPluginStarts(t, func(t *testing.T, h *halfDone) {
		h.r.host.setStorage(string(cloudID), pluginhost.Status{State: pluginhost.StateRunning, PID: 4712})
		rest(time.Second)
		if d := h.r.part(h.job.ID, h.ann); !d.Done || len(h.inCloud()) != 3 {
			t.Errorf("%+v, and the cloud has %v", d, h.inCloud())
		}
	})
}

func TestFilesAreHeldWhereTheirStoragesPluginDoesNotStart(t *testing.T) {
	whileItsPluginStarts(t, func(t *testing.T, h *halfDone) {
		h.down.Store(true)
		crashed := errs.New(errs.PluginCrashed, "It is gone.")
		h.r.host.setStorage(string(cloudID), pluginhost.Status{State: pluginhost.StateBackingOff, Err: crashed})
		rest(time.Minute)
		if d := h.r.part(h.job.ID, h.ann); d.Phase != core.JobHeld || d.Failure == nil {
			t.Errorf("it waits on: %+v", d)
		}
	})
}
