package worker

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/delivery"
	"github.com/haul-dl/haul/core/internal/secret"
	"github.com/haul-dl/haul/core/internal/store"
	"github.com/haul-dl/haul/core/internal/store/bolt"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/plugintest/scripted"
	"github.com/haul-dl/haul/sdk/plugintest/scriptedstorage"
)

// world is what outlives a node: its disk, and the daemon.
type world struct {
	t      *testing.T
	dir    string
	root   string // of the storage
	kv     *flakyKV
	box    *secret.Box
	plugin *scripted.Plugin
	// wrap, when set, puts itself between the node and the driver.
	wrap func(downloader.Driver) downloader.Driver
	// change, when set, changes how a node is started.
	change func(*Options)
	// born, when set, is told of a node before it starts.
	born func(*Node)
	// capabilities are those of the plugin, beside its own.
	capabilities []downloader.Capability
	// kept is what the storages hold, by their ids and settings.
	kept map[string]*scriptedstorage.Storage
	// starting lets plugins be on their way until fakeHost.set says otherwise.
	starting bool
}

const (
	downloaderID = core.DownloaderID("01900000-0000-7000-8000-0000000000d1")
	storageID    = core.StorageID("01900000-0000-7000-8000-000000000051")
)

func newWorld(t *testing.T, o scripted.Options) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), root: t.TempDir(), plugin: scripted.New(o), kept: map[string]*scriptedstorage.Storage{}}
	db, err := bolt.Open(filepath.Join(w.dir, "journal.db"), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	w.kv = &flakyKV{KV: db}
	if w.box, err = secret.Open(filepath.Join(w.dir, "key")); err != nil {
		t.Fatal(err)
	}
	return w
}

// running is one life of a node, with a core that collects its reports.
type running struct {
	*Node
	t       *testing.T
	host    *fakeHost
	session core.Session

	mu          sync.Mutex // guards all below
	jobs        map[core.JobID]core.ObservedJob
	reports     int
	reported    map[core.JobID]int
	phases      map[core.JobID][]core.JobPhase
	downloaders []core.ObservedDownloader
	plugins     []core.ObservedPlugin
	storages    []core.ObservedStorage
	changed     chan struct{}
	receiving   sync.WaitGroup
	stop        func()
}

// start starts a node in the world; it is stopped when the test ends, or by stop.
func (w *world) start(options ...delivery.Option) *running {
	w.t.Helper()
	log := hclog.New(&hclog.LoggerOptions{Level: hclog.Off})
	if os.Getenv("HAUL_TEST_LOG") != "" {
		log = hclog.New(&hclog.LoggerOptions{Level: hclog.Trace, Output: os.Stderr})
	}
	r := &running{
		t: w.t, jobs: map[core.JobID]core.ObservedJob{}, phases: map[core.JobID][]core.JobPhase{},
		reported: map[core.JobID]int{}, changed: make(chan struct{}, 1),
	}
	r.host = &fakeHost{plugin: w.plugin, wrap: w.wrap, capabilities: w.capabilities, starting: w.starting, kept: w.kept, open: map[string]*fakeInstance{}, onChange: func(id string) { r.InstanceChanged(id) }}
	o := Options{
		Dir: w.dir, KV: w.kv, Box: w.box, Host: r.host, Deliverer: delivery.New(log, options...), Logger: log,
		Clock: time.Now, HTTPClient: NewHTTPClient(), TorrentLimit: 1 << 20,
	}
	if w.change != nil {
		w.change(&o)
	}
	n, err := New(o)
	if err != nil {
		w.t.Fatal(err)
	}
	r.Node = n
	if w.born != nil {
		w.born(n)
	}
	if err := n.Start(context.Background()); err != nil {
		w.t.Fatal(err)
	}
	r.connect()
	r.stop = sync.OnceFunc(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := n.Stop(ctx); err != nil {
			w.t.Error(err)
		}
		r.receiving.Wait()
	})
	w.t.Cleanup(r.stop)
	return r
}

// connect begins a session and collects its reports.
func (r *running) connect() {
	r.t.Helper()
	s, err := r.Link().Connect(context.Background())
	if err != nil {
		r.t.Fatal(err)
	}
	r.session = s
	r.receiving.Go(func() {
		for {
			report, err := s.Receive(context.Background())
			if err != nil {
				return
			}
			r.takeIn(report)
		}
	})
}

func (r *running) takeIn(report *core.Report) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reports++
	for _, j := range report.Jobs {
		r.jobs[j.ID] = j
		r.reported[j.ID]++
		if p, now := r.phases[j.ID], phaseOf(&j); len(p) == 0 || p[len(p)-1] != now {
			r.phases[j.ID] = append(p, now)
		}
	}
	if report.Downloaders != nil {
		r.downloaders = report.Downloaders
	}
	if report.Plugins != nil {
		r.plugins = report.Plugins
	}
	if report.Storages != nil {
		r.storages = report.Storages
	}
	select {
	case r.changed <- struct{}{}:
	default:
	}
}

// waitFor waits until ok, which may look at all that was reported.
func (r *running) waitFor(what string, ok func() bool) {
	r.t.Helper()
	deadline := time.After(10 * time.Second)
	for {
		if r.locked(ok) {
			return
		}
		select {
		case <-r.changed:
		case <-deadline:
			r.mu.Lock()
			defer r.mu.Unlock()
			r.t.Fatalf("waited in vain for %s; jobs %+v, downloaders %+v", what, r.jobs, r.downloaders)
		}
	}
}

// locked evaluates ok, and lets go of the lock also when that panics.
func (r *running) locked(ok func() bool) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return ok()
}

// waitHealth waits until the downloader is in a state of health.
func (r *running) waitHealth(s core.HealthState) {
	r.t.Helper()
	r.waitFor("the downloader to be "+string(s), func() bool {
		return len(r.downloaders) > 0 && r.downloaders[0].Health.State == s
	})
}

func (r *running) waitPhase(id core.JobID, p core.JobPhase) core.ObservedJob {
	r.t.Helper()
	r.waitFor("job to be "+p.String(), func() bool {
		o := r.jobs[id]
		return phaseOf(&o) == p
	})
	return r.job(id)
}

// phaseOf is where a job stands for its first task.
func phaseOf(o *core.ObservedJob) core.JobPhase {
	if o.Phase.Ended() || len(o.Deliveries) == 0 {
		return o.Phase
	}
	return o.Deliveries[0].Phase
}

// waitAdded waits until the daemon has a job and the node knows.
func (r *running) waitAdded(id core.JobID) {
	r.t.Helper()
	r.waitFor("job to be added", func() bool {
		return r.jobs[id].Phase >= core.JobQueued && r.jobs[id].Phase < core.JobDownloaded
	})
}

func (r *running) job(id core.JobID) core.ObservedJob {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.jobs[id]
}

func (r *running) health() core.Health {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.downloaders) == 0 {
		return core.Health{}
	}
	return r.downloaders[0].Health
}

func (r *running) send(o *core.Orders) {
	r.t.Helper()
	if err := r.session.Send(context.Background(), o); err != nil {
		r.t.Fatal(err)
	}
}

// full are orders with everything that a node needs, and some jobs.
func (w *world) full(jobs ...core.DesiredJob) *core.Orders {
	return &core.Orders{
		Full: true, Jobs: jobs,
		Downloaders: []core.DesiredDownloader{wantedDownloader()},
		Storages:    []core.DesiredStorage{{ID: storageID, Name: "local", Kind: core.StorageLocal, Root: w.root}},
	}
}

func wantedDownloader() core.DesiredDownloader {
	return core.DesiredDownloader{
		ID: downloaderID, Name: "one", Plugin: "scripted", Enabled: true, Settings: []byte(`{"secret":"hunter2"}`),
		MaxActive: 500, PollInterval: 1, Revision: 1,
	}
}

// newJob returns a job for an HTTP download into the folder "home".
func newJob() core.DesiredJob {
	return core.DesiredJob{Job: core.Job{
		ID: core.NewID[core.JobID](), Downloader: downloaderID, Revision: 1, Wish: core.JobRun,
		Source:     core.TaskSource{Kind: downloader.SourceHTTP, URI: "http://127.0.0.1/a.bin"},
		Deliveries: []core.Delivery{{Task: core.NewID[core.TaskID](), Storage: storageID, Path: "home"}},
	}}
}

// finish completes a job at the daemon with one file.
func (w *world) finish(id core.JobID, name, content string) {
	w.t.Helper()
	if err := w.plugin.Finish(string(id), map[string][]byte{name: []byte(content)}); err != nil {
		w.t.Fatal(err)
	}
}

// assertFiles checks what is at the destination.
func (w *world) assertFiles(want map[string]string) {
	w.t.Helper()
	dir := filepath.Join(w.root, "home")
	entries, err := os.ReadDir(dir)
	if err != nil && len(want) > 0 {
		w.t.Fatal(err)
	}
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			w.t.Fatal(err)
		}
		if want[e.Name()] != string(b) {
			w.t.Errorf("%s holds %q, want %q", e.Name(), b, want[e.Name()])
		}
	}
	if len(entries) != len(want) {
		w.t.Errorf("%d files at the destination, want %d: %v", len(entries), len(want), entries)
	}
}

// assertNoDirs checks that no job has a directory.
func (w *world) assertNoDirs() {
	w.t.Helper()
	entries, err := os.ReadDir(filepath.Join(w.dir, "jobs"))
	if err != nil || len(entries) > 0 {
		w.t.Errorf("directories of jobs stay: %v %v", entries, err)
	}
}

// keys returns those of the journal.
func (w *world) keys(prefix string) []string {
	w.t.Helper()
	res, err := w.kv.Range(context.Background(), store.RangeRequest{Prefix: prefix, KeysOnly: true})
	if err != nil {
		w.t.Fatal(err)
	}
	var out []string
	for _, e := range res.Entries {
		out = append(out, e.Key)
	}
	return out
}
