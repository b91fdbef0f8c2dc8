package worker

import (
	"context"
	"time"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

// drive begins what is due at a downloader: a Check of all its jobs, a Test, a
// Watch. None of them waits for another, and none is made twice at once.
func (n *Node) drive(b *backend, now time.Time) {
	if !b.running || b.closing {
		return
	}
	n.check(b, now)
	n.test(b, now)
	n.watch(b, now)
}

// check asks for all jobs, at each interval, while there are any. A downloader
// without jobs that cannot be tested is asked for nothing now and then.
func (n *Node) check(b *backend, now time.Time) {
	if b.checking || len(b.at) == 0 && !b.noTest {
		return
	}
	every := b.interval()
	if len(b.at) == 0 {
		every = idleTest
	}
	due := b.lastCheck.Add(every)
	switch {
	case b.failing:
		due = b.retryAt
	case b.checkNow:
		due = now
	}
	if now.Before(due) {
		n.wakeAt(due)
		return
	}
	b.checking, b.checkNow, b.lastCheck = true, false, now
	inst, refs, since := b.inst, b.references(), n.tick()
	n.call(b, lookTimeout, func(ctx context.Context) event {
		statuses, err := inst.Driver().Check(ctx, refs)
		return checked{instance: inst, since: since, jobs: len(refs), statuses: statuses, err: err}
	})
}

// test learns the daemon's version after a start, and looks at a downloader
// that has no jobs to ask for.
func (n *Node) test(b *backend, now time.Time) {
	if b.testing || b.noTest {
		return
	}
	due := b.lastTest.Add(idleTest)
	switch {
	case !b.wasTested:
		due = now
	case len(b.at) > 0:
		return
	case b.failing:
		due = b.retryAt
	}
	if now.Before(due) {
		n.wakeAt(due)
		return
	}
	b.testing, b.wasTested, b.lastTest = true, true, now
	inst, since := b.inst, n.tick()
	n.call(b, lookTimeout, func(ctx context.Context) event {
		result, err := testDriver(ctx, inst.Driver())
		return tested{instance: inst, since: since, result: result, err: err}
	})
}

func testDriver(ctx context.Context, d downloader.Driver) (downloader.TestResult, error) {
	t, ok := d.(downloader.Tester)
	if !ok {
		return downloader.TestResult{}, errs.New(errs.NotOffered, "The plugin cannot test its downloader.")
	}
	return t.Test(ctx)
}

// watch keeps a stream of changes open where the downloader offers one.
func (n *Node) watch(b *backend, now time.Time) {
	if b.watching || b.noWatch {
		return
	}
	if now.Before(b.watchAt) {
		n.wakeAt(b.watchAt)
		return
	}
	inst := b.inst
	w, ok := inst.Driver().(downloader.Watcher)
	if !ok {
		b.noWatch = true
		return
	}
	b.watching, b.watchBegan, b.checkNow = true, now, true
	n.call(b, 0, func(ctx context.Context) event {
		err := w.Watch(ctx, func(s []downloader.Status) { n.post(watched{inst, s}) })
		return watchEnded{inst, err}
	})
}

// call makes a call to a plugin, and posts what it returns. Without a timeout
// it lasts as long as the instance.
func (n *Node) call(b *backend, timeout time.Duration, fn func(context.Context) event) {
	if timeout == 0 {
		ctx := b.ctx
		n.steps.Go(func() { n.post(fn(ctx)) })
		return
	}
	ctx, cancel := context.WithTimeout(b.ctx, timeout)
	n.steps.Go(func() {
		defer cancel()
		n.post(fn(ctx))
	})
}

func (n *Node) onChecked(e checked) {
	b := n.backendOf(e.instance)
	if b == nil {
		return
	}
	b.checking = false
	if e.err != nil {
		if scopeOf(e.err) != scopeGivenUp {
			n.failed(b, e.since, e.err)
		}
		return
	}
	n.succeeded(b, e.since, e.jobs > 0 || len(b.pool.queue) == 0)
	for i := range e.statuses {
		n.onStatus(b, &e.statuses[i], e.since)
	}
}

func (n *Node) onTested(e tested) {
	b := n.backendOf(e.instance)
	if b == nil {
		return
	}
	b.testing = false
	if e.result.Version != "" && e.result.Version != b.health.Version {
		b.health.Version = e.result.Version
		n.downloadersDirty = true
	}
	err := e.err
	for _, c := range e.result.Checks {
		if err == nil {
			err = c.Err
		}
	}
	switch {
	case errs.Is(err, errs.NotOffered):
		b.noTest = true
	case err == nil:
		n.succeeded(b, e.since, len(b.pool.queue) == 0)
	case scopeOf(err) == scopeGivenUp:
		b.wasTested = false
	case len(b.at) == 0 || b.health.State != core.HealthOK:
		n.failed(b, e.since, err)
	}
}

func (n *Node) onWatched(e watched) {
	b := n.backendOf(e.instance)
	if b == nil {
		return
	}
	for i := range e.statuses {
		if e.statuses[i].Phase == downloader.PhaseGone {
			// A hint may be old: only an answer to a question counts.
			b.checkNow = true
			continue
		}
		if j := n.jobs[core.JobID(e.statuses[i].JobID)]; j != nil && j.step != nil && j.step.kind == stepAdd {
			// A small file may be there before the answer to its Add.
			j.early = &e.statuses[i]
			continue
		}
		n.onStatus(b, &e.statuses[i], n.counter)
	}
}

func (n *Node) onWatchEnded(e watchEnded) {
	b := n.backendOf(e.instance)
	if b == nil {
		return
	}
	b.watching = false
	if errs.Is(e.err, errs.NotOffered) {
		b.noWatch = true
		return
	}
	now := time.Now()
	if now.Sub(b.watchBegan) >= watchHealthy {
		b.watchTries = 0
	}
	b.watchTries++
	b.watchAt = now.Add(pause(b.watchTries))
	if scopeOf(e.err) != scopeGivenUp {
		n.wasAway(b)
		n.log.Debug("watch ended", "downloader", b.want.Name, "err", e.err)
	}
}

// backendOf returns the backend whose present instance this is; answers of
// earlier ones count for nothing.
func (n *Node) backendOf(inst Instance) *backend {
	for _, b := range n.backends {
		if b.inst == inst {
			return b
		}
	}
	return nil
}
