package worker

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/go-hclog"

	"github.com/haul-dl/haul/core/internal/pluginhost"
	"github.com/haul-dl/haul/core/internal/store"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
	"github.com/haul-dl/haul/sdk/plugintest/scripted"
	"github.com/haul-dl/haul/sdk/plugintest/scriptedstorage"
)

// fakeHost runs scripted plugins in this process.
type fakeHost struct {
	plugin   *scripted.Plugin
	wrap     func(downloader.Driver) downloader.Driver
	onChange func(string)
	// capabilities are those of the plugin, beside its own.
	capabilities []downloader.Capability
	// starting is that of world.
	starting bool
	tried    atomic.Int32

	mu        sync.Mutex // guards open and all instances
	open      map[string]*fakeInstance
	discarded []string
	storages  map[string]*fakeStorage // the running ones
	// kept is that of world.
	kept map[string]*scriptedstorage.Storage
}

type fakeInstance struct {
	host   *fakeHost
	spec   pluginhost.Spec
	driver downloader.Driver
	status pluginhost.Status
}

func (h *fakeHost) Rescan(context.Context) error { return nil }

func (h *fakeHost) Plugins() []pluginhost.Plugin {
	d, _ := h.plugin.Describe(context.Background())
	if h.wrap != nil {
		d.Capabilities = append(d.Capabilities, downloader.CapabilitySetLimits)
	}
	d.Capabilities = append(d.Capabilities, h.capabilities...)
	return []pluginhost.Plugin{{Kind: pluginhost.KindDownloader, Description: d, Path: "/plugins/scripted", SHA256: "00"}}
}

// pluginRuns is the status of a plugin in its first process.
var pluginRuns = pluginhost.Status{State: pluginhost.StateRunning, PID: 4711, Version: "1.0.0"}

func (h *fakeHost) Open(spec pluginhost.Spec) Instance {
	in := &fakeInstance{host: h, spec: spec}
	in.driver, _ = h.plugin.Configure(context.Background(), downloader.Config{
		DownloaderID: spec.ID, Settings: spec.Settings, MaxActive: spec.MaxActive, Logger: hclog.NewNullLogger(),
	})
	if h.wrap != nil {
		in.driver = h.wrap(in.driver)
	}
	in.status = pluginRuns
	if h.starting {
		in.status = pluginhost.Status{State: pluginhost.StateStarting}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.open[spec.ID] != nil {
		in.status = pluginhost.Status{State: pluginhost.StateFailed, Err: errs.New(errs.InUse, "open twice")}
		return in
	}
	h.open[spec.ID] = in
	return in
}

func (h *fakeHost) Discard(id string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.discarded = append(h.discarded, id)
	return nil
}

func (h *fakeHost) TryOut(ctx context.Context, spec pluginhost.Spec, use func(context.Context, downloader.Driver) error) error {
	h.tried.Add(1)
	if spec.Plugin != "scripted" {
		return errs.New(errs.PluginMissing, "There is no plugin %q.", spec.Plugin)
	}
	driver, err := h.plugin.Configure(ctx, downloader.Config{DownloaderID: spec.ID, Settings: spec.Settings, Logger: hclog.NewNullLogger()})
	if err != nil {
		return err
	}
	return use(ctx, driver)
}

// set changes the status of an instance, as when its process crashes.
func (h *fakeHost) set(id string, s pluginhost.Status) {
	h.mu.Lock()
	h.open[id].status = s
	h.mu.Unlock()
	h.onChange(id)
}

func (in *fakeInstance) Driver() downloader.Driver { return in.driver }

func (in *fakeInstance) Status() pluginhost.Status {
	in.host.mu.Lock()
	defer in.host.mu.Unlock()
	return in.status
}

func (in *fakeInstance) Close(context.Context) error {
	in.host.mu.Lock()
	defer in.host.mu.Unlock()
	if in.host.open[in.spec.ID] == in {
		delete(in.host.open, in.spec.ID)
	}
	return nil
}

// flakyKV is a journal whose disk can be full, or die at a commit.
type flakyKV struct {
	store.KV
	commits atomic.Int32

	mu     sync.Mutex // guards all below
	err    error
	before func(n int32) error // may refuse a commit
	after  func(n int32) error // may lose the answer to one
}

func (k *flakyKV) Commit(ctx context.Context, t *store.Txn) (*store.TxnResult, error) {
	k.mu.Lock()
	err, before, after := k.err, k.before, k.after
	k.mu.Unlock()
	n := k.commits.Add(1)
	if err == nil && before != nil {
		err = before(n)
	}
	if err != nil {
		return nil, err
	}
	r, err := k.KV.Commit(ctx, t)
	if err == nil && after != nil {
		err = after(n)
	}
	return r, err
}

func (k *flakyKV) fail(err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.err = err
}
