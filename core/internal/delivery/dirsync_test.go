package delivery

import (
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestWaitersShareOneSync(t *testing.T) {
	dir, err := os.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	synctest.Test(t, func(t *testing.T) {
		var calls, under atomic.Int32
		s := newDirSyncer()
		s.fsync = func(*os.File) error {
			if under.Add(1) > 1 {
				t.Error("two at once")
			}
			calls.Add(1)
			time.Sleep(time.Second) // the bubble's clock
			under.Add(-1)
			return nil
		}
		var wg sync.WaitGroup
		began := time.Now()
		for range 100 {
			wg.Go(func() {
				if err := s.sync(dir); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if took := time.Since(began); took != 2*time.Second && took != time.Second {
			t.Errorf("100 waiters took %s", took)
		}
		if n := calls.Load(); n > 2 {
			t.Errorf("100 waiters made %d calls", n)
		}
		if len(s.queues) != 0 {
			t.Error("a queue stays behind")
		}
	})
}

func TestALateComerWaitsForAnotherSync(t *testing.T) {
	dir, err := os.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	synctest.Test(t, func(t *testing.T) {
		s := newDirSyncer()
		s.fsync = func(*os.File) error { time.Sleep(time.Second); return nil }
		began := time.Now()
		var wg sync.WaitGroup
		wg.Go(func() { _ = s.sync(dir) })
		time.Sleep(time.Second / 2)
		if err := s.sync(dir); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took != 2*time.Second {
			t.Errorf("returned after %s: the sync under way had begun before its change", took)
		}
		wg.Wait()
	})
}
