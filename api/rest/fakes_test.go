package rest_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

const (
	userToken  = "user-token"
	adminToken = "admin-token"
)

var (
	testTime = time.Date(2026, 11, 21, 12, 0, 0, 0, time.FixedZone("CET", 3600))
	taskA    = core.NewID[core.TaskID]()
)

// fullTask has a value in every field.
func fullTask(id core.TaskID) core.TaskView {
	return core.TaskView{
		Task: core.Task{
			ID: id, Owner: "u1", Source: core.TaskSource{Kind: downloader.SourceMagnet, URI: "magnet:?xt=x&dn=y"},
			Name: "film", InfoHash: "dd8255ecdc7ca55fb0bbf81323d87062db1f6d1c", Wish: core.WishRun, State: core.StateHeld,
			Error:   &core.Failure{Code: errs.OutOfSpace, Message: "The disk is full.", Hint: "Free some.", Retryable: true, At: testTime},
			Attempt: 2, Node: "n1", Downloader: "d1", Job: "j1", Destination: core.Destination{Storage: "s1", Path: "films"},
			Selection:  core.Selection{Indexes: []int{0, 2}, Patterns: []string{"*.mkv", "!*sample*"}, MinSize: 50 << 20},
			OnConflict: core.ConflictSkip, Seed: &core.SeedPolicy{Enabled: true, Ratio: 1.5, TimeSeconds: 3600}, Options: []byte(`{"split":4}`),
			InfoHashV2: strings.Repeat("ab", 32), Private: true, Retries: core.Retries{Used: 1, Limit: 3, NextAt: &testTime}, HeldUntil: &testTime,
			CreatedAt: testTime, StartedAt: &testTime, DownloadedAt: &testTime, DeliveredAt: &testTime, CompletedAt: &testTime, DeletedAt: &testTime,
		},
		Progress:  core.Progress{TotalBytes: 1000, DoneBytes: 500, UploadedBytes: 250, DownloadRate: 99, UploadRate: 7, Peers: 3, Seeds: 1},
		Delivery:  core.DeliveryProgress{TotalBytes: 1000, DoneBytes: 10, FilesTotal: 2, FilesDone: 1},
		Waiting:   &core.Waiting{Code: core.WaitingForSlot, Message: "All slots are taken."},
		OwnerName: "alice", NodeName: "local", DownloaderName: "aria2", StorageName: "local",
	}
}

// bareTask has a value only where it cannot be otherwise.
func bareTask(id core.TaskID) core.TaskView {
	return core.TaskView{Task: core.Task{
		ID: id, Owner: "u1", Source: core.TaskSource{Kind: downloader.SourceHTTP, URI: "https://example.org/a"},
		Name: "a", Wish: core.WishRun, State: core.StateQueued, Attempt: 1, Destination: core.Destination{Storage: "s1"}, CreatedAt: testTime,
	}}
}

// fakeTasks answers with what the test sets and remembers what it was asked.
type fakeTasks struct {
	mu      sync.Mutex
	created *core.NewTask
	query   *core.TaskQuery
	deleted []bool
	changed *core.TaskChange
	action  core.TaskAction
	acted   []core.TaskID
	calls   []string
	retried core.RetryOptions
	source  *core.NewSource
	info    *core.SourceInfo
	content []byte
	name    string
	err     error
	panics  bool
}

func (f *fakeTasks) Create(_ context.Context, req *core.NewTask) ([]core.TaskView, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.created = req
	views := make([]core.TaskView, len(req.Sources))
	for i := range views {
		views[i] = bareTask(taskA)
	}
	return views, f.err
}

func (f *fakeTasks) Get(_ context.Context, id core.TaskID) (*core.TaskView, error) {
	if f.panics {
		panic("secret detail")
	}
	if f.err != nil {
		return nil, f.err
	}
	if id != taskA {
		return nil, errs.New(errs.NotFound, "There is no such task.")
	}
	v := fullTask(id)
	return &v, nil
}

func (f *fakeTasks) List(_ context.Context, q *core.TaskQuery) (*core.Page[core.TaskView], error) {
	f.query = q
	return &core.Page[core.TaskView]{Items: []core.TaskView{fullTask(taskA), bareTask(taskA)}, NextCursor: "more"}, f.err
}

func (f *fakeTasks) call(ctx context.Context, name string, id core.TaskID) (*core.TaskView, error) {
	f.calls = append(f.calls, name)
	return f.Get(ctx, id)
}

func (f *fakeTasks) Cancel(ctx context.Context, id core.TaskID) (*core.TaskView, error) {
	return f.call(ctx, "cancel", id)
}

func (f *fakeTasks) Retry(ctx context.Context, id core.TaskID, o core.RetryOptions) (*core.TaskView, error) {
	f.retried = o
	return f.call(ctx, "retry", id)
}

func (f *fakeTasks) Recheck(ctx context.Context, id core.TaskID) (*core.TaskView, error) {
	return f.call(ctx, "recheck", id)
}

func (f *fakeTasks) History(ctx context.Context, id core.TaskID) ([]core.HistoryEvent, error) {
	if _, err := f.Get(ctx, id); err != nil {
		return nil, err
	}
	return []core.HistoryEvent{
		{Seq: 7, At: testTime, Kind: core.HistoryState, State: core.StateHeld, Code: errs.OutOfSpace, Message: "The disk is full."},
		{Seq: 8, At: testTime, Kind: core.HistoryWish, Message: "Tried again.", By: "alice"},
	}, nil
}

func (f *fakeTasks) Inspect(_ context.Context, src *core.NewSource) (*core.SourceInfo, error) {
	f.source = src
	return f.info, f.err
}

func (f *fakeTasks) Pause(ctx context.Context, id core.TaskID) (*core.TaskView, error) {
	return f.call(ctx, "pause", id)
}

func (f *fakeTasks) Resume(ctx context.Context, id core.TaskID) (*core.TaskView, error) {
	return f.call(ctx, "resume", id)
}

func (f *fakeTasks) Update(ctx context.Context, id core.TaskID, c *core.TaskChange) (*core.TaskView, error) {
	f.changed = c
	return f.call(ctx, "update", id)
}

// Act fails for every task but one.
func (f *fakeTasks) Act(ctx context.Context, action core.TaskAction, ids []core.TaskID) ([]core.TaskResult, error) {
	f.action, f.acted = action, ids
	results := make([]core.TaskResult, len(ids))
	for i, id := range ids {
		results[i].ID = id
		if results[i].Task, results[i].Err = f.Get(ctx, id); action == core.ActionDelete {
			results[i].Task = nil
		}
	}
	return results, f.err
}

func (f *fakeTasks) Delete(_ context.Context, _ core.TaskID, deleteData bool) error {
	f.deleted = append(f.deleted, deleteData)
	return f.err
}

func (f *fakeTasks) Files(context.Context, core.TaskID) ([]core.TaskFile, error) {
	return []core.TaskFile{
		{Index: 0, Path: "a/b.bin", Size: 7, DoneBytes: 7, Wanted: true, Delivered: true},
		{Index: 1, Path: "a/c.bin", Size: 9, DoneBytes: -1, Wanted: true, Failure: &core.Failure{Code: errs.NameNotPossible, Message: "Too long.", At: testTime}},
		{Index: 2, Path: "a/d.bin", Size: 9, Skipped: true},
	}, f.err
}

type nopCloser struct{ *bytes.Reader }

func (nopCloser) Close() error { return nil }

func (f *fakeTasks) OpenFile(context.Context, core.TaskID, int) (*core.FileContent, error) {
	if f.err != nil {
		return nil, f.err
	}
	var content io.ReadSeekCloser = nopCloser{bytes.NewReader(f.content)}
	return &core.FileContent{ReadSeekCloser: content, Name: f.name, Size: int64(len(f.content)), ModTime: testTime}, nil
}

type fakeUsers struct{ remote string }

func (f *fakeUsers) Login(_ context.Context, name, password, remote string) (*core.Login, error) {
	f.remote = remote
	if password != "right" {
		return nil, errs.New(errs.InvalidLogin, "The user name or the password is wrong.")
	}
	return &core.Login{Secret: name + "-token", ExpiresAt: testTime}, nil
}

func (f *fakeUsers) Logout(ctx context.Context) error {
	_, err := core.IdentityFrom(ctx)
	return err
}

func (f *fakeUsers) Authenticate(_ context.Context, secret string) (*core.Identity, error) {
	switch secret {
	case adminToken:
		return &core.Identity{User: "u0", Name: "admin", GroupName: "admins", Permissions: []core.Permission{core.PermissionAdmin}}, nil
	case userToken:
		return &core.Identity{User: "u1", Name: "alice", GroupName: "users", Permissions: []core.Permission{core.PermissionDownload}}, nil
	}
	return nil, errs.New(errs.Unauthenticated, "The token is not valid.")
}

type fakeDownloaders struct {
	change *core.DownloaderChange
	err    error
}

func testDownloader() *core.DownloaderView {
	return &core.DownloaderView{
		Downloader: core.Downloader{
			ID: "d1", Name: "aria2", Node: "n1", Plugin: "aria2", Enabled: true, Settings: []byte(`{"secret":"<secret>"}`),
			Options: []byte(`{"split":4}`), PathMap: []core.PathMapping{{Daemon: "/downloads", Node: "/srv/d"}}, Seed: &core.SeedPolicy{},
			MaxActive: 500, Weight: 1, PollInterval: 1, CreatedAt: testTime,
		},
		NodeName: "local", Restarts: 1, PluginPID: 42, Active: 3,
		Health: core.Health{State: core.HealthDegraded, Code: errs.DownloaderUnreachable, Message: "refused", Version: "1.37.0", CheckedAt: testTime},
	}
}

func (f *fakeDownloaders) List(context.Context, int, string) (*core.Page[core.DownloaderView], error) {
	bare := core.DownloaderView{Downloader: core.Downloader{ID: "d2", Name: "x", Node: "n1", Plugin: "p", MaxActive: 1, Weight: 1, PollInterval: 1}}
	return &core.Page[core.DownloaderView]{Items: []core.DownloaderView{*testDownloader(), bare}}, f.err
}

func (f *fakeDownloaders) Get(_ context.Context, id string) (*core.DownloaderView, error) {
	if id != "aria2" {
		return nil, errs.New(errs.NotFound, "There is no downloader %q.", id)
	}
	return testDownloader(), nil
}

func (f *fakeDownloaders) Create(_ context.Context, c *core.DownloaderChange) (*core.DownloaderView, error) {
	f.change = c
	return testDownloader(), f.err
}

func (f *fakeDownloaders) Update(_ context.Context, _ string, c *core.DownloaderChange) (*core.DownloaderView, error) {
	f.change = c
	return testDownloader(), f.err
}

func (f *fakeDownloaders) Delete(context.Context, string) error { return f.err }

func (f *fakeDownloaders) Test(context.Context, string) (*downloader.TestResult, error) {
	return &downloader.TestResult{Version: "1.37.0", Checks: []downloader.TestCheck{
		{Name: "reachable", Message: "It answers."},
		{Name: "credentials", Err: errs.Wrap(fmt.Errorf("dial secret"), errs.DownloaderAuthFailed, "The secret is wrong.")},
	}}, f.err
}

func (f *fakeDownloaders) TestUnsaved(_ context.Context, c *core.DownloaderChange) (*downloader.TestResult, error) {
	f.change = c
	return &downloader.TestResult{Checks: []downloader.TestCheck{{Name: "reachable"}}}, f.err
}

func (f *fakeDownloaders) Plugins(context.Context) ([]core.PluginView, error) {
	good := core.PluginView{
		Node: "n1",
		ObservedPlugin: core.ObservedPlugin{
			Description: downloader.Description{
				Name: "aria2", Version: "0.1.0", DisplayName: "aria2", Sources: []downloader.SourceKind{downloader.SourceHTTP},
				Capabilities: []downloader.Capability{downloader.CapabilityTest}, SettingsSchema: []byte(`{"type":"object"}`), Managed: true,
				OptionsSchema: []byte(`{"type":"object","properties":{}}`), ReservedOptions: []string{"dir"},
			},
			Active: true, Path: "/p/haul-downloader-aria2", SHA256: "00",
		},
		Instances: []core.PluginInstance{{Downloader: "d1", Name: "aria2", State: core.HealthOK, PID: 42, Version: "0.1.0"}},
	}
	bad := core.PluginView{ObservedPlugin: core.ObservedPlugin{
		Kind:        core.PluginStorage,
		Description: downloader.Description{Name: "bad"},
		Failure:     &core.Failure{Code: errs.PluginUntrusted, Message: "Anybody may write it.", At: testTime},
	}}
	return []core.PluginView{good, bad}, f.err
}

func (f *fakeDownloaders) Rescan(ctx context.Context) ([]core.PluginView, error) {
	return f.Plugins(ctx)
}

type fakeReady struct{ waiting []core.Waiting }

func (f *fakeReady) Ready(context.Context) []core.Waiting { return f.waiting }
