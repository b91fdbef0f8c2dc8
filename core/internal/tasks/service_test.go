package tasks

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/options"
	"github.com/haul-dl/haul/core/internal/schedule"
	"github.com/haul-dl/haul/core/internal/secret"
	"github.com/haul-dl/haul/core/internal/store"
	"github.com/haul-dl/haul/core/internal/store/bolt"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

// world is a service over a real store, with a registry that the test rules.
type world struct {
	t       *testing.T
	offset  atomic.Int64 // what the clock is ahead
	dir     string
	db      *bolt.DB
	store   *store.Store
	reg     *registry
	service *Service
	retries int  // Options.RetryLimit
	still   bool // nothing happens by itself
	admin   context.Context
	alice   context.Context
	bob     context.Context
}

// registry has one node, one storage and one downloader.
type registry struct {
	answers
	node       core.Node
	storage    core.Storage
	candidate  schedule.Candidate
	more       []schedule.Candidate
	options    []byte // the downloader's
	seed       *core.SeedPolicy
	dispatched chan core.JobID
	mu         sync.Mutex
}

func (r *registry) Dispatch(_ core.NodeID, jobs ...core.JobID) {
	for _, j := range jobs {
		r.dispatched <- j
	}
}

func (r *registry) Candidates() []schedule.Candidate {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]schedule.Candidate{r.candidate}, r.more...)
}

func (r *registry) Node(name string) (*core.Node, error) {
	if name != r.node.Name && name != string(r.node.ID) {
		return nil, errs.New(errs.NotFound, "no node")
	}
	return &r.node, nil
}

func (r *registry) NodeName(core.NodeID) string { return r.node.Name }

func (r *registry) Downloader(name string) (*core.Downloader, error) {
	for _, c := range r.Candidates() {
		if name == c.Name || name == string(c.ID) {
			return &core.Downloader{ID: c.ID, Name: c.Name, Node: r.node.ID, Options: r.options, Seed: r.seed}, nil
		}
	}
	return nil, errs.New(errs.NotFound, "no downloader")
}

func (r *registry) RedactOptions(_ core.DownloaderID, options []byte) json.RawMessage { return options }

// change changes the downloader as the scheduler sees it.
func (r *registry) change(fn func(*schedule.Candidate)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	fn(&r.candidate)
}

func (r *registry) DownloaderName(core.DownloaderID) string { return r.candidate.Name }

func (r *registry) Storage(name string) (*core.Storage, error) {
	if name != r.storage.Name && name != string(r.storage.ID) {
		return nil, errs.New(errs.NotFound, "no storage")
	}
	return &r.storage, nil
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir()}
	node := core.Node{ID: core.NewID[core.NodeID](), Name: "local"}
	w.reg = &registry{
		node:    node,
		storage: core.Storage{ID: core.NewID[core.StorageID](), Name: "local", Kind: core.StorageLocal, Root: filepath.Join(w.dir, "files")},
		options: []byte(`{"split":3,"upload_limit":5}`),
		candidate: schedule.Candidate{
			ID: core.NewID[core.DownloaderID](), Node: node.ID, Name: "d", Enabled: true,
			Sources: []downloader.SourceKind{downloader.SourceHTTP, downloader.SourceMagnet, downloader.SourceTorrent}, MaxActive: 2, Weight: 1,
			Capabilities: []downloader.Capability{downloader.CapabilityPause, downloader.CapabilitySelectFiles, downloader.CapabilitySetLimits},
		},
		dispatched: make(chan core.JobID, 1000),
	}
	w.reg.nodes = []core.NodeID{node.ID}
	rules, err := options.NewRules(&downloader.Description{
		Name: "p", Capabilities: w.reg.candidate.Capabilities, ReservedOptions: []string{"dir"},
		OptionsSchema: []byte(`{"type":"object","additionalProperties":false,"properties":{"split":{"type":"integer","minimum":1}}}`),
	})
	if err != nil {
		t.Fatal(err)
	}
	w.reg.candidate.CheckOptions = func(raw string) error { return rules.Check([]byte(raw)) }
	w.open()
	t.Cleanup(w.close)
	w.admin = w.user("admin", core.PermissionAdmin)
	w.alice = w.user("alice", core.PermissionDownload)
	w.bob = w.user("bob", core.PermissionDownload)
	return w
}

// now is the service's clock, which a test can put forward.
func (w *world) now() time.Time { return time.Now().Add(time.Duration(w.offset.Load())) }

// later puts the clock forward.
func (w *world) later(d time.Duration) {
	w.offset.Add(int64(d))
	w.service.Wake()
}

func (w *world) open() {
	w.t.Helper()
	box, err := secret.Open(filepath.Join(w.dir, "key"))
	if err != nil {
		w.t.Fatal(err)
	}
	if w.db, err = bolt.Open(filepath.Join(w.dir, "db"), bolt.Options{}); err != nil {
		w.t.Fatal(err)
	}
	if w.store, err = store.New(w.t.Context(), w.db, store.Options{Box: box}); err != nil {
		w.t.Fatal(err)
	}
	w.service, err = New(w.t.Context(), Options{
		Store: w.store, Registry: w.reg, Logger: hclog.NewNullLogger(), Clock: w.now, TorrentLimit: 1 << 20,
		RetryLimit: w.retries, Hold: time.Hour, Deadlines: core.Deadlines{Metadata: time.Hour, Stall: time.Minute},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	if !w.still {
		w.service.Start()
	}
}

func (w *world) close() {
	w.service.Stop()
	if err := w.db.Close(); err != nil {
		w.t.Error(err)
	}
}

// restart is a restart of the server: only what is stored stays.
func (w *world) restart() {
	w.t.Helper()
	w.close()
	w.open()
}

func (w *world) user(name string, p core.Permission) context.Context {
	w.t.Helper()
	u := &core.User{ID: core.NewID[core.UserID](), Name: name}
	if err := w.store.Update(w.t.Context(), func(tx *store.Tx) error { return tx.PutUser(u) }); err != nil {
		w.t.Fatal(err)
	}
	return core.WithIdentity(w.t.Context(), &core.Identity{User: u.ID, Name: name, Permissions: []core.Permission{p}})
}

func (w *world) create(ctx context.Context, uris ...string) []core.TaskView {
	w.t.Helper()
	req := &core.NewTask{}
	for _, u := range uris {
		req.Sources = append(req.Sources, core.NewSource{URI: u})
	}
	tasks, err := w.service.Create(ctx, req)
	if err != nil {
		w.t.Fatal(err)
	}
	return tasks
}

// started waits for the next job that was handed to the node.
func (w *world) started() *core.Job {
	w.t.Helper()
	select {
	case id := <-w.reg.dispatched:
		job, err := w.store.Job(w.t.Context(), id)
		if err != nil {
			w.t.Fatal(err)
		}
		return job
	case <-time.After(10 * time.Second):
		w.t.Fatal("no job was started")
		return nil
	}
}

func (w *world) report(job *core.Job, phase core.JobPhase, change func(*core.ObservedJob)) []core.JobID {
	w.t.Helper()
	o := core.ObservedJob{ID: job.ID, Revision: job.Revision, Phase: phase}
	for _, d := range job.Deliveries {
		o.Deliveries = append(o.Deliveries, core.ObservedDelivery{Task: d.Task})
	}
	if change != nil {
		change(&o)
	}
	for i := range o.Deliveries {
		fillIn(&o.Deliveries[i], &o)
	}
	forget, err := w.service.Observe(w.t.Context(), job.Node, []core.ObservedJob{o})
	if err != nil {
		w.t.Fatal(err)
	}
	return forget
}

// fillIn makes a delivery stand where its job does, unless the test says otherwise.
func fillIn(d *core.ObservedDelivery, o *core.ObservedJob) {
	if d.Phase == 0 {
		d.Phase = o.Phase
	}
	if d.Waiting == nil {
		d.Waiting = o.Waiting
	}
	if d.TotalBytes == 0 {
		d.TotalBytes, d.DoneBytes, d.UploadedBytes = o.Progress.TotalBytes, o.Progress.DoneBytes, o.Progress.UploadedBytes
	}
}

func (w *world) get(ctx context.Context, id core.TaskID) *core.TaskView {
	w.t.Helper()
	v, err := w.service.Get(ctx, id)
	if err != nil {
		w.t.Fatal(err)
	}
	return v
}

func TestATaskGoesFromTheQueueToItsEnd(t *testing.T) {
	w := newWorld(t)
	created := w.create(w.alice, "http://h/file.bin")[0]
	if created.State != core.StateQueued || created.Waiting == nil {
		t.Errorf("a queued task must say what it waits for: %+v", created)
	}
	id := created.ID
	job := w.started()
	if job.Deliveries[0].Task != id || job.Deliveries[0].Path != "alice" || job.Wish != core.JobRun {
		t.Fatalf("job %+v", job)
	}
	w.report(job, core.JobDownloading, func(o *core.ObservedJob) {
		o.Progress = core.Progress{TotalBytes: 10, DoneBytes: 4, DownloadRate: 2}
	})
	if v := w.get(w.alice, id); v.State != core.StateDownloading || v.Progress.DoneBytes != 4 || v.OwnerName != "alice" || v.DownloaderName != "d" {
		t.Fatalf("task %+v", v)
	}
	done := func(o *core.ObservedJob) {
		o.Progress.TotalBytes = 10
		o.Deliveries[0].Done = true
		o.Deliveries[0].Files = []core.DeliveredFile{{Path: "file.bin", Size: 10}}
	}
	if forget := w.report(job, core.JobDelivered, done); len(forget) != 0 {
		t.Errorf("the node was told to forget a job that it still works on")
	}
	if v := w.get(w.alice, id); v.State != core.StateCompleted || v.Delivery.FilesDone != 1 || v.Progress.DoneBytes != 10 {
		t.Fatalf("task %+v", v)
	}
	if forget := w.report(job, core.JobDone, done); !slices.Equal(forget, []core.JobID{job.ID}) {
		t.Errorf("forget %v", forget)
	}
	if _, err := w.store.Job(t.Context(), job.ID); !errs.Is(err, errs.NotFound) {
		t.Errorf("the job's record stays: %v", err)
	}
	if forget := w.report(job, core.JobDone, done); !slices.Equal(forget, []core.JobID{job.ID}) {
		t.Errorf("a node that did not hear it is not told again: %v", forget)
	}
}

func TestNoMoreTasksStartThanThereArePlaces(t *testing.T) {
	w := newWorld(t)
	tasks := w.create(w.alice, "http://h/1", "http://h/2", "http://h/3", "http://h/4")
	first, second := w.started(), w.started()
	if first.Deliveries[0].Task != tasks[0].ID || second.Deliveries[0].Task != tasks[1].ID {
		t.Error("the oldest do not start first")
	}
	if v := w.get(w.alice, tasks[2].ID); v.State != core.StateQueued || v.Waiting == nil || v.Waiting.Code != core.WaitingForSlot {
		t.Errorf("the third: %+v", v)
	}
	w.report(first, core.JobDownloaded, nil)
	if third := w.started(); third.Deliveries[0].Task != tasks[2].ID {
		t.Error("a job that has its data must give its place to the next one")
	}
	select {
	case id := <-w.reg.dispatched:
		t.Errorf("job %s started beyond the limit", id)
	default:
	}
}

func TestARestartLosesNothingAndStartsNothingTwice(t *testing.T) {
	w := newWorld(t)
	tasks := w.create(w.alice, "http://h/1", "http://h/2", "http://h/3")
	first, second := w.started(), w.started()
	w.report(first, core.JobDownloading, nil)
	w.restart()
	if active := w.service.ActiveJobs()[first.Downloader]; active != 2 {
		t.Fatalf("%d places are taken after the restart, want 2", active)
	}
	w.report(second, core.JobFailed, func(o *core.ObservedJob) { o.Failure = &core.Failure{Code: errs.SourceNotFound} })
	if third := w.started(); third.Deliveries[0].Task != tasks[2].ID {
		t.Error("the queued task was lost")
	}
	if v := w.get(w.alice, tasks[1].ID); v.State != core.StateFailed || v.Error == nil || v.Error.Code != errs.SourceNotFound {
		t.Errorf("the failed one: %+v", v)
	}
	if v := w.get(w.alice, tasks[0].ID); v.State != core.StateDownloading {
		t.Errorf("the running one: %s", v.State)
	}
}

func TestNobodySeesOrTouchesAnothersTask(t *testing.T) {
	w := newWorld(t)
	id := w.create(w.alice, "http://h/1")[0].ID
	calls := map[string]func(ctx context.Context) error{
		"get":    func(ctx context.Context) error { _, err := w.service.Get(ctx, id); return err },
		"cancel": func(ctx context.Context) error { _, err := w.service.Cancel(ctx, id); return err },
		"pause":  func(ctx context.Context) error { _, err := w.service.Pause(ctx, id); return err },
		"resume": func(ctx context.Context) error { _, err := w.service.Resume(ctx, id); return err },
		"update": func(ctx context.Context) error { _, err := w.service.Update(ctx, id, &core.TaskChange{}); return err },
		"act": func(ctx context.Context) error {
			results, err := w.service.Act(ctx, core.ActionPause, []core.TaskID{id})
			if err != nil {
				return err
			}
			return results[0].Err
		},
		"retry":   func(ctx context.Context) error { _, err := w.service.Retry(ctx, id, core.RetryOptions{}); return err },
		"delete":  func(ctx context.Context) error { return w.service.Delete(ctx, id, true) },
		"recheck": func(ctx context.Context) error { _, err := w.service.Recheck(ctx, id); return err },
		"history": func(ctx context.Context) error { _, err := w.service.History(ctx, id); return err },
		"files":   func(ctx context.Context) error { _, err := w.service.Files(ctx, id); return err },
		"open":    func(ctx context.Context) error { _, err := w.service.OpenFile(ctx, id, 0); return err },
	}
	for name, call := range calls {
		if err := call(w.bob); !errs.Is(err, errs.NotFound) {
			t.Errorf("%s by another user: %v, want not_found", name, err)
		}
		if err := call(t.Context()); !errs.Is(err, errs.Unauthenticated) {
			t.Errorf("%s by nobody: %v, want unauthenticated", name, err)
		}
	}
	for who, want := range map[string]int{"alice": 1, "bob": 0, "admin": 1} {
		ctx := map[string]context.Context{"alice": w.alice, "bob": w.bob, "admin": w.admin}[who]
		page, err := w.service.List(ctx, &core.TaskQuery{})
		if err != nil || len(page.Items) != want {
			t.Errorf("%s sees %d tasks, %v", who, len(page.Items), err)
		}
	}
	if page, err := w.service.List(w.bob, &core.TaskQuery{Owner: "alice"}); err != nil || len(page.Items) != 0 {
		t.Errorf("bob asks for alice's: %d tasks, %v", len(page.Items), err)
	}
}

func TestCancelIsAWishUntilTheNodeHasStoppedTheJob(t *testing.T) {
	w := newWorld(t)
	id := w.create(w.alice, "http://h/1")[0].ID
	job := w.started()
	w.report(job, core.JobDownloading, nil)
	v, err := w.service.Cancel(w.alice, id)
	if err != nil || v.State != core.StateDownloading || v.Wish != core.WishCancel || v.Waiting == nil || v.Waiting.Code != core.WaitingForRemoval {
		t.Fatalf("%+v, %v", v, err)
	}
	ordered := w.started()
	if ordered.ID != job.ID || ordered.Wish != core.JobRemove || ordered.Revision <= job.Revision {
		t.Fatalf("the node is told %+v", ordered)
	}
	w.report(ordered, core.JobRemoved, nil)
	if v := w.get(w.alice, id); v.State != core.StateCanceled || v.Error != nil {
		t.Errorf("%+v", v)
	}
	if _, err := w.service.Cancel(w.alice, id); !errs.Is(err, errs.WrongState) {
		t.Errorf("a second time: %v", err)
	}
	if v, err = w.service.Retry(w.alice, id, core.RetryOptions{}); err != nil || v.State != core.StateQueued || v.Attempt != 2 {
		t.Errorf("retry: %+v, %v", v, err)
	}
	if again := w.started(); again.ID == job.ID || again.Deliveries[0].Task != id {
		t.Errorf("the retry is job %+v", again)
	}
}

func TestADeletedTaskIsHiddenAndItsJobStopped(t *testing.T) {
	w := newWorld(t)
	id := w.create(w.alice, "http://h/1")[0].ID
	job := w.started()
	if err := w.service.Delete(w.alice, id, false); err != nil {
		t.Fatal(err)
	}
	if ordered := w.started(); ordered.ID != job.ID || ordered.Wish != core.JobRemove {
		t.Errorf("the node is told %+v", ordered)
	}
	if _, err := w.service.Get(w.alice, id); !errs.Is(err, errs.NotFound) {
		t.Errorf("get: %v", err)
	}
	w.restart()
	if forget := w.report(job, core.JobRemoved, nil); len(forget) != 1 {
		t.Errorf("forget %v", forget)
	}
	if page, err := w.service.List(w.admin, &core.TaskQuery{}); err != nil || len(page.Items) != 0 {
		t.Errorf("list: %d, %v", len(page.Items), err)
	}
}

func TestDeletingWithDataTakesTheDeliveredFilesAlone(t *testing.T) {
	w := newWorld(t)
	id := w.create(w.alice, "http://h/1")[0].ID
	job := w.started()
	home := filepath.Join(w.reg.storage.Root, "alice")
	write := func(name, content string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(filepath.Join(home, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(home, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("show/a/1.bin", "one")
	write("show/2.bin", "changed since")
	write("show/mine.txt", "mine")
	w.report(job, core.JobDone, func(o *core.ObservedJob) {
		o.Deliveries[0].Done = true
		o.Deliveries[0].Files = []core.DeliveredFile{{Path: "show/a/1.bin", Size: 3}, {Index: 1, Path: "show/2.bin", Size: 3}}
	})
	if err := w.service.Delete(w.alice, id, true); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"show/a": false, "show/2.bin": true, "show/mine.txt": true} {
		if _, err := os.Stat(filepath.Join(home, name)); (err == nil) != want {
			t.Errorf("%s: %v, want it there: %v", name, err, want)
		}
	}
}

func TestADeliveredFileIsReadWithinItsDestinationAlone(t *testing.T) {
	w := newWorld(t)
	id := w.create(w.alice, "http://h/1")[0].ID
	job := w.started()
	if _, err := w.service.OpenFile(w.alice, id, 0); !errs.Is(err, errs.NotDelivered) {
		t.Errorf("before delivery: %v", err)
	}
	home := filepath.Join(w.reg.storage.Root, "alice")
	if err := os.MkdirAll(home, 0o755); err != nil {
		t.Fatal(err)
	}
	outside := filepath.Join(w.dir, "outside")
	if err := os.WriteFile(outside, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(home, "1")); err != nil {
		t.Fatal(err)
	}
	w.report(job, core.JobDone, func(o *core.ObservedJob) {
		o.Deliveries[0].Done = true
		o.Deliveries[0].Files = []core.DeliveredFile{{Path: "1", Size: 6}}
	})
	if f, err := w.service.OpenFile(w.alice, id, 0); err == nil {
		f.Close()
		t.Error("a link that leads outside was followed")
	}
	if _, err := w.service.OpenFile(w.alice, id, 7); !errs.Is(err, errs.NotFound) {
		t.Errorf("no such file: %v", err)
	}
}

func TestARepeatedRequestAnswersAsTheFirst(t *testing.T) {
	w := newWorld(t)
	req := &core.NewTask{Sources: []core.NewSource{{URI: "http://h/1"}}, IdempotencyKey: "k"}
	first, err := w.service.Create(w.alice, req)
	if err != nil {
		t.Fatal(err)
	}
	again, err := w.service.Create(w.alice, req)
	if err != nil || again[0].ID != first[0].ID {
		t.Fatalf("again: %+v, %v", again, err)
	}
	other, err := w.service.Create(w.bob, req)
	if err != nil || other[0].ID == first[0].ID {
		t.Fatalf("another user's key is another key: %+v, %v", other, err)
	}
	req.Sources[0].URI = "http://h/2"
	if _, err := w.service.Create(w.alice, req); !errs.Is(err, errs.IdempotencyReused) {
		t.Errorf("another request: %v", err)
	}
}

func TestASourceThatNobodyTakesIsRefusedAtOnce(t *testing.T) {
	w := newWorld(t)
	if _, err := w.service.Create(w.alice, &core.NewTask{Sources: []core.NewSource{{URI: "ftp://h/1", Field: "sources[0]"}}}); !errs.Is(err, errs.NoDownloaderForSource) {
		t.Errorf("by any: %v", err)
	}
	if _, err := w.service.Create(w.alice, &core.NewTask{Sources: []core.NewSource{{URI: "ftp://h/1"}}, Downloader: "d"}); !errs.Is(err, errs.SourceNotSupported) {
		t.Errorf("by the chosen one: %v", err)
	}
	if page, err := w.service.List(w.alice, &core.TaskQuery{}); err != nil || len(page.Items) != 0 {
		t.Errorf("left behind: %d, %v", len(page.Items), err)
	}
}

func TestProgressIsNotWritten(t *testing.T) {
	w := newWorld(t)
	w.create(w.alice, "http://h/1")
	job := w.started()
	w.report(job, core.JobDownloading, nil)
	before := w.db.Revision()
	for i := range int64(1000) {
		w.report(job, core.JobDownloading, func(o *core.ObservedJob) { o.Progress.DoneBytes = i })
	}
	if after := w.db.Revision(); after != before {
		t.Errorf("%d commits for progress", after-before)
	}
}
