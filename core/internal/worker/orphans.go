package worker

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/sdk/downloader"
)

const (
	// orphansEvery is how often orphans are looked for.
	orphansEvery = time.Hour
	// orphansAgain is when it is tried again after a failure.
	orphansAgain = 5 * time.Minute
	// orphansAtOnce bounds how many are removed in one go.
	orphansAtOnce = 100
)

// orphanKind is what was left behind.
type orphanKind string

const (
	orphanDirectory orphanKind = "directory" // below the folder of jobs
	orphanJob       orphanKind = "job"       // at a downloader
)

// orphan is something of haul's that no record of the journal refers to. It is
// noted when it is found, and removed when it was one for the time of grace.
type orphan struct {
	Kind orphanKind `json:"kind"`
	Job  core.JobID `json:"job"`
	// Downloader and Ref are those of an orphanJob.
	Downloader core.DownloaderID `json:"downloader,omitempty"`
	Ref        downloader.Ref    `json:"ref,omitzero"`
	// Age runs since it was found.
	Age stopwatch `json:"age"`

	retryAt time.Time // after a removal that failed
}

func (o *orphan) key() string {
	if o.Kind == orphanJob {
		return keyOrphan + string(o.Kind) + "/" + string(o.Downloader) + "/" + string(o.Job)
	}
	return keyOrphan + string(o.Kind) + "/" + string(o.Job)
}

// orphanGuard finds and removes what was left behind.
type orphanGuard struct {
	grace   time.Duration
	metrics *prometheus.GaugeVec
	known   map[string]*orphan
	// informed means that core has told all that it wants, in this life of the
	// node: before, a record that is missing here may come again.
	informed bool
	// probes are the jobs of tests that are under way.
	probes *probes

	scanning bool
	scanAt   time.Time
	removing bool
	// removeAt is when the next one may be due; zero is now.
	removeAt time.Time
}

func newOrphanGuard(o *Options) orphanGuard {
	return orphanGuard{
		grace: o.OrphanGrace, metrics: newOrphanMetrics(o.Registerer), known: map[string]*orphan{}, probes: &probes{ids: map[core.JobID]bool{}},
	}
}

// inform notes that core has told all that it wants.
func (g *orphanGuard) inform() { g.informed, g.removeAt = true, time.Time{} }

// probes are jobs that have no record, and are none of the orphans.
type probes struct {
	mu  sync.Mutex // guards ids
	ids map[core.JobID]bool
}

func (p *probes) begin(id core.JobID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ids[id] = true
}

func (p *probes) end(id core.JobID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.ids, id)
}

func (p *probes) has(id core.JobID) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ids[id]
}

// belongs reports whether an id is that of a job which the node knows, or may
// know: it is in the journal, readable or not, or in a test.
func (n *Node) belongs(id core.JobID) bool {
	return n.jobs[id] != nil || n.unreadable[keyJob+string(id)] || n.orphans.probes.has(id)
}

// loadOrphans reads those that the journal knows.
func (n *Node) loadOrphans(ctx context.Context) error {
	now, wall := time.Now(), n.wall()
	return n.journal.each(ctx, keyOrphan, func(id string, value []byte) error {
		o := &orphan{}
		if err := decode(value, o); err != nil || o.key() != keyOrphan+id {
			n.unreadable[keyOrphan+id] = true
			n.log.Error("a record of the journal cannot be read", "record", keyOrphan+id, "err", err)
			return nil
		}
		o.Age.takeUp(now, wall)
		n.orphans.known[o.key()] = o
		return nil
	})
}

// guardOrphans looks for orphans at the start and at each interval, and removes
// those whose time has come.
func (n *Node) guardOrphans(now time.Time) {
	g := &n.orphans
	switch {
	case g.scanning:
	case now.Before(g.scanAt):
		n.wakeAt(g.scanAt)
	default:
		g.scanning, g.scanAt = true, now.Add(orphansEvery)
		n.scanDirectories()
	}
	for _, b := range n.backends {
		n.listJobs(b, now)
	}
	n.removeOrphans(now)
}

// noteOrphan notes that something was found that has no record.
func (n *Node) noteOrphan(o *orphan, now time.Time) {
	g := &n.orphans
	if was := g.known[o.key()]; was != nil {
		was.Ref = o.Ref
		return
	}
	o.Age.start(now, n.wall())
	g.known[o.key()] = o
	g.removeAt = time.Time{}
	n.put(o.key(), o)
	n.countOrphans()
	n.log.Warn("found something without a job; it is removed when it stays so", append(o.fields(), "after", g.grace)...)
}

// fields describe an orphan in the log.
func (o *orphan) fields() []any {
	out := []any{"kind", string(o.Kind), "job", o.Job}
	if o.Kind == orphanJob {
		out = append(out, "downloader", o.Downloader)
	}
	return out
}

// forgetOrphans forgets those that are none any more.
func (n *Node) forgetOrphans(gone func(*orphan) bool) {
	for key, o := range n.orphans.known {
		if gone(o) {
			delete(n.orphans.known, key)
			n.pending.delete(key)
		}
	}
	n.countOrphans()
}

func (n *Node) countOrphans() {
	counts := map[orphanKind]int{orphanDirectory: 0, orphanJob: 0}
	for _, o := range n.orphans.known {
		counts[o.Kind]++
	}
	for kind, count := range counts {
		n.orphans.metrics.WithLabelValues(string(kind)).Set(float64(count))
	}
}

// rebaseOrphans brings the journal in line with a wall clock that was set anew.
func (n *Node) rebaseOrphans(now, wall time.Time) {
	for key, o := range n.orphans.known {
		if o.Age.rebase(now, wall) {
			n.put(key, o)
		}
	}
}

// removeOrphans removes those whose time has come, some at a time.
func (n *Node) removeOrphans(now time.Time) {
	g := &n.orphans
	switch {
	case g.removing || !g.informed || len(g.known) == 0:
		return
	case now.Before(g.removeAt):
		n.wakeAt(g.removeAt)
		return
	}
	due := n.dueOrphans(now)
	if len(due) == 0 {
		n.wakeAt(g.removeAt)
		return
	}
	g.removing, g.removeAt = true, time.Time{}
	n.steps.Go(func() {
		for i := range due {
			due[i].err = due[i].remove(n.ctx)
		}
		n.post(orphansRemoved{due})
	})
}

// dueOrphans returns the removals of those whose time has come and that can be
// removed now: a directory once its downloader does not write to it any more, a
// job while its downloader is well. It sets when to look again.
func (n *Node) dueOrphans(now time.Time) (due []removal) {
	g := &n.orphans
	g.removeAt = now.Add(orphansAgain)
	atDownloader := map[core.JobID]bool{}
	for _, o := range g.known {
		if o.Kind == orphanJob {
			atDownloader[o.Job] = true
		}
	}
	for _, o := range g.known {
		at := later(now.Add(g.grace-o.Age.elapsed(now)), o.retryAt)
		switch {
		case n.belongs(o.Job):
		case at.After(now):
			if at.Before(g.removeAt) {
				g.removeAt = at
			}
		case o.Kind == orphanJob && !n.isWell(o.Downloader), o.Kind == orphanDirectory && atDownloader[o.Job]:
		case len(due) < orphansAtOnce:
			due = append(due, n.removalOf(o))
		}
	}
	return due
}

// isWell reports whether calls to a downloader make sense now.
func (n *Node) isWell(id core.DownloaderID) bool {
	b := n.backend(id)
	return b != nil && b.ready() && b.inst != nil
}

// removal removes one orphan.
type removal struct {
	key    string
	fields []any
	remove func(context.Context) error
	err    error
}

func (n *Node) removalOf(o *orphan) removal {
	id, ref := o.Job, o.Ref
	r := removal{key: o.key(), fields: o.fields()}
	if o.Kind == orphanDirectory {
		r.remove = func(context.Context) error { return n.dirs.remove(id) }
		return r
	}
	driver := n.backend(o.Downloader).inst.Driver()
	r.remove = func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, lookTimeout)
		defer cancel()
		return driver.Remove(ctx, ref, true)
	}
	return r
}

// orphansRemoved says what became of those that were to be removed.
type orphansRemoved struct{ all []removal }

func (n *Node) onOrphansRemoved(e orphansRemoved) {
	n.orphans.removing = false
	removed := map[string]bool{}
	for _, r := range e.all {
		if r.err == nil {
			removed[r.key] = true
			n.log.Info("removed what had no job", r.fields...)
			continue
		}
		if o := n.orphans.known[r.key]; o != nil {
			o.retryAt = time.Now().Add(orphansAgain)
		}
		if scopeOf(r.err) != scopeGivenUp {
			n.log.Warn("what has no job cannot be removed yet", append(r.fields, "err", r.err)...)
		}
	}
	n.forgetOrphans(func(o *orphan) bool { return removed[o.key()] })
}
