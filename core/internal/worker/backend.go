package worker

import (
	"context"
	"errors"
	"time"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/pluginhost"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

const (
	// callsAtOnce is how many jobs of one downloader are added or removed at
	// once. Plugins may put concurrent calls into one request, and a busy daemon
	// takes as long for one request as for another, whatever is in it.
	callsAtOnce = 512
	// probesAtOnce is how many are, after calls for jobs have failed, until one
	// goes well again.
	probesAtOnce = 8
	// contentsAtOnce is how many of them carry a torrent or metalink file,
	// which is in memory that long.
	contentsAtOnce = 32
	// idleTest is how often a downloader without jobs is looked at.
	idleTest = 30 * time.Second
	// watchHealthy is how long a Watch must live for its back-off to begin anew.
	watchHealthy = time.Minute
	closeTimeout = 10 * time.Second
	lookTimeout  = 30 * time.Second
)

// backend is one downloader: its plugin, its health, and who waits for it.
// It belongs to the loop.
type backend struct {
	want    core.DesiredDownloader
	removed bool

	inst    Instance // nil while closed
	closing bool
	ctx     context.Context // ends with the instance
	cancel  context.CancelFunc
	status  pluginhost.Status
	running bool

	pool pool // of calls that add and remove

	// at are the jobs that the downloader works on; refs caches theirs.
	at   map[core.JobID]downloader.Ref
	refs []downloader.Ref

	health core.Health
	// failing means that nothing but a look at retryAt is tried.
	failing  bool
	retryAt  time.Time
	failedAt uint64 // the loop's counter at the last failure
	fails    int    // since a call for a job went well

	checking  bool
	lastCheck time.Time
	checkNow  bool
	noTest    bool
	testing   bool
	wasTested bool
	lastTest  time.Time

	listing listing

	watching   bool
	noWatch    bool
	watchTries int
	watchBegan time.Time
	watchAt    time.Time
}

func newBackend(d core.DesiredDownloader) *backend {
	return &backend{
		want: d, pool: pool{limit: callsAtOnce},
		at: map[core.JobID]downloader.Ref{}, health: core.Health{State: core.HealthUnknown},
	}
}

func (b *backend) spec() pluginhost.Spec {
	return pluginhost.Spec{
		ID: string(b.want.ID), Name: b.want.Name, Plugin: b.want.Plugin,
		Settings: b.want.Settings, MaxActive: b.want.MaxActive,
	}
}

func sameSpec(a, b pluginhost.Spec) bool {
	return a.ID == b.ID && a.Name == b.Name && a.Plugin == b.Plugin &&
		string(a.Settings) == string(b.Settings) && a.MaxActive == b.MaxActive
}

// interval is the pause between two looks at all jobs. It grows with their
// number, so that thousands cost no more than what anybody sees of them is worth.
func (b *backend) interval() time.Duration {
	const jobsPerSecond = 5000
	return time.Duration(max(1, b.want.PollInterval)+len(b.at)/jobsPerSecond) * time.Second
}

// ready reports whether calls for jobs make sense now.
func (b *backend) ready() bool { return b.running && !b.failing }

// callLimit is how many calls for jobs may be under way.
func (b *backend) callLimit() int {
	if b.fails > 0 {
		return probesAtOnce
	}
	return callsAtOnce
}

// trouble says why the downloader's jobs do not move; nil while all is well.
func (b *backend) trouble() *core.Waiting {
	switch b.health.State {
	case core.HealthOK:
		return nil
	case core.HealthUnknown, core.HealthStarting:
		if b.running {
			return nil
		}
		return &core.Waiting{Code: errs.PluginStarting, Message: errs.PluginStarting.Title()}
	}
	return &core.Waiting{Code: b.health.Code, Message: b.health.Message}
}

func (b *backend) track(id core.JobID, ref downloader.Ref) {
	b.at[id], b.refs = ref, nil
}

func (b *backend) untrack(id core.JobID) {
	if _, ok := b.at[id]; ok {
		delete(b.at, id)
		b.refs = nil
	}
}

// references returns those of all jobs at the downloader.
func (b *backend) references() []downloader.Ref {
	if b.refs == nil {
		b.refs = make([]downloader.Ref, 0, len(b.at))
		for _, ref := range b.at {
			b.refs = append(b.refs, ref)
		}
	}
	return b.refs
}

// open starts the plugin of a downloader.
func (n *Node) open(b *backend) {
	if b.inst != nil || b.removed {
		return
	}
	if !b.want.Enabled {
		n.setHealth(b, core.HealthDisabled, errs.New(errs.DownloaderDisabled, "The downloader is disabled."))
		return
	}
	b.ctx, b.cancel = context.WithCancel(n.ctx)
	b.fails, b.failing, b.noWatch = 0, false, false
	b.inst = n.host.Open(b.spec())
	n.setHealth(b, core.HealthStarting, nil)
	n.look(b)
}

// shut ends the plugin; the loop goes on when instanceClosed comes.
func (n *Node) shut(b *backend) {
	if b.inst == nil || b.closing {
		return
	}
	b.closing, b.running = true, false
	b.cancel()
	inst := b.inst
	n.steps.Go(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(n.ctx), closeTimeout)
		defer cancel()
		if err := inst.Close(ctx); err != nil {
			n.log.Warn("close the plugin", "downloader", b.want.Name, "err", err)
		}
		n.post(instanceClosed{inst})
	})
}

// look takes over the status of the instance.
func (n *Node) look(b *backend) {
	if b.inst == nil || b.closing {
		return
	}
	was := b.status
	b.status = b.inst.Status()
	ran := b.running
	b.running = b.status.State == pluginhost.StateRunning || b.status.State == pluginhost.StateDegraded
	restarted := b.running && (!ran || was.PID != b.status.PID || was.Restarts != b.status.Restarts)
	switch {
	case restarted:
		// A new process: whatever was wrong with the old one is past.
		b.fails, b.failing, b.checkNow = 0, false, true
		n.wasAway(b)
		b.wasTested, b.noTest, b.noWatch, b.watchAt = false, false, false, time.Time{}
		n.setHealth(b, core.HealthStarting, nil)
	case b.status.State == pluginhost.StateDegraded:
		n.setHealth(b, core.HealthDegraded, b.status.Err)
	case b.running && was.State == pluginhost.StateDegraded:
		n.setHealth(b, core.HealthOK, nil)
	case !b.running && b.status.Err != nil:
		n.setHealth(b, core.HealthFailed, b.status.Err)
	case !b.running:
		n.setHealth(b, core.HealthStarting, nil)
	}
	n.downloadersDirty = true
}

// setHealth notes how a downloader fares; its jobs then tell it to those who wait.
func (n *Node) setHealth(b *backend, state core.HealthState, err error) {
	h := core.Health{State: state, Version: b.health.Version, CheckedAt: n.now().UTC()}
	if err != nil {
		h.Code, h.Message = errs.CodeOf(err), errs.MessageOf(err)
	}
	changed := h.State != b.health.State || h.Code != b.health.Code || h.Message != b.health.Message
	b.health = h
	if !changed {
		return
	}
	if err != nil && state != core.HealthDisabled {
		n.log.Warn("downloader is in trouble", "downloader", b.want.Name, "code", h.Code, "err", err)
	} else {
		n.log.Info("downloader changed", "downloader", b.want.Name, "health", state)
	}
	n.downloadersDirty = true
	for id, j := range n.jobs {
		if j.Job.Downloader == b.want.ID && !j.Phase.Ended() {
			n.dirty[id] = struct{}{}
			n.touchLater(j) // its deadlines depend on it
		}
	}
}

// failed lets the downloader back off as a whole. A failure of a call that
// began before the last one counts for nothing: many fail at once.
func (n *Node) failed(b *backend, since uint64, err error) {
	if !b.running || b.failing && since <= b.failedAt {
		return
	}
	b.failing = true
	b.fails++
	b.failedAt = n.tick()
	n.wasAway(b)
	b.retryAt = time.Now().Add(backendPause(b.fails, err))
	n.setHealth(b, core.HealthDegraded, err)
}

// backendPause is longer where somebody has to act first: some daemons ban who
// tries wrong credentials again and again.
func backendPause(fails int, err error) time.Duration {
	if errs.IsRetryable(err) || errors.Is(err, context.DeadlineExceeded) {
		return pause(fails)
	}
	return min(5*pause(fails), 5*time.Minute)
}

// succeeded ends a back-off. The next one begins with a short pause only after
// a call for a job went well: a test may pass where every Add fails.
func (n *Node) succeeded(b *backend, since uint64, forJob bool) {
	if !b.running || b.failing && since <= b.failedAt {
		return
	}
	b.failing = false
	if forJob {
		b.fails = 0
	}
	if b.status.State != pluginhost.StateDegraded {
		n.setHealth(b, core.HealthOK, nil)
	}
}

func specOf(d core.DesiredDownloader) pluginhost.Spec { return (&backend{want: d}).spec() }

var emptyStatus pluginhost.Status
