package scripted

import (
	"context"
	"sync"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

// driver is what Configure makes.
type driver struct {
	p *Plugin
}

var (
	_ downloader.Driver  = (*driver)(nil)
	_ downloader.Tester  = (*driver)(nil)
	_ downloader.Watcher = (*driver)(nil)
	_ downloader.Lister  = (*driver)(nil)
	_ downloader.Closer  = (*driver)(nil)
)

// Add implements downloader.Driver.
func (d *driver) Add(ctx context.Context, req downloader.AddRequest) (downloader.Ref, error) {
	if err := d.p.enter(ctx, OpAdd); err != nil {
		return downloader.Ref{}, err
	}
	if d.p.add(req) && d.p.opts.Auto != nil {
		if err := d.p.Finish(req.JobID, d.p.opts.Auto(req)); err != nil {
			return downloader.Ref{}, errs.Wrap(err, errs.PathNotWritable, "The job's folder cannot be written.")
		}
	}
	return refOf(req.JobID), nil
}

// add reports whether the job is new.
func (p *Plugin) add(req downloader.AddRequest) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.addLocked(req)
}

func (p *Plugin) addLocked(req downloader.AddRequest) bool {
	j, known := p.jobs[req.JobID]
	if known && !j.gone() {
		j.Adds++
		return false
	}
	if !known {
		j = &Job{}
		p.jobs[req.JobID] = j
		p.order = append(p.order, req.JobID)
	}
	*j = Job{
		Request: req,
		Adds:    j.Adds + 1,
		Status:  downloader.Status{JobID: req.JobID, Phase: downloader.PhaseDownloading, Name: req.Source.Name},
	}
	return true
}

func refOf(id string) downloader.Ref {
	return downloader.Ref{JobID: id, Version: 1, Opaque: []byte("scripted:" + id)}
}

// Check implements downloader.Driver.
func (d *driver) Check(ctx context.Context, refs []downloader.Ref) ([]downloader.Status, error) {
	if err := d.p.enter(ctx, OpCheck); err != nil {
		return nil, err
	}
	d.p.mu.Lock()
	defer d.p.mu.Unlock()
	out := make([]downloader.Status, 0, len(refs))
	for _, r := range refs {
		j, ok := d.p.jobs[r.JobID]
		if !ok || j.gone() {
			out = append(out, downloader.Status{JobID: r.JobID, Phase: downloader.PhaseGone})
			continue
		}
		out = append(out, j.Status)
	}
	return out, nil
}

// Remove implements downloader.Driver.
func (d *driver) Remove(ctx context.Context, ref downloader.Ref, deleteData bool) error {
	if err := d.p.enter(ctx, OpRemove); err != nil {
		return err
	}
	d.p.mu.Lock()
	defer d.p.mu.Unlock()
	if j, ok := d.p.jobs[ref.JobID]; ok {
		j.Removed, j.DataDeleted = true, j.DataDeleted || deleteData
	}
	return nil
}

// Test implements downloader.Tester. An error of Fail(OpTest, …) becomes a
// failed check.
func (d *driver) Test(ctx context.Context) (downloader.TestResult, error) {
	if err := d.p.enter(ctx, OpTest); err != nil {
		return downloader.TestResult{Checks: []downloader.TestCheck{
			{Name: "reachable", Message: errs.MessageOf(err), Err: err},
		}}, nil
	}
	return downloader.TestResult{Version: "1.0.0", Checks: []downloader.TestCheck{
		{Name: "reachable", Message: "The scripted downloader answers."},
	}}, nil
}

// List implements downloader.Lister.
func (d *driver) List(ctx context.Context) ([]downloader.Listed, error) {
	if err := d.p.enter(ctx, OpList); err != nil {
		return nil, err
	}
	var out []downloader.Listed
	for _, id := range d.p.Jobs() {
		out = append(out, downloader.Listed{Ref: refOf(id), Name: id})
	}
	return out, nil
}

// Close implements downloader.Closer.
func (d *driver) Close(ctx context.Context) error { return d.p.enter(ctx, OpClose) }

// Watch implements downloader.Watcher.
func (d *driver) Watch(ctx context.Context, fn func([]downloader.Status)) error {
	if err := d.p.enter(ctx, OpWatch); err != nil {
		return err
	}
	w := &watcher{wake: make(chan struct{}, 1)}
	d.p.subscribe(w)
	defer d.p.unsubscribe(w)
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-w.wake:
			fn(w.take())
		}
	}
}

func (p *Plugin) subscribe(w *watcher) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.watchers[w] = struct{}{}
}

func (p *Plugin) unsubscribe(w *watcher) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.watchers, w)
}

// Watchers returns how many calls of Watch are under way.
func (p *Plugin) Watchers() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.watchers)
}

// watcher collects what changed since its Watch looked last.
type watcher struct {
	wake chan struct{}

	mu      sync.Mutex // guards pending
	pending []downloader.Status
}

func (w *watcher) push(s downloader.Status) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pending = append(w.pending, s)
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

func (w *watcher) take() []downloader.Status {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := w.pending
	w.pending = nil
	return out
}
