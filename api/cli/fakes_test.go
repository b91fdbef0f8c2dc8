package cli_test

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

var testTime = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// fakeTasks keeps tasks in memory. Each look at one takes it a step further:
// loading, then completed, or failed where the source says "dead".
type fakeTasks struct {
	mu    sync.Mutex
	tasks []*core.TaskView
}

func (f *fakeTasks) Create(ctx context.Context, req *core.NewTask) ([]core.TaskView, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	id, err := core.IdentityFrom(ctx)
	if err != nil {
		return nil, err
	}
	var views []core.TaskView
	for _, src := range req.Sources {
		if src.Content == nil && !strings.Contains(src.URI, ":") {
			return nil, errs.New(errs.InvalidSource, "%q is not a source.", src.URI).WithField(src.Field, "is not a source")
		}
		v := &core.TaskView{
			Task: core.Task{
				ID: core.TaskID(fmt.Sprintf("019aa000-0000-7000-8000-0000abcd%04d", len(f.tasks))), Owner: id.User, Name: path.Base(src.URI),
				Source: core.TaskSource{Kind: cmp.Or(src.Kind, downloader.SourceHTTP), URI: src.URI}, State: core.StateQueued, Wish: core.WishRun,
				Selection: req.Selection, OnConflict: req.OnConflict, Seed: req.Seed, Options: req.Options,
				Attempt: 1, Destination: core.Destination{Storage: "s1", Path: req.Destination.Path}, CreatedAt: testTime,
			},
			Waiting:   &core.Waiting{Code: core.WaitingForSlot, Message: "All slots are taken."},
			OwnerName: id.Name, StorageName: cmp.Or(req.Destination.Storage, "local"),
		}
		if req.Paused {
			v.State, v.Wish, v.Waiting = core.StatePaused, core.WishPause, nil
		}
		f.tasks = append(f.tasks, v)
		views = append(views, *v)
	}
	return views, nil
}

func (f *fakeTasks) find(id core.TaskID) (*core.TaskView, error) {
	for _, t := range f.tasks {
		if t.ID == id {
			return t, nil
		}
	}
	return nil, errs.New(errs.NotFound, "There is no such task.")
}

func (f *fakeTasks) Get(_ context.Context, id core.TaskID) (*core.TaskView, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	t, err := f.find(id)
	if err != nil {
		return nil, err
	}
	step(t)
	view := *t
	return &view, nil
}

func step(t *core.TaskView) {
	switch t.State {
	case core.StateQueued:
		t.State, t.Waiting, t.NodeName, t.DownloaderName = core.StateDownloading, nil, "local", "aria2"
		t.Progress = core.Progress{TotalBytes: 3 << 20, DoneBytes: 1 << 20, DownloadRate: 1536}
	case core.StateDownloading:
		if strings.Contains(t.Source.URI, "dead") {
			t.State = core.StateFailed
			t.Error = core.NewFailure(errs.New(errs.SourceNotFound, "The server answered 404."), testTime)
			return
		}
		t.State, t.DownloadedAt, t.CompletedAt = core.StateCompleted, &testTime, &testTime
		t.Progress = core.Progress{TotalBytes: 3 << 20, DoneBytes: 3 << 20}
	}
}

// List answers two at a time, so that callers must follow the cursor.
func (f *fakeTasks) List(_ context.Context, q *core.TaskQuery) (*core.Page[core.TaskView], error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var from int
	if q.Cursor != "" {
		if _, err := fmt.Sscan(q.Cursor, &from); err != nil {
			return nil, errs.New(errs.InvalidCursor, "The cursor is not one of this list.")
		}
	}
	page := &core.Page[core.TaskView]{}
	for i, t := range f.tasks[from:] {
		if len(q.States) > 0 && !slices.Contains(q.States, t.State) {
			continue
		}
		if len(page.Items) == min(q.Limit, 2) {
			page.NextCursor = fmt.Sprint(from + i)
			break
		}
		page.Items = append(page.Items, *t)
	}
	return page, nil
}

func (f *fakeTasks) Cancel(_ context.Context, id core.TaskID) (*core.TaskView, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	t, err := f.find(id)
	if err != nil {
		return nil, err
	}
	if t.State.Ended() {
		return nil, errs.New(errs.WrongState, "The task is %s.", t.State)
	}
	t.State = core.StateCanceled
	return t, nil
}

func (f *fakeTasks) wish(id core.TaskID, wish core.Wish, state core.TaskState) (*core.TaskView, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	t, err := f.find(id)
	if err != nil {
		return nil, err
	}
	if !t.CanPause() {
		return nil, errs.New(errs.WrongState, "A task that is %s cannot do that.", t.State)
	}
	t.Wish, t.State = wish, state
	return t, nil
}

func (f *fakeTasks) Pause(_ context.Context, id core.TaskID) (*core.TaskView, error) {
	return f.wish(id, core.WishPause, core.StatePaused)
}

func (f *fakeTasks) Resume(_ context.Context, id core.TaskID) (*core.TaskView, error) {
	return f.wish(id, core.WishRun, core.StateQueued)
}

func (f *fakeTasks) Update(_ context.Context, id core.TaskID, c *core.TaskChange) (*core.TaskView, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	t, err := f.find(id)
	if err != nil {
		return nil, err
	}
	if c.Name != nil {
		t.Name = *c.Name
	}
	if c.Selection != nil {
		t.Selection = *c.Selection
	}
	if c.Seed != nil {
		t.Seed = c.Seed.Policy
	}
	if c.Destination != nil {
		t.Destination.Path, t.StorageName = c.Destination.Path, cmp.Or(c.Destination.Storage, t.StorageName)
	}
	if c.Options != nil {
		t.Options = c.Options
	}
	return t, nil
}

func (f *fakeTasks) Act(context.Context, core.TaskAction, []core.TaskID) ([]core.TaskResult, error) {
	return nil, errs.New(errs.Internal, "The command line has no use for it.")
}

// Retry notes what it was asked for in the name, where it can be seen.
func (f *fakeTasks) Retry(_ context.Context, id core.TaskID, o core.RetryOptions) (*core.TaskView, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	t, err := f.find(id)
	if err != nil {
		return nil, err
	}
	if o.Files != nil || o.Destination != nil {
		t.Name = fmt.Sprintf("files %v to %+v", o.Files, *o.Destination)
	}
	t.State, t.Error, t.Attempt = core.StateQueued, nil, t.Attempt+1
	return t, nil
}

func (f *fakeTasks) Recheck(ctx context.Context, id core.TaskID) (*core.TaskView, error) {
	return f.Get(ctx, id)
}

func (f *fakeTasks) History(_ context.Context, id core.TaskID) ([]core.HistoryEvent, error) {
	if _, err := f.find(id); err != nil {
		return nil, err
	}
	return []core.HistoryEvent{
		{Seq: 1, At: testTime, Kind: core.HistoryCreated, Message: "Taken in.", By: "env"},
		{Seq: 2, At: testTime, Kind: core.HistoryState, State: core.StateHeld, Code: errs.OutOfSpace, Message: "The disk\x1b[2J is full."},
	}, nil
}

func (f *fakeTasks) Inspect(_ context.Context, src *core.NewSource) (*core.SourceInfo, error) {
	switch {
	case src.Content != nil:
		return &core.SourceInfo{
			Kind: downloader.SourceTorrent, Name: src.URI, InfoHash: "aa11", Private: true, Size: 3 << 20, Downloaders: []string{"main", "box"},
			Files: []downloader.File{{Index: 0, Path: "a/one.bin", Size: 2 << 20}, {Index: 1, Path: "a/two\x1b.bin", Size: 1 << 20}},
		}, nil
	case strings.Contains(src.URI, ":"):
		return &core.SourceInfo{Kind: downloader.SourceHTTP, Size: -1, Resumable: true}, nil
	}
	return nil, errs.New(errs.InvalidSource, "%q is not a source.", src.URI).WithField(src.Field, "is not a source")
}

func (f *fakeTasks) Delete(_ context.Context, id core.TaskID, _ bool) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, err := f.find(id); err != nil {
		return err
	}
	f.tasks = slices.DeleteFunc(f.tasks, func(t *core.TaskView) bool { return t.ID == id })
	return nil
}

// taskFiles has names that a hostile torrent would choose.
func taskFiles(t *core.TaskView) []core.TaskFile {
	switch {
	case strings.Contains(t.Source.URI, "hostile"):
		return []core.TaskFile{{Index: 0, Path: "../../evil\x1b[2J", Size: 5, DoneBytes: 5, Wanted: true, Delivered: true}}
	case strings.Contains(t.Source.URI, "many"):
		return []core.TaskFile{{Index: 0, Path: "dir/one.bin", Size: 5, DoneBytes: 5, Wanted: true, Delivered: true}, {Index: 3, Path: "dir/sub/two.bin", Size: 5, DoneBytes: 5, Wanted: true, Delivered: true}}
	}
	if strings.Contains(t.Source.URI, "mixed") {
		return []core.TaskFile{
			{Index: 0, Path: "a.bin", Size: 8, DoneBytes: 8, Wanted: true, Failure: core.NewFailure(errs.New(errs.NameNotPossible, "Too long."), testTime)},
			{Index: 1, Path: "b.bin", Size: 8, DoneBytes: 2, Wanted: true},
			{Index: 2, Path: "c.bin", Size: 8, DoneBytes: -1},
			{Index: 3, Path: "d.bin", Size: 8, DoneBytes: 8, Wanted: true, Skipped: true},
		}
	}
	return []core.TaskFile{{Index: 0, Path: t.Name, Size: 5, DoneBytes: 5, Wanted: true, Delivered: true}}
}

func (f *fakeTasks) Files(_ context.Context, id core.TaskID) ([]core.TaskFile, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	t, err := f.find(id)
	if err != nil {
		return nil, err
	}
	return taskFiles(t), nil
}

type memoryFile struct{ *bytes.Reader }

func (memoryFile) Close() error { return nil }

func (f *fakeTasks) OpenFile(_ context.Context, _ core.TaskID, index int) (*core.FileContent, error) {
	content := []byte(fmt.Sprintf("data%d", index))
	return &core.FileContent{ReadSeekCloser: memoryFile{bytes.NewReader(content)}, Name: "x", Size: int64(len(content)), ModTime: testTime}, nil
}

type fakeUsers struct {
	mu     sync.Mutex
	tokens map[string]string
}

func (f *fakeUsers) Login(_ context.Context, name, password, _ string) (*core.Login, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if password != "s3cret" {
		return nil, errs.New(errs.InvalidLogin, "The user name or the password is wrong.")
	}
	f.tokens["token-"+name] = name
	return &core.Login{Secret: "token-" + name, ExpiresAt: testTime}, nil
}

func (f *fakeUsers) Logout(ctx context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	id, err := core.IdentityFrom(ctx)
	if err != nil {
		return err
	}
	delete(f.tokens, "token-"+id.Name)
	return nil
}

func (f *fakeUsers) Authenticate(_ context.Context, secret string) (*core.Identity, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	name, ok := f.tokens[secret]
	if !ok {
		return nil, errs.New(errs.Unauthenticated, "The token is not valid.")
	}
	id := &core.Identity{User: core.UserID("id-" + name), Name: name, GroupName: "users", Permissions: []core.Permission{core.PermissionDownload}}
	if name == "boss" {
		id.Permissions = append(id.Permissions, core.PermissionAdmin)
	}
	return id, nil
}

type fakeDownloaders struct {
	mu  sync.Mutex
	all []*core.DownloaderView
}

func (f *fakeDownloaders) List(context.Context, int, string) (*core.Page[core.DownloaderView], error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	page := &core.Page[core.DownloaderView]{}
	for _, d := range f.all {
		page.Items = append(page.Items, *d)
	}
	return page, nil
}

func (f *fakeDownloaders) Get(_ context.Context, name string) (*core.DownloaderView, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, d := range f.all {
		if d.Name == name {
			return d, nil
		}
	}
	return nil, errs.New(errs.NotFound, "There is no downloader %q.", name)
}

func (f *fakeDownloaders) Create(_ context.Context, c *core.DownloaderChange) (*core.DownloaderView, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if *c.Name == "forbidden" {
		return nil, errs.New(errs.Forbidden, "Your group does not have the permission %q.", "admin")
	}
	d := &core.DownloaderView{
		Downloader: core.Downloader{
			ID: core.DownloaderID("id-" + *c.Name), Name: *c.Name, Plugin: *c.Plugin, Enabled: c.Enabled == nil || *c.Enabled,
			Settings: c.Settings, Options: c.Options, MaxActive: 500, Weight: 1, PollInterval: 1, CreatedAt: testTime,
		},
		NodeName: "local", Health: core.Health{State: core.HealthStarting},
	}
	if c.PathMap != nil {
		d.PathMap = *c.PathMap
	}
	f.all = append(f.all, d)
	return d, nil
}

func (f *fakeDownloaders) Update(ctx context.Context, name string, c *core.DownloaderChange) (*core.DownloaderView, error) {
	d, err := f.Get(ctx, name)
	if err != nil {
		return nil, err
	}
	if c.Settings != nil {
		d.Settings = c.Settings
	}
	if c.Options != nil {
		d.Options = c.Options
	}
	if c.PathMap != nil {
		d.PathMap = *c.PathMap
	}
	if c.Enabled != nil {
		d.Enabled = *c.Enabled
	}
	if c.Seed != nil {
		d.Seed = c.Seed.Policy
	}
	return d, nil
}

func (f *fakeDownloaders) Delete(ctx context.Context, name string) error {
	if _, err := f.Get(ctx, name); err != nil {
		return err
	}
	f.all = slices.DeleteFunc(f.all, func(d *core.DownloaderView) bool { return d.Name == name })
	return nil
}

func (f *fakeDownloaders) Test(ctx context.Context, name string) (*downloader.TestResult, error) {
	if _, err := f.Get(ctx, name); err != nil {
		return nil, err
	}
	result := &downloader.TestResult{Version: "1.37.0", Checks: []downloader.TestCheck{{Name: "reachable", Message: "It answers."}}}
	if name == "locked" {
		result.Checks = append(result.Checks, downloader.TestCheck{Name: "credentials", Err: errs.New(errs.DownloaderAuthFailed, "The secret is wrong.")})
	}
	return result, nil
}

func (f *fakeDownloaders) TestUnsaved(context.Context, *core.DownloaderChange) (*downloader.TestResult, error) {
	return &downloader.TestResult{}, nil
}

func (f *fakeDownloaders) Plugins(context.Context) ([]core.PluginView, error) {
	used := core.PluginView{
		ObservedPlugin: core.ObservedPlugin{Active: true, Path: "/p/haul-downloader-aria2", Description: downloader.Description{
			Name: "aria2", Version: "0.1.0", Sources: []downloader.SourceKind{downloader.SourceHTTP, downloader.SourceMagnet}, Managed: true,
			SettingsSchema: []byte(`{"required":["address"],"properties":{"address":{"type":"string","title":"Address"},"secret":{"type":"string","writeOnly":true}}}`),
			OptionsSchema:  []byte(`{"properties":{"split":{"type":"integer","minimum":1,"maximum":16,"description":"Connections."}}}`), ReservedOptions: []string{"dir", "out"},
		}},
		Instances: []core.PluginInstance{{Downloader: "d1", Name: "main"}},
	}
	older := used
	older.Version, older.Active, older.Instances = "0.0.9", false, nil
	return []core.PluginView{older, used}, nil
}

func (f *fakeDownloaders) Rescan(ctx context.Context) ([]core.PluginView, error) {
	return f.Plugins(ctx)
}

type fakeReady struct{}

func (fakeReady) Ready(context.Context) []core.Waiting { return nil }
