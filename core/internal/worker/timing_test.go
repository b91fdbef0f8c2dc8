package worker

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
	"github.com/haul-dl/haul/sdk/plugintest/scripted"
)

// callTimes notes when calls are made, and may make them slow or fail.
type callTimes struct {
	downloader.Driver
	mu     sync.Mutex // guards all below
	checks []time.Time
	sizes  []int
	under  int
	slow   time.Duration
	err    error
	adds   []time.Time
	addErr error
}

func (c *callTimes) Check(ctx context.Context, refs []downloader.Ref) ([]downloader.Status, error) {
	c.mu.Lock()
	c.checks, c.sizes = append(c.checks, time.Now()), append(c.sizes, len(refs))
	c.under++
	if c.under > 1 {
		panic("two checks at once")
	}
	slow, err := c.slow, c.err
	c.mu.Unlock()
	time.Sleep(slow) // the bubble's clock
	c.mu.Lock()
	c.under--
	c.mu.Unlock()
	if err != nil {
		return nil, err
	}
	return c.Driver.Check(ctx, refs)
}

func (c *callTimes) Add(ctx context.Context, req downloader.AddRequest) (downloader.Ref, error) {
	c.mu.Lock()
	c.adds = append(c.adds, time.Now())
	err := c.addErr
	c.mu.Unlock()
	if err != nil {
		return downloader.Ref{}, err
	}
	return c.Driver.Add(ctx, req)
}

func (c *callTimes) set(change func(*callTimes)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change(c)
}

// gaps returns the times between calls since a moment.
func gaps(times []time.Time, since time.Time) (out []time.Duration) {
	var last time.Time
	for _, t := range times {
		if t.Before(since) {
			last = t
			continue
		}
		if !last.IsZero() {
			out = append(out, t.Sub(last).Round(10*time.Millisecond))
		}
		last = t
	}
	return out
}

// inBubble runs a node with a driver that has neither Test nor Watch.
func inBubble(t *testing.T, fn func(t *testing.T, w *world, r *running, c *callTimes)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, scripted.Options{})
		c := &callTimes{}
		w.wrap = func(d downloader.Driver) downloader.Driver { c.Driver = d; return c }
		r := w.start()
		fn(t, w, r, c)
		r.stop()
	})
}

func manyJobs(n int) []core.DesiredJob {
	jobs := make([]core.DesiredJob, n)
	for i := range jobs {
		jobs[i] = newJob()
	}
	return jobs
}

func TestOneCheckASecondForAllJobs(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world, r *running, c *callTimes) {
		jobs := manyJobs(447)
		r.send(w.full(jobs...))
		time.Sleep(10500 * time.Millisecond)
		synctest.Wait()
		c.mu.Lock()
		n, last := len(c.checks), c.sizes[len(c.sizes)-1]
		c.mu.Unlock()
		if n < 9 || n > 12 || last != len(jobs) {
			t.Errorf("%d checks in 10 s, the last of %d jobs", n, last)
		}
		r.mu.Lock()
		before := r.reports
		r.mu.Unlock()
		commits := w.kv.commits.Load()
		time.Sleep(10 * time.Second)
		synctest.Wait()
		r.mu.Lock()
		if r.reports != before {
			t.Errorf("%d reports while nothing changed", r.reports-before)
		}
		r.mu.Unlock()
		w.plugin.Set(string(jobs[3].ID), func(s *downloader.Status) { s.DoneBytes = 5 })
		time.Sleep(time.Second)
		synctest.Wait()
		if o := r.job(jobs[3].ID); o.Progress.DoneBytes != 5 {
			t.Errorf("progress %+v", o.Progress)
		}
		if n := w.kv.commits.Load() - commits; n != 0 {
			t.Errorf("%d commits for progress", n)
		}
	})
}

func TestChecksNeverOverlap(t *testing.T) {
	inBubble(t, func(_ *testing.T, w *world, r *running, c *callTimes) {
		r.send(w.full(newJob()))
		c.set(func(c *callTimes) { c.slow = 2500 * time.Millisecond })
		time.Sleep(20 * time.Second) // Check panics when another is under way
	})
}

func TestADownloaderInTroubleBacksOffAsAWhole(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world, r *running, c *callTimes) {
		jobs := manyJobs(20)
		r.send(w.full(jobs...))
		time.Sleep(5500 * time.Millisecond)
		synctest.Wait()
		began := time.Now()
		c.set(func(c *callTimes) { c.err = errs.New(errs.DownloaderUnreachable, "down") })
		time.Sleep(200 * time.Second)
		synctest.Wait()
		c.mu.Lock()
		got := gaps(c.checks, began)
		c.mu.Unlock()
		want := "[1s 1s 2s 4s 8s 16s 32s 1m0s 1m0s]"
		if fmt.Sprint(got) != want {
			t.Errorf("checks after %v, want %s", got, want)
		}
		if h := r.health(); h.State != core.HealthDegraded || h.Code != errs.DownloaderUnreachable {
			t.Errorf("health %+v", h)
		}
		for _, j := range jobs {
			o := r.job(j.ID)
			if o.Phase == core.JobFailed || o.Waiting == nil || o.Waiting.Code != errs.DownloaderUnreachable {
				t.Fatalf("%v, waiting %+v", o.Phase, o.Waiting)
			}
		}
		more := newJob()
		r.send(&core.Orders{Jobs: []core.DesiredJob{more}})
		time.Sleep(5 * time.Second)
		if _, known := w.plugin.Job(string(more.ID)); known {
			t.Error("a job was added in the middle of the back-off")
		}
		c.set(func(c *callTimes) { c.err = nil })
		time.Sleep(61 * time.Second)
		synctest.Wait()
		if h := r.health(); h.State != core.HealthOK {
			t.Errorf("health %+v", h)
		}
		if o := r.job(jobs[0].ID); o.Waiting != nil {
			t.Errorf("still waiting: %+v", o.Waiting)
		}
		if _, known := w.plugin.Job(string(more.ID)); !known {
			t.Error("the job that waited was not added")
		}
	})
}

func TestManyFailedAddsAreOneFailure(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world, r *running, c *callTimes) {
		c.set(func(c *callTimes) { c.addErr = errs.New(errs.DownloaderUnreachable, "down") })
		r.send(w.full(manyJobs(300)...))
		time.Sleep(130 * time.Second)
		synctest.Wait()
		c.mu.Lock()
		if n := len(c.adds); n > 64*9 {
			t.Errorf("%d calls in 130 s", n)
		}
		c.addErr = nil
		c.mu.Unlock()
		time.Sleep(61 * time.Second)
		if n := len(w.plugin.Jobs()); n != 300 {
			t.Errorf("%d of 300 jobs are at the daemon", n)
		}
	})
}

func TestAHeldDeliveryIsTriedWithBackOff(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world, r *running, _ *callTimes) {
		job := newJob()
		orders := w.full(job)
		orders.Storages = nil // so there is nowhere to deliver to
		r.send(orders)
		time.Sleep(2 * time.Second)
		w.finish(job.ID, "a.bin", "A")
		time.Sleep(30 * time.Second)
		synctest.Wait()
		o := r.job(job.ID)
		if phaseOf(&o) != core.JobHeld || o.Deliveries[0].Failure.Code != errs.StorageMissing {
			t.Fatalf("%v %+v", o.Phase, o.Deliveries)
		}
		commits := w.kv.commits.Load()
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		if n := w.kv.commits.Load() - commits; n != 0 {
			t.Errorf("%d commits for tries that changed nothing", n)
		}
		orders = w.full()
		r.send(&core.Orders{Storages: orders.Storages})
		time.Sleep(61 * time.Second)
		synctest.Wait()
		if o := r.job(job.ID); o.Phase != core.JobDone {
			t.Errorf("%v", o.Phase)
		}
	})
}

func TestPausesDoubleUpToAMinute(t *testing.T) {
	for n, want := range map[int]time.Duration{
		0: time.Second, 1: time.Second, 2: 2 * time.Second, 6: 32 * time.Second, 7: time.Minute, 1000: time.Minute,
	} {
		if got := pause(n); got != want {
			t.Errorf("after %d failures %s, want %s", n, got, want)
		}
	}
}
