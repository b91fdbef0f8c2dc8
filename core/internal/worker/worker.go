// Package worker is the node runtime: it takes orders from core, journals them,
// drives the downloaders' plugins, delivers finished files, and reports.
//
// One goroutine, the loop, owns the state of all jobs. Orders, answers of
// plugins, results of steps and timers reach it as events. It takes what has
// queued, changes its jobs, writes all of them to the journal in one commit,
// and only then begins the steps that the changes call for: intent first, then
// the act. Every step can be repeated, so after a crash each job goes on from
// what the journal says.
package worker

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/delivery"
	"github.com/haul-dl/haul/core/internal/pluginhost"
	"github.com/haul-dl/haul/core/internal/store"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/storage"
)

// Host runs plugins. FromPluginHost makes one of a *pluginhost.Host.
type Host interface {
	Rescan(ctx context.Context) error
	Plugins() []pluginhost.Plugin
	Open(spec pluginhost.Spec) Instance
	Discard(id string) error
	TryOut(ctx context.Context, spec pluginhost.Spec, use func(context.Context, downloader.Driver) error) error
	OpenStorage(spec pluginhost.StorageSpec) StorageInstance
	TryOutStorage(ctx context.Context, spec pluginhost.StorageSpec, use func(context.Context, storage.Driver) error) error
}

// Instance is one downloader that a Host keeps running.
type Instance interface {
	Driver() downloader.Driver
	Status() pluginhost.Status
	Close(ctx context.Context) error
}

// Deliverer brings files to their destination: *delivery.Mover to a local
// folder, *upload.Uploader to other storages.
type Deliverer interface {
	Plan(ctx context.Context, job delivery.Job) (delivery.Plan, error)
	Replan(ctx context.Context, job delivery.Job, p delivery.Plan) (delivery.Plan, error)
	Execute(ctx context.Context, job delivery.Job, p delivery.Plan, hooks delivery.Hooks) (delivery.Result, error)
	// Check fails with errs.DestinationExists where a job's names are taken.
	Check(ctx context.Context, job delivery.Job) error
	// Retract undoes what was done of a plan, and removes what is temporary.
	Retract(ctx context.Context, job delivery.Job, p delivery.Plan) error
	// Discard removes what is temporary of a plan; what was delivered stays.
	Discard(job delivery.Job, p delivery.Plan) error
}

// Box seals the secrets in the journal.
type Box interface {
	Seal(plaintext, aad []byte) []byte
	Open(sealed, aad []byte) ([]byte, error)
}

// Options are what a Node is made of.
type Options struct {
	// Dir is the node's own directory.
	Dir string
	// Downloads is the directory of the jobs' directories; empty means Dir/jobs.
	Downloads string
	// KV is the journal.
	KV        store.KV
	Box       Box
	Host      Host
	Deliverer Deliverer
	// Uploader delivers to storages that are no local folder.
	Uploader Deliverer
	// VerifyCopies reads every copy again and compares it.
	VerifyCopies bool
	Logger       hclog.Logger
	// Clock stamps failures and health.
	Clock core.Clock
	// HTTPClient fetches torrent and metalink files.
	HTTPClient *http.Client
	// TorrentLimit is their size in bytes.
	TorrentLimit int64
	// MinFree is what downloads leave free on the file system that they go to,
	// but no more than 5 % of it; 0 lets them fill it.
	MinFree int64
	// FreeSpace measures the file system of a path; nil asks the kernel.
	FreeSpace func(path string) (free, total int64, err error)
	// OrphanGrace is how long directories and downloaders' jobs are kept that no
	// job of the node refers to.
	OrphanGrace time.Duration
	// Registerer takes the metrics; nil means none.
	Registerer prometheus.Registerer
}

// Node is a node runtime. Its methods may be called concurrently.
type Node struct {
	log       hclog.Logger
	now       core.Clock
	host      Host
	deliverer Deliverer
	uploader  Deliverer
	journal   *journal
	dirs      *jobDirs
	fetcher   *fetcher
	metrics   *metrics
	// verifyCopies is Options.VerifyCopies.
	verifyCopies bool

	events chan event
	quit   chan struct{} // closed by Stop: the loop takes no more events
	ended  chan struct{} // closed when the loop has returned
	ctx    context.Context
	cancel context.CancelFunc
	steps  sync.WaitGroup // all that the loop has started, but for tests
	tests  sync.WaitGroup // tests that somebody asked for
	// contents holds a token for each torrent or metalink file in memory.
	contents chan struct{}

	state // the loop's own
}

// New makes a node. It reads nothing and starts nothing before Start.
func New(o Options) (*Node, error) {
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("find the node's directory: %w", err)
	}
	downloads := filepath.Join(dir, "jobs")
	if o.Downloads != "" {
		if downloads, err = filepath.Abs(o.Downloads); err != nil {
			return nil, fmt.Errorf("find the download folder: %w", err)
		}
	}
	if o.FreeSpace == nil {
		o.FreeSpace = statfs
	}
	ctx, cancel := context.WithCancel(context.Background())
	n := &Node{
		log: o.Logger, now: o.Clock, host: o.Host, deliverer: o.Deliverer, uploader: o.Uploader, verifyCopies: o.VerifyCopies,
		journal: &journal{kv: o.KV, box: o.Box},
		dirs:    &jobDirs{path: downloads, nodeDir: dir},
		fetcher: &fetcher{client: o.HTTPClient, limit: o.TorrentLimit},
		metrics: newMetrics(o.Registerer),
		events:  make(chan event, eventQueue),
		quit:    make(chan struct{}),
		ended:   make(chan struct{}),
		ctx:     ctx, cancel: cancel,
		contents: make(chan struct{}, contentsAtOnce),
		state:    newState(),
	}
	n.guards = newGuards(&o)
	return n, nil
}

// Start reads the journal, looks for plugins, and lets all jobs go on. A plugin that cannot be used is reported,
// not returned. A node whose Start failed has started nothing.
func (n *Node) Start(ctx context.Context) error {
	if err := n.load(ctx); err != nil {
		return fmt.Errorf("read the journal: %w", err)
	}
	if err := n.dirs.open(); err != nil {
		return err
	}
	if err := n.host.Rescan(ctx); err != nil {
		n.log.Warn("look for plugins", "err", err)
	}
	for _, b := range n.backends {
		n.open(b)
	}
	for _, k := range n.storages {
		n.openStorage(k)
	}
	for _, j := range n.jobs {
		n.touch(j)
	}
	go n.run()
	return nil
}

// Stop ends all steps and plugins, and waits for them. The node cannot be
// started again. It returns ctx's error when that ends first.
func (n *Node) Stop(ctx context.Context) error {
	close(n.quit)
	n.cancel()
	stopped := make(chan error, 1)
	go func() {
		<-n.ended
		n.tests.Wait() // they need the plugins to clean up
		err := n.closeInstances(ctx)
		n.steps.Wait()
		stopped <- errors.Join(err, n.dirs.close())
	}()
	select {
	case err := <-stopped:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// InstanceChanged tells the node that the status of an instance has changed;
// it is for pluginhost.Options.OnChange.
func (n *Node) InstanceChanged(id string) {
	n.post(instanceChanged{id})
}

// PluginsChanged tells the node that the host knows other plugins; it is for
// pluginhost.Options.OnPlugins.
func (n *Node) PluginsChanged() { n.post(pluginsScanned{}) }

// post hands an event to the loop, and reports whether it will be looked at.
func (n *Node) post(e event) bool {
	select {
	case n.events <- e:
		return true
	case <-n.quit:
		return false
	}
}

func (n *Node) closeInstances(ctx context.Context) error {
	var g sync.WaitGroup
	var failed []error
	var mu sync.Mutex // guards failed
	var open []interface {
		Close(ctx context.Context) error
	}
	for _, b := range n.backends {
		if b.inst != nil {
			open = append(open, b.inst)
		}
	}
	for _, k := range n.storages {
		if k.inst != nil {
			open = append(open, k.inst)
		}
	}
	for _, inst := range open {
		g.Go(func() {
			if err := inst.Close(ctx); err != nil {
				mu.Lock()
				defer mu.Unlock()
				failed = append(failed, err)
			}
		})
	}
	g.Wait()
	return errors.Join(failed...)
}

type hostAdapter struct{ *pluginhost.Host }

// FromPluginHost makes a Host of the real one.
func FromPluginHost(h *pluginhost.Host) Host { return hostAdapter{h} }

func (h hostAdapter) Open(spec pluginhost.Spec) Instance { return h.Host.Open(spec) }

func (h hostAdapter) OpenStorage(spec pluginhost.StorageSpec) StorageInstance {
	return h.Host.OpenStorage(spec)
}

// offers reports whether a plugin has a capability.
func (n *Node) offers(plugin string, c downloader.Capability) bool {
	for _, p := range n.host.Plugins() {
		if p.Kind != pluginhost.KindStorage && p.Name == plugin && p.Err == nil {
			return slices.Contains(p.Capabilities, c)
		}
	}
	return false
}
