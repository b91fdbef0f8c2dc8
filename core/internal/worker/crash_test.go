package worker

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/delivery"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
	"github.com/haul-dl/haul/sdk/plugintest/scripted"
)

var errDead = errs.New(errs.Unavailable, "The machine is dead.")

// death ends a node at a moment: from then on its journal takes nothing, and
// the goroutine that met it does nothing more, as if the power had gone.
type death struct {
	mu   sync.Mutex // guards all below
	kv   *flakyKV
	left int // points until it comes
	at   string
}

// point is one step; it reports whether the node has died.
func (d *death) point(name string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.at != "" {
		return true
	}
	if d.left--; d.left > 0 {
		return false
	}
	d.at = name
	d.kv.mu.Lock()
	defer d.kv.mu.Unlock()
	d.kv.err = errDead
	return true
}

func (d *death) where() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.at
}

// arm makes the world's next node die at its n-th point.
func (w *world) arm(n int) (*death, delivery.Option) {
	d := &death{kv: w.kv, left: n}
	w.kv.mu.Lock()
	defer w.kv.mu.Unlock()
	w.kv.err = nil
	w.kv.before = func(int32) error {
		if d.point("before a commit") {
			return errDead
		}
		return nil
	}
	w.kv.after = func(int32) error {
		if d.point("after a commit") {
			return errDead
		}
		return nil
	}
	return d, delivery.WithFailpoint(func(name string) {
		if d.point(name) {
			runtime.Goexit()
		}
	})
}

// TestACrashAnywhereEndsWellForEveryJob lets a node die at every point of the
// lives of a few jobs, goes on over the same journal, and counts the files.
func TestACrashAnywhereEndsWellForEveryJob(t *testing.T) {
	const jobs = 3
	for n := 1; n < 200; n++ {
		ended := false
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			w := newWorld(t, scripted.Options{Auto: contentOf})
			d, failpoint := w.arm(n)
			wanted := manyJobs(jobs)
			w.liveUntil(d, failpoint, wanted)
			ended = d.where() == ""
			t.Logf("died at %q", d.where())
			w.arm(1 << 30)
			w.finishAll(wanted)
		})
		if ended {
			return
		}
	}
	t.Error("the node never came to the end")
}

// TestManyCrashesEndWellForEveryJob dies again and again at random points.
func TestManyCrashesEndWellForEveryJob(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	w := newWorld(t, scripted.Options{Auto: contentOf})
	wanted := manyJobs(20)
	for range 12 {
		d, failpoint := w.arm(1 + random.IntN(60))
		w.liveUntil(d, failpoint, wanted)
	}
	w.arm(1 << 30)
	w.finishAll(wanted)
}

// contentOf gives each job a file of its own, all of the same name.
func contentOf(req downloader.AddRequest) map[string][]byte {
	return map[string][]byte{"same.bin": []byte(req.JobID)}
}

// liveUntil runs a node until it dies or all jobs have ended.
func (w *world) liveUntil(d *death, o delivery.Option, wanted []core.DesiredJob) {
	w.t.Helper()
	r := w.start(o)
	defer r.stop()
	_ = r.session.Send(w.t.Context(), w.full(wanted...)) // it may die in it
	deadline := time.After(20 * time.Second)
	for d.where() == "" && !r.allDone(wanted) {
		select {
		case <-r.changed:
		case <-time.After(5 * time.Millisecond):
		case <-deadline:
			w.t.Fatal("the node neither died nor ended")
		}
	}
}

func (r *running) allDone(wanted []core.DesiredJob) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, j := range wanted {
		if r.jobs[j.ID].Phase != core.JobDone {
			return false
		}
	}
	return true
}

// finishAll runs a node that does not die, and checks what it has left.
func (w *world) finishAll(wanted []core.DesiredJob) {
	w.t.Helper()
	r := w.start()
	defer r.stop()
	r.send(w.full(wanted...))
	for _, j := range wanted {
		r.waitPhase(j.ID, core.JobDone)
	}
	w.assertNoDirs()
	if left := w.plugin.Jobs(); len(left) != 0 {
		w.t.Errorf("at the daemon: %v", left)
	}
	entries, err := os.ReadDir(filepath.Join(w.root, "home"))
	if err != nil {
		w.t.Fatal(err)
	}
	seen := map[string]string{}
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(w.root, "home", e.Name()))
		if err != nil {
			w.t.Fatal(err)
		}
		if other := seen[string(b)]; other != "" {
			w.t.Errorf("%s is there twice: %s and %s", b, other, e.Name())
		}
		seen[string(b)] = e.Name()
	}
	for _, j := range wanted {
		if seen[string(j.ID)] == "" {
			w.t.Errorf("%s is lost", j.ID)
		}
		o := r.job(j.ID)
		if len(o.Deliveries) != 1 || len(o.Deliveries[0].Files) != 1 || o.Deliveries[0].Files[0].Path != seen[string(j.ID)] {
			w.t.Errorf("%s is at %q, reported %+v", j.ID, seen[string(j.ID)], o.Deliveries)
		}
	}
	if len(entries) != len(wanted) {
		w.t.Errorf("%d files, want %d", len(entries), len(wanted))
	}
}
