package pluginhost

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"

	"github.com/hashicorp/go-hclog"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
	"github.com/haul-dl/haul/sdk/storage"
)

// Host runs the plugins of one node. Its methods may be called concurrently.
type Host struct {
	log      hclog.Logger
	tuning   tuning
	stateDir string
	random   func() float64
	spawner  *spawner
	runtime  *runtimeDir
	launcher *launcher
	catalog  *catalog
	notifier *notifier

	memoryLimit  int64
	watch        bool
	onPlugins    func()
	startWatcher sync.Once

	ctx    context.Context // ends at Close, and with it short starts
	cancel context.CancelFunc

	mu        sync.Mutex // guards instances, closed, and adding to running
	instances map[string]*Instance
	closed    bool
	running   sync.WaitGroup // supervisors and short starts
}

// New makes a host. It kills what an earlier host left running, and takes the
// runtime directory for itself: errs.InUse when another host has it,
// errs.InvalidRequest when it is shared or its path too long. It knows no
// plugin before the first Rescan, and watches the directories from then on.
func New(o Options) (*Host, error) { return newHost(o, defaultTuning()) }

func newHost(o Options, t tuning) (*Host, error) {
	paths, err := absolute(slices.Concat([]string{o.RuntimeDir, o.StateDir}, o.Dirs)...)
	if err != nil {
		return nil, err
	}
	log := o.Logger.Named("plugins")
	runtime, err := openRuntimeDir(paths[0], log)
	if err != nil {
		return nil, fmt.Errorf("open runtime directory of plugins: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	h := &Host{
		ctx: ctx, cancel: cancel, log: log, tuning: t, stateDir: paths[1], random: rand.Float64,
		spawner: newSpawner(), runtime: runtime, notifier: newNotifier(o.OnChange),
		memoryLimit: o.MemoryLimit, watch: o.Watch, onPlugins: o.OnPlugins,
		instances: make(map[string]*Instance),
	}
	if h.onPlugins == nil {
		h.onPlugins = func() {}
	}
	h.launcher = &launcher{tuning: t, spawner: h.spawner, runtime: runtime}
	h.catalog = &catalog{dirs: paths[2:], pins: o.Pins, describe: h.describe}
	return h, nil
}

// absolute makes paths absolute: a plugin has another working directory.
func absolute(paths ...string) ([]string, error) {
	out := make([]string, len(paths))
	for i, p := range paths {
		abs, err := filepath.Abs(p)
		if err != nil {
			return nil, fmt.Errorf("find directory: %w", err)
		}
		out[i] = abs
	}
	return out, nil
}

// Rescan looks for plugins again. Each new or changed file is started for a
// moment to describe itself. Instances whose plugin was replaced change to the
// new one; those that had given up try again if theirs is another now.
//
// What is wrong with one plugin is in Plugin.Err; an error of Rescan means
// that a directory could not be read, or errs.Canceled.
func (h *Host) Rescan(ctx context.Context) error {
	ctx, end, err := h.begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	if h.watch {
		h.startWatcher.Do(h.watchDirs)
	}
	err = h.catalog.scan(ctx)
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, in := range h.instances {
		in.rescanned()
	}
	return err
}

// watchDirs looks for plugins when the directories change, until Close. The
// caller keeps the host open meanwhile.
func (h *Host) watchDirs() {
	w, err := newWatcher(h.catalog.dirs, h.tuning.watchQuiet, h.log, h.rescanWatched)
	if err != nil {
		h.log.Warn("plugin directories are not watched; use haul plugin rescan", "err", err)
		return
	}
	h.running.Go(func() { w.run(h.ctx) })
}

// rescanWatched reports whether a file was still being written.
func (h *Host) rescanWatched(ctx context.Context) (again bool) {
	if err := h.Rescan(ctx); err != nil {
		if ctx.Err() == nil {
			h.log.Warn("look for plugins", "err", err)
		}
		return false
	}
	h.log.Debug("looked for plugins, since their directories have changed")
	h.onPlugins()
	return slices.ContainsFunc(h.Plugins(), func(p Plugin) bool { return errors.Is(p.Err, syscall.ETXTBSY) })
}

// learn notes down what a plugin said at a start.
func (h *Host) learn(from candidate, desc downloader.Description) {
	if h.catalog.learn(from, desc) {
		h.onPlugins()
	}
}

// Plugins returns every file that the last Rescan found, sorted by name, the one
// in use of each plugin first. The slices inside
// are the host's and must not be changed.
func (h *Host) Plugins() []Plugin { return h.catalog.list() }

// Open begins to keep a downloader's plugin running, and returns at once. An
// ID that is open already is the caller's mistake: close that one first. Such
// an instance, and one of a closed host, is in StateFailed with errs.InUse or
// errs.Unavailable for ever.
func (h *Host) Open(spec Spec) *Instance { return h.open(downloaders, spec) }

// OpenStorage is Open for a storage.
func (h *Host) OpenStorage(spec StorageSpec) *StorageInstance {
	return &StorageInstance{h.open(storages, spec.spec())}
}

func (h *Host) open(c *contract, spec Spec) *Instance {
	in := newInstance(h, c, spec)
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.closed:
		in.refuse(errClosed())
	case h.instances[spec.ID] != nil:
		in.refuse(errs.New(errs.InUse, "The %s %s runs already.", c.kind, spec.Name))
	default:
		h.instances[spec.ID] = in
		h.running.Go(in.supervise)
	}
	return in
}

// Discard removes what the driver of a downloader or storage that is gone has
// kept. One
// that is open is the caller's mistake: errs.InUse.
func (h *Host) Discard(id string) error {
	if !isDirName(id) {
		return errs.New(errs.InvalidRequest, "The id is no name of a directory.")
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.instances[id] != nil {
		return errs.New(errs.InUse, "It still runs.")
	}
	if err := os.RemoveAll(filepath.Join(h.stateDir, id)); err != nil {
		return errs.Wrap(err, errs.Unavailable, "The plugin's state directory cannot be removed.")
	}
	return nil
}

// isDirName reports whether an id can be the name of a directory.
func isDirName(id string) bool { return id == filepath.Base(id) && filepath.IsLocal(id) && id != "." }

// refuse makes an instance that never runs.
func (in *Instance) refuse(err error) {
	in.cancel()
	in.status.State, in.status.Err = StateFailed, err
	close(in.done)
}

// forget lets the ID be opened again.
func (h *Host) forget(in *Instance) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.instances, in.spec.ID)
}

// TryOut lends a driver with these settings to use, by a process and a state
// directory of its own, which are gone when it returns. Errors: those of use and
// of Configure as they are, and those of a start.
func (h *Host) TryOut(ctx context.Context, spec Spec, use func(context.Context, downloader.Driver) error) error {
	return h.tryOut(ctx, downloaders, spec, func(ctx context.Context, p *process, driver any) error {
		d, ok := driver.(downloader.Driver)
		if !ok {
			return errNotOffered()
		}
		return use(ctx, lent{d, p.desc.Capabilities})
	})
}

// TryOutStorage is TryOut for a storage.
func (h *Host) TryOutStorage(ctx context.Context, spec StorageSpec, use func(context.Context, storage.Driver) error) error {
	return h.tryOut(ctx, storages, spec.spec(), func(ctx context.Context, _ *process, driver any) error {
		d, ok := driver.(storage.Driver)
		if !ok {
			return errNotOffered()
		}
		return use(ctx, d)
	})
}

func (h *Host) tryOut(ctx context.Context, c *contract, spec Spec, use func(context.Context, *process, any) error) (err error) {
	plugged := key{c.kind, spec.Plugin}
	ctx, end, err := h.begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	found, err := h.catalog.find(plugged)
	if err != nil {
		return err
	}
	p, err := h.launcher.launch(ctx, found.binary, plugged, h.log.With("plugin", spec.Plugin, string(c.kind), spec.Name))
	if err != nil {
		return err
	}
	defer func() { p.stop(!errs.Is(err, errs.PluginHung)) }()
	dir := filepath.Join(p.dir.root, "state")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return errs.Wrap(err, errs.Unavailable, "The test's directory cannot be made.")
	}
	return p.tryOut(ctx, spec, dir, use)
}

func (p *process) tryOut(ctx context.Context, spec Spec, stateDir string, use func(context.Context, *process, any) error) error {
	driver, err := p.configure(ctx, spec, stateDir)
	if err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, p.tuning.tryOutTimeout)
	defer cancel()
	err = use(limited, p, driver)
	if errs.Is(err, errs.PluginCrashed) && p.endedByItself() {
		return p.exitError("ended during the test")
	}
	return err
}

// lent is a driver for a test. Like that of an instance it offers what the plugin
// declares, and nothing else.
type lent struct {
	downloader.Driver
	offers []downloader.Capability
}

// Test implements downloader.Tester.
func (l lent) Test(ctx context.Context) (downloader.TestResult, error) {
	if !slices.Contains(l.offers, downloader.CapabilityTest) {
		return downloader.TestResult{}, errNotOffered()
	}
	t, ok := l.Driver.(downloader.Tester)
	if !ok {
		return downloader.TestResult{}, errNotOffered()
	}
	return t.Test(ctx)
}

// describe starts a plugin for a moment.
func (h *Host) describe(ctx context.Context, b binary, plugged key) (downloader.Description, error) {
	p, err := h.launcher.launch(ctx, b, plugged, h.log.With("plugin", plugged.name))
	if err != nil {
		return downloader.Description{}, err
	}
	defer p.stop(false)
	return p.desc, nil
}

// Close ends all plugins at once, in at most about five seconds, and waits for
// everything that the host has started. It returns ctx's error when that ends
// first.
func (h *Host) Close(ctx context.Context) error {
	h.mu.Lock()
	if h.closed {
		h.mu.Unlock()
		return nil
	}
	h.closed = true
	h.cancel()
	for _, in := range h.instances {
		in.cancel()
	}
	h.mu.Unlock()
	done := make(chan error, 1)
	go func() {
		h.running.Wait()
		h.notifier.close()
		h.spawner.close()
		done <- h.runtime.close()
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return errors.Join(errs.New(errs.DeadlineExceeded, "The plugins did not end in time."), ctx.Err())
	}
}

// begin lets Close end a short start, and wait for it until end is called.
func (h *Host) begin(ctx context.Context) (_ context.Context, end func(), err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, nil, errClosed()
	}
	h.running.Add(1)
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(h.ctx, cancel)
	return ctx, func() {
		stop()
		cancel()
		h.running.Done()
	}, nil
}

func errClosed() error { return errs.New(errs.Unavailable, "The plugin host is closed.") }
