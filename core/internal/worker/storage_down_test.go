package worker

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/pluginhost"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
	"github.com/haul-dl/haul/sdk/storage"
)

// downHost has storages that are in trouble while the function says so.
type downHost struct {
	*fakeHost
	trouble func() error
	tests   *atomic.Int64
	// removed are names that were to be removed while it was not.
	removed *sync.Map
}

func (h downHost) OpenStorage(spec pluginhost.StorageSpec) StorageInstance {
	return &downStorage{h.fakeHost.OpenStorage(spec), h}
}

type downStorage struct {
	StorageInstance
	host downHost
}

func (s *downStorage) Driver() storage.Driver { return downDriver{s.StorageInstance.Driver(), s.host} }

type downDriver struct {
	storage.Driver
	host downHost
}

// downWhile is the trouble of a storage that does not answer while down is set.
func downWhile(down *atomic.Bool) func() error {
	return func() error {
		if down.Load() {
			return errs.New(errs.StorageUnreachable, "The storage does not answer.")
		}
		return nil
	}
}

func (d downDriver) Stat(ctx context.Context, path string) (storage.Object, error) {
	if err := d.host.trouble(); err != nil {
		return storage.Object{}, err
	}
	return d.Driver.Stat(ctx, path)
}

func (d downDriver) Remove(ctx context.Context, path string) error {
	if err := d.host.trouble(); err != nil {
		return err
	}
	d.host.removed.Store(path, true)
	return d.Driver.Remove(ctx, path)
}

func (d downDriver) Test(ctx context.Context) (downloader.TestResult, error) {
	d.host.tests.Add(1)
	if err := d.host.trouble(); err != nil {
		return downloader.TestResult{Checks: []downloader.TestCheck{{Name: "reachable", Err: err}}}, nil //nolint:nilerr // trouble is a check, not an error
	}
	return d.Driver.Test(ctx)
}

// canBeDown lets the storages of a world be in trouble.
func (w *world) canBeDown(trouble func() error, tests *atomic.Int64) (removed *sync.Map) {
	removed = new(sync.Map)
	w.change = func(o *Options) {
		uploads(o)
		fake, ok := o.Host.(*fakeHost)
		if !ok {
			w.t.Fatalf("got %T", o.Host)
		}
		o.Host = downHost{fake, trouble, tests, removed}
	}
	return removed
}

func TestFilesGoOnSoonAfterTheirStorageIsBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, _ := orderlyWorld(t)
		var down atomic.Bool
		var tests atomic.Int64
		w.canBeDown(downWhile(&down), &tests)
		r := w.start()
		j, o := toCloud(), w.withCloud(cloud(`{}`, 1))
		o.Jobs = []core.DesiredJob{j}
		r.send(o)
		r.waitAdded(j.ID)
		r.waitStorage(cloudID, core.HealthOK, "")
		down.Store(true)
		w.finish(j.ID, "a.bin", "content")
		time.Sleep(time.Hour)
		r.waitPhase(j.ID, core.JobHeld)
		r.waitStorage(cloudID, core.HealthDegraded, errs.StorageUnreachable)
		if n := tests.Load(); n > int64(time.Hour/downStorageTest)+2 {
			t.Errorf("it was tested %d times in an hour", n)
		}
		down.Store(false)
		began := time.Now()
		time.Sleep(downStorageTest) // the next test may come at the very end of waitPhase's patience
		r.waitPhase(j.ID, core.JobDone)
		if took := time.Since(began); took > 2*downStorageTest {
			t.Errorf("delivered %s after the storage was back", took)
		}
	})
}
