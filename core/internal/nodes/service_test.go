package nodes

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/secret"
	"github.com/haul-dl/haul/core/internal/store"
	"github.com/haul-dl/haul/core/internal/store/bolt"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

const waitLimit = 10 * time.Second

// scriptedNode is a link and its session, on the test's strings.
type scriptedNode struct {
	orders   chan *core.Orders
	reports  chan *core.Report
	connects chan struct{}
	broken   chan struct{}

	mu     sync.Mutex
	tested []core.DesiredDownloader
}

func newScriptedNode() *scriptedNode {
	return &scriptedNode{
		orders: make(chan *core.Orders, 100), reports: make(chan *core.Report, 100),
		connects: make(chan struct{}, 100), broken: make(chan struct{}, 1),
	}
}

func (n *scriptedNode) Connect(context.Context) (core.Session, error) {
	n.connects <- struct{}{}
	return n, nil
}

func (n *scriptedNode) Send(_ context.Context, o *core.Orders) error {
	n.orders <- o
	return nil
}

func (n *scriptedNode) Receive(ctx context.Context) (*core.Report, error) {
	select {
	case r := <-n.reports:
		return r, nil
	case <-n.broken:
		return nil, errors.New("the line is cut")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (n *scriptedNode) TestDownloader(_ context.Context, d core.DesiredDownloader) (downloader.TestResult, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.tested = append(n.tested, d)
	return downloader.TestResult{Version: "1"}, nil
}

func (n *scriptedNode) RescanPlugins(context.Context) ([]core.ObservedPlugin, error) {
	return []core.ObservedPlugin{plugin("fresh", false)}, nil
}

func (n *scriptedNode) FetchSource(context.Context, core.TaskSource) (*core.FetchedSource, error) {
	return nil, errs.New(errs.NotOffered, "The scripted node fetches nothing.")
}

func (n *scriptedNode) JobFiles(context.Context, core.JobID) ([]downloader.File, error) {
	return nil, errs.New(errs.NotFound, "The scripted node has no jobs.")
}

func (n *scriptedNode) TestStorage(_ context.Context, st core.DesiredStorage) (downloader.TestResult, error) {
	return downloader.TestResult{Version: string(st.Kind) + string(st.Settings)}, nil
}

func (n *scriptedNode) FindTaken(context.Context, core.StorageID, string, []string) ([]string, error) {
	return nil, nil
}

func (n *scriptedNode) RemoveFiles(context.Context, core.StorageID, string, []core.DeliveredFile) ([]core.DeliveredFile, error) {
	return nil, nil
}

func (n *scriptedNode) Close() error { return nil }

func plugin(name string, managed bool) core.ObservedPlugin {
	return core.ObservedPlugin{Kind: core.PluginDownloader, Description: downloader.Description{
		Name: name, Sources: []downloader.SourceKind{downloader.SourceHTTP}, SettingsSchema: []byte(testSchema), Managed: managed,
	}}
}

// observer notes what it is told.
type observer struct {
	jobs  chan []core.ObservedJob
	wakes chan struct{}
}

func (o *observer) Observe(_ context.Context, _ core.NodeID, jobs []core.ObservedJob) ([]core.JobID, error) {
	o.jobs <- jobs
	var ended []core.JobID
	for _, j := range jobs {
		if j.Phase.Ended() {
			ended = append(ended, j.ID)
		}
	}
	return ended, nil
}

func (o *observer) Wake() { o.wakes <- struct{}{} }

type world struct {
	t       *testing.T
	db      store.KV
	store   *store.Store
	node    core.Node
	far     *scriptedNode
	seen    *observer
	service *Service
	admin   context.Context
	user    context.Context
}

func newWorld(t *testing.T, autoCreate bool) *world {
	t.Helper()
	dir := t.TempDir()
	box, err := secret.Open(filepath.Join(dir, "key"))
	if err != nil {
		t.Fatal(err)
	}
	db, err := bolt.Open(filepath.Join(dir, "db"), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{
		t: t, db: db, node: core.Node{ID: core.NewID[core.NodeID](), Name: "local"}, far: newScriptedNode(),
		seen:  &observer{jobs: make(chan []core.ObservedJob, 100), wakes: make(chan struct{}, 100)},
		admin: core.WithIdentity(t.Context(), &core.Identity{Permissions: []core.Permission{core.PermissionAdmin}}),
		user:  core.WithIdentity(t.Context(), &core.Identity{Permissions: []core.Permission{core.PermissionDownload}}),
	}
	if w.store, err = store.New(t.Context(), db, store.Options{Box: box}); err != nil {
		t.Fatal(err)
	}
	w.service, err = New(t.Context(), Options{Store: w.store, Logger: hclog.NewNullLogger(), Clock: time.Now, AutoCreate: autoCreate})
	if err != nil {
		t.Fatal(err)
	}
	w.service.AddNode(w.node, w.far)
	t.Cleanup(func() {
		w.service.Stop()
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// online starts the service and lets the node report some plugins.
func (w *world) online(plugins ...core.ObservedPlugin) {
	w.t.Helper()
	w.service.Start(w.seen)
	if o := receive(w.t, w.far.orders, "the first orders"); !o.Full {
		w.t.Fatal("the first orders of a session must hold everything")
	}
	w.far.reports <- &core.Report{Full: true, Plugins: plugins, Downloaders: []core.ObservedDownloader{}}
	receive(w.t, w.seen.wakes, "the scheduler to be woken")
}

func receive[T any](t *testing.T, c <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(waitLimit):
		t.Fatalf("waited in vain for %s", what)
		panic("unreachable")
	}
}

func text(s string) *string { return &s }

func (w *world) create(name, settings string) *core.DownloaderView {
	w.t.Helper()
	v, err := w.service.Create(w.admin, &core.DownloaderChange{Name: text(name), Plugin: text("p"), Settings: []byte(settings)})
	if err != nil {
		w.t.Fatal(err)
	}
	return v
}

func TestASessionBeginsWithEverythingAndGoesOnWithWhatChanges(t *testing.T) {
	w := newWorld(t, false)
	job := &core.Job{ID: core.NewID[core.JobID](), Node: w.node.ID, Revision: 1, Wish: core.JobRun}
	put := func() {
		t.Helper()
		if err := w.store.Update(t.Context(), func(tx *store.Tx) error { return tx.PutJob(job) }); err != nil {
			t.Fatal(err)
		}
	}
	put()
	w.service.Start(w.seen)
	if o := receive(t, w.far.orders, "the first orders"); !o.Full || len(o.Jobs) != 1 || o.Jobs[0].ID != job.ID {
		t.Fatalf("first orders %+v", o)
	}
	if w.service.Online(w.node.ID) || len(w.service.Ready()) == 0 {
		t.Error("a node that has not reported is not online")
	}
	w.far.reports <- &core.Report{Full: true, Jobs: []core.ObservedJob{{ID: job.ID, Phase: core.JobDone}}}
	receive(t, w.seen.jobs, "the report")
	if o := receive(t, w.far.orders, "the leave to forget"); o.Full || len(o.Forget) != 1 || o.Forget[0] != job.ID {
		t.Fatalf("orders %+v", o)
	}
	if !w.service.Online(w.node.ID) || len(w.service.Ready()) != 0 {
		t.Error("a node that has reported is online")
	}
	job.Revision++
	put()
	w.service.Dispatch(w.node.ID, job.ID)
	if o := receive(t, w.far.orders, "the changed job"); len(o.Jobs) != 1 || o.Jobs[0].Revision != 2 {
		t.Fatalf("orders %+v", o)
	}
}

func TestTorrentFilesAreSentAFewAtATime(t *testing.T) {
	w := newWorld(t, false)
	sizes := []int{1, contentAtOnce, contentAtOnce / 2, contentAtOnce/2 + 1, 7}
	var jobs []core.JobID
	for _, size := range sizes {
		task := core.Task{ID: core.NewID[core.TaskID](), State: core.StateStarting}
		job := &core.Job{
			ID: core.NewID[core.JobID](), Node: w.node.ID, Revision: 1, Wish: core.JobRun,
			Source: core.TaskSource{Kind: downloader.SourceTorrent, Uploaded: true}, ContentOf: task.ID,
		}
		err := w.store.Update(t.Context(), func(tx *store.Tx) error {
			return errors.Join(tx.PutTask(&task), tx.PutContent(task.ID, make([]byte, size)), tx.PutJob(job))
		})
		if err != nil {
			t.Fatal(err)
		}
		jobs = append(jobs, job.ID)
	}
	arrive := func(when string) {
		t.Helper()
		got := map[core.JobID]int{}
		for full := 0; full < len(jobs); {
			held := 0
			o := receive(t, w.far.orders, when)
			for _, j := range o.Jobs {
				got[j.ID], held = max(got[j.ID], len(j.Content)), held+len(j.Content)
			}
			if held > 2*contentAtOnce {
				t.Errorf("%s: %d bytes at once", when, held)
			}
			full = len(o.Jobs)
		}
		for i, id := range jobs {
			if got[id] != sizes[i] {
				t.Errorf("%s: of the file of %d bytes came %d", when, sizes[i], got[id])
			}
		}
	}
	w.service.Start(w.seen)
	arrive("at the start")
	w.service.Dispatch(w.node.ID, jobs...)
	arrive("when all have changed")
}

func TestNothingIsUnwantedWhileARecordIsDamaged(t *testing.T) {
	w := newWorld(t, false)
	job := &core.Job{ID: core.NewID[core.JobID](), Node: w.node.ID, Revision: 1, Wish: core.JobRun}
	if err := w.store.Update(t.Context(), func(tx *store.Tx) error { return tx.PutJob(job) }); err != nil {
		t.Fatal(err)
	}
	spoilt := store.Op{Type: store.OpPut, Key: "job/" + string(job.ID), Value: []byte("spoilt")}
	if _, err := w.db.Commit(t.Context(), &store.Txn{Then: []store.Op{spoilt}}); err != nil {
		t.Fatal(err)
	}
	w.service.Start(w.seen)
	if o := receive(t, w.far.orders, "the first orders"); o.Full {
		t.Error("the node is told to remove what core cannot read")
	}
}

func TestALostSessionIsOpenedAgain(t *testing.T) {
	w := newWorld(t, false)
	w.online()
	<-w.far.connects
	w.far.broken <- struct{}{}
	receive(t, w.far.connects, "another session")
	if o := receive(t, w.far.orders, "its first orders"); !o.Full {
		t.Error("the first orders of a session must hold everything")
	}
}

func TestADownloaderIsMadeOfEachPluginThatNeedsNothing(t *testing.T) {
	w := newWorld(t, true)
	w.online(plugin("p", true), plugin("q", false))
	o := receive(t, w.far.orders, "the new downloader")
	if len(o.Downloaders) != 1 || o.Downloaders[0].Plugin != "p" || o.Downloaders[0].Name != "p" {
		t.Fatalf("orders %+v", o)
	}
	w.far.reports <- &core.Report{Plugins: []core.ObservedPlugin{plugin("p", true), plugin("r", true)}}
	receive(t, w.seen.wakes, "the second report to be taken in")
	if page, err := w.service.List(w.admin, 0, ""); err != nil || len(page.Items) != 1 {
		t.Errorf("%d downloaders, %v: where one is configured no other is made", len(page.Items), err)
	}
}

func TestADownloaderIsChangedWithoutLosingItsSecret(t *testing.T) {
	w := newWorld(t, false)
	w.online(plugin("p", false))
	v := w.create("d", `{"address":"h:1","secret":"hunter2"}`)
	if o := receive(t, w.far.orders, "the downloader"); string(o.Downloaders[0].Settings) != `{"address":"h:1","secret":"hunter2"}` {
		t.Errorf("the node gets %s", o.Downloaders[0].Settings)
	}
	if strings.Contains(string(v.Settings), "hunter2") {
		t.Errorf("the secret is shown: %s", v.Settings)
	}
	three := 3
	v, err := w.service.Update(w.admin, "d", &core.DownloaderChange{Settings: v.Settings, MaxActive: &three})
	if err != nil || v.MaxActive != 3 {
		t.Fatalf("%+v, %v", v, err)
	}
	o := receive(t, w.far.orders, "the change")
	if d := o.Downloaders[0]; !strings.Contains(string(d.Settings), "hunter2") || d.MaxActive != 3 || d.Revision != 2 {
		t.Errorf("the node gets %+v, %s", d, d.Settings)
	}
	if result, err := w.service.Test(w.admin, "d"); err != nil || result.Version != "1" {
		t.Errorf("test: %+v, %v", result, err)
	}
	if len(w.far.tested) != 1 || !strings.Contains(string(w.far.tested[0].Settings), "hunter2") {
		t.Errorf("the node tests %+v", w.far.tested)
	}
}

func TestWrongDownloadersAreRefusedByField(t *testing.T) {
	w := newWorld(t, false)
	broken := plugin("broken", false)
	broken.Failure = &core.Failure{Code: errs.PluginUntrusted, Message: "world-writable"}
	w.online(plugin("p", false), broken)
	w.create("taken", `{}`)
	zero := 0
	tests := []struct {
		name   string
		change core.DownloaderChange
		code   errs.Code
		field  string
	}{
		{"no name", core.DownloaderChange{Plugin: text("p")}, errs.InvalidRequest, "name"},
		{"a name with a slash", core.DownloaderChange{Name: text("a/b"), Plugin: text("p")}, errs.InvalidRequest, "name"},
		{"a name that is another downloader's id", core.DownloaderChange{Name: text("01a1fc31-8c16-7ba2-9dfb-1ec0f3c0fdcc"), Plugin: text("p")}, errs.InvalidRequest, "name"},
		{"a name that is a path of the API", core.DownloaderChange{Name: text("test"), Plugin: text("p")}, errs.InvalidRequest, "name"},
		{"no plugin", core.DownloaderChange{Name: text("x")}, errs.InvalidRequest, "plugin"},
		{"an unknown node", core.DownloaderChange{Name: text("x"), Plugin: text("p"), Node: text("mars")}, errs.InvalidRequest, "node"},
		{"no places at all", core.DownloaderChange{Name: text("x"), Plugin: text("p"), MaxActive: &zero}, errs.InvalidRequest, "max_active"},
		{"a plugin that is not there", core.DownloaderChange{Name: text("x"), Plugin: text("nobody")}, errs.PluginMissing, "plugin"},
		{"a plugin that cannot be used", core.DownloaderChange{Name: text("x"), Plugin: text("broken")}, errs.PluginUntrusted, "plugin"},
		{"settings that do not fit", core.DownloaderChange{Name: text("x"), Plugin: text("p"), Settings: []byte(`{"address":5}`)}, errs.InvalidSettings, "settings.address"},
		{"a name that is taken", core.DownloaderChange{Name: text("taken"), Plugin: text("p")}, errs.NameTaken, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := w.service.Create(w.admin, &tt.change)
			e, ok := errors.AsType[*errs.Error](err)
			if !ok || e.Code != tt.code || tt.field != "" && (len(e.Fields) != 1 || e.Fields[0].Name != tt.field) {
				t.Errorf("got %#v, want %s for %q", err, tt.code, tt.field)
			}
		})
	}
	if page, err := w.service.List(w.admin, 0, ""); err != nil || len(page.Items) != 1 {
		t.Errorf("%d downloaders, %v", len(page.Items), err)
	}
}

func TestOnlyAdminsChangeDownloaders(t *testing.T) {
	w := newWorld(t, false)
	w.online(plugin("p", false))
	w.create("d", `{}`)
	calls := map[string]func(ctx context.Context) error{
		"create": func(ctx context.Context) error { _, err := w.service.Create(ctx, &core.DownloaderChange{}); return err },
		"update": func(ctx context.Context) error {
			_, err := w.service.Update(ctx, "d", &core.DownloaderChange{})
			return err
		},
		"delete": func(ctx context.Context) error { return w.service.Delete(ctx, "d") },
		"test":   func(ctx context.Context) error { _, err := w.service.Test(ctx, "d"); return err },
		"unsaved": func(ctx context.Context) error {
			_, err := w.service.TestUnsaved(ctx, &core.DownloaderChange{})
			return err
		},
		"rescan": func(ctx context.Context) error { _, err := w.service.Rescan(ctx); return err },
	}
	for name, call := range calls {
		if err := call(w.user); !errs.Is(err, errs.Forbidden) {
			t.Errorf("%s by a user: %v", name, err)
		}
		if err := call(t.Context()); !errs.Is(err, errs.Unauthenticated) {
			t.Errorf("%s by nobody: %v", name, err)
		}
	}
}

func TestADownloaderWithJobsIsNotDeleted(t *testing.T) {
	w := newWorld(t, false)
	w.online(plugin("p", false))
	d := w.create("d", `{}`)
	receive(t, w.far.orders, "the downloader")
	job := &core.Job{ID: core.NewID[core.JobID](), Node: w.node.ID, Downloader: d.ID, Revision: 1, Wish: core.JobRun}
	if err := w.store.Update(t.Context(), func(tx *store.Tx) error { return tx.PutJob(job) }); err != nil {
		t.Fatal(err)
	}
	if err := w.service.Delete(w.admin, "d"); !errs.Is(err, errs.InUse) {
		t.Fatalf("with a job: %v", err)
	}
	if err := w.store.Update(t.Context(), func(tx *store.Tx) error { return tx.DeleteJob(job.ID) }); err != nil {
		t.Fatal(err)
	}
	if err := w.service.Delete(w.admin, "d"); err != nil {
		t.Fatal(err)
	}
	if o := receive(t, w.far.orders, "the end of the downloader"); len(o.RemovedDownloaders) != 1 {
		t.Errorf("orders %+v", o)
	}
}

func TestADownloaderThatIsGoneForGoodCanBeDeletedOnceItsTasksAreCanceled(t *testing.T) {
	w := newWorld(t, false)
	w.online(plugin("p", false))
	d := w.create("d", `{}`)
	job := &core.Job{ID: core.NewID[core.JobID](), Node: w.node.ID, Downloader: d.ID, Revision: 1, Wish: core.JobRemove}
	if err := w.store.Update(t.Context(), func(tx *store.Tx) error { return tx.PutJob(job) }); err != nil {
		t.Fatal(err)
	}
	health := func(state core.HealthState) {
		t.Helper()
		w.far.reports <- &core.Report{Downloaders: []core.ObservedDownloader{{ID: d.ID, Health: core.Health{State: state}}}}
		receive(t, w.seen.wakes, "the report to be taken in")
	}
	health(core.HealthOK)
	if err := w.service.Delete(w.admin, "d"); !errs.Is(err, errs.InUse) {
		t.Fatalf("one that is well can still remove its jobs: %v", err)
	}
	health(core.HealthDegraded)
	if err := w.service.Delete(w.admin, "d"); err != nil {
		t.Fatal(err)
	}
}

func TestTheLastDownloaderStaysDeleted(t *testing.T) {
	w := newWorld(t, true)
	w.online(plugin("p", true))
	receive(t, w.far.orders, "the new downloader")
	if err := w.service.Delete(w.admin, "p"); err != nil {
		t.Fatal(err)
	}
	w.far.reports <- &core.Report{Plugins: []core.ObservedPlugin{plugin("p", true)}}
	receive(t, w.seen.wakes, "the report to be taken in")
	if page, err := w.service.List(w.admin, 0, ""); err != nil || len(page.Items) != 0 {
		t.Errorf("%d downloaders, %v", len(page.Items), err)
	}
}

func TestOnlyAdminsSeeSettings(t *testing.T) {
	w := newWorld(t, false)
	w.online(plugin("p", false))
	w.create("d", `{"address":"10.1.2.3:6800"}`)
	for who, ctx := range map[bool]context.Context{true: w.admin, false: w.user} {
		v, err := w.service.Get(ctx, "d")
		if err != nil || strings.Contains(string(v.Settings), "10.1.2.3") != who {
			t.Errorf("admin %v: %s, %v", who, v.Settings, err)
		}
	}
}

func TestTheSchedulerHearsWhyADownloaderTakesNothing(t *testing.T) {
	w := newWorld(t, false)
	w.online(plugin("p", false))
	d := w.create("d", `{}`)
	health := func(h core.Health) {
		t.Helper()
		w.far.reports <- &core.Report{Downloaders: []core.ObservedDownloader{{ID: d.ID, Health: h}}}
		receive(t, w.seen.wakes, "the scheduler to be woken")
	}
	if c := w.service.Candidates()[0]; c.Trouble == nil || c.Trouble.Code != errs.PluginStarting {
		t.Errorf("before any report: %+v", c.Trouble)
	}
	health(core.Health{State: core.HealthOK})
	if c := w.service.Candidates()[0]; c.Trouble != nil || len(c.Sources) != 1 {
		t.Errorf("a healthy one: %+v", c)
	}
	health(core.Health{State: core.HealthDegraded, Code: errs.DownloaderAuthFailed, Message: "wrong secret"})
	if c := w.service.Candidates()[0]; c.Trouble == nil || c.Trouble.Code != errs.DownloaderAuthFailed {
		t.Errorf("a degraded one: %+v", c.Trouble)
	}
}

func TestARescanShowsThePluginsThatItFound(t *testing.T) {
	w := newWorld(t, false)
	w.online(plugin("p", false))
	plugins, err := w.service.Rescan(w.admin)
	if err != nil || len(plugins) != 1 || plugins[0].Name != "fresh" || plugins[0].NodeName != "local" || !plugins[0].Active {
		t.Errorf("%+v, %v", plugins, err)
	}
}
