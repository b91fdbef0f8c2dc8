package pluginhost

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

// Instance is one downloader that the host keeps running. One goroutine
// supervises it; the methods may be called concurrently.
type Instance struct {
	host   *Host
	spec   Spec
	log    hclog.Logger
	slots  chan struct{} // a place for each call under way
	ctx    context.Context
	cancel context.CancelFunc
	wake   chan struct{} // the catalogue was scanned
	done   chan struct{} // supervision has ended

	mu     sync.Mutex // guards status, active
	status Status
	active *active
}

// active is a configured process that takes calls.
type active struct {
	*process
	driver downloader.Driver
	since  time.Time
	// gone is closed before the process is stopped, with why it is.
	gone  chan struct{}
	cause error // read after gone
}

func newInstance(h *Host, spec Spec) *Instance {
	ctx, cancel := context.WithCancel(context.Background())
	return &Instance{
		host: h, spec: spec,
		log:    h.log.With("plugin", spec.Plugin, "downloader", spec.Name),
		slots:  make(chan struct{}, h.tuning.concurrency),
		ctx:    ctx,
		cancel: cancel,
		wake:   make(chan struct{}, 1),
		done:   make(chan struct{}),
		status: Status{State: StateStarting, Since: time.Now()},
	}
}

// Status returns how the instance fares.
func (in *Instance) Status() Status {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.status
}

// Close drains and ends the process, in at most about five seconds. It returns
// ctx's error when that ends first; the process is ended nevertheless.
func (in *Instance) Close(ctx context.Context) error {
	in.cancel()
	select {
	case <-in.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// supervise starts the plugin, again and again, until the instance is closed.
func (in *Instance) supervise() {
	defer close(in.done)
	defer in.host.forget(in)
	defer in.set(StateStopped, nil)
	tries := restarts{policy: in.host.tuning.restart, random: in.host.random}
	for in.ctx.Err() == nil {
		found, err := in.host.catalog.find(in.spec.Plugin)
		var a *active
		if err == nil {
			in.set(StateStarting, in.Status().Err)
			a, err = in.start(found)
		}
		switch {
		case in.ctx.Err() != nil && a == nil:
			return
		case err != nil:
			in.afterFailedStart(found, err, &tries)
		default:
			in.afterRun(found, a, in.serve(found, a), &tries)
		}
	}
}

// start starts and configures a process.
func (in *Instance) start(found candidate) (*active, error) {
	dir, err := in.stateDir()
	if err != nil {
		return nil, err
	}
	p, err := in.host.launcher.launch(in.ctx, found.binary, in.spec.Plugin, in.log)
	if err != nil {
		return nil, err
	}
	in.host.catalog.learn(found, p.desc)
	driver, err := p.configure(in.ctx, in.spec, dir)
	if err != nil {
		p.stop(!errs.Is(err, errs.PluginHung))
		return nil, err
	}
	return &active{process: p, driver: driver, since: time.Now(), gone: make(chan struct{})}, nil
}

// stateDir makes the driver's own directory.
func (in *Instance) stateDir() (string, error) {
	if in.spec.ID != filepath.Base(in.spec.ID) || !filepath.IsLocal(in.spec.ID) || in.spec.ID == "." {
		return "", errs.New(errs.InvalidRequest, "The downloader's id is no name of a directory.")
	}
	dir := filepath.Join(in.host.stateDir, in.spec.ID)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", errs.Wrap(err, errs.Unavailable, "The plugin's state directory cannot be made.")
	}
	return dir, nil
}

// configure hands the settings over. The plugin's own errors come back as they are.
func (p *process) configure(ctx context.Context, spec Spec, stateDir string) (downloader.Driver, error) {
	limited, cancel := context.WithTimeout(ctx, p.tuning.configureTimeout)
	defer cancel()
	driver, err := p.remote.Configure(limited, downloader.Config{
		DownloaderID: spec.ID,
		Settings:     spec.Settings,
		StateDir:     stateDir,
		MaxActive:    spec.MaxActive,
		Logger:       p.log,
	})
	switch {
	case err == nil:
		return driver, nil
	case ctx.Err() != nil:
		return nil, errs.Wrap(ctx.Err(), errs.Canceled, "The start of the plugin was given up.")
	case errs.Is(err, errs.PluginCrashed) && p.endedByItself():
		return nil, p.exitError("ended while it was configured")
	case errors.Is(limited.Err(), context.DeadlineExceeded):
		return nil, errs.Wrap(err, errs.PluginHung, "The plugin %s was not configured in time.", p.name)
	}
	return nil, err
}

// serve lets calls through until the process ends, hangs, is replaced or the
// instance is closed, and stops it. It returns nil when that was wanted.
func (in *Instance) serve(found candidate, a *active) error {
	in.publish(a)
	in.log.Info("plugin runs", "pid", a.run.pid(), "version", a.desc.Version)
	err := in.watchOver(found, a)
	if err == nil {
		in.set(StateDraining, nil)
	} else {
		in.set(StateBackingOff, err)
	}
	in.withdraw(a, err)
	a.stop(err == nil)
	return err
}

// watchOver returns why a has to be stopped, nil when it is well but no longer wanted.
func (in *Instance) watchOver(found candidate, a *active) error {
	tick := time.NewTicker(in.host.tuning.healthEvery)
	defer tick.Stop()
	misses := 0
	for {
		select {
		case <-in.ctx.Done():
			return nil
		case <-a.run.exited:
			return a.exitError("ended unexpectedly")
		case <-in.wake:
			if now, err := in.host.catalog.find(in.spec.Plugin); err == nil && !now.same(found) {
				in.log.Info("plugin was replaced, starting the new one", "path", now.Path)
				return nil
			}
		case <-tick.C:
			misses = in.checkHealth(a, misses)
			if misses >= in.host.tuning.healthMisses {
				return errs.New(errs.PluginHung, "The plugin %s does not answer any more.", a.name)
			}
		}
	}
}

// checkHealth returns how many checks have failed in a row.
func (in *Instance) checkHealth(a *active, misses int) int {
	err := a.health(in.ctx)
	switch {
	case in.ctx.Err() != nil || a.run.isReaped():
		return misses // somebody else's business
	case err != nil:
		misses++
		in.log.Warn("plugin misses a health check", "missed", misses, "err", err)
		in.set(StateDegraded, errs.Wrap(err, errs.PluginHung, "The plugin %s does not answer.", a.name))
	case misses > 0:
		misses = 0
		in.set(StateRunning, nil)
	}
	return misses
}

func (in *Instance) afterRun(found candidate, a *active, err error, tries *restarts) {
	if err == nil {
		tries.reset()
		return
	}
	wait := tries.afterRun(time.Since(a.since))
	in.backOff(found, err, wait, tries)
}

// afterFailedStart waits for the next start. What waiting cannot cure is not
// tried again: wrong settings, a missing, strange or untrusted file.
func (in *Instance) afterFailedStart(found candidate, err error, tries *restarts) {
	if !errs.IsRetryable(err) {
		in.giveUp(found, err, tries)
		return
	}
	counted := errs.Is(err, errs.PluginCrashed) && !errors.Is(err, errKilled)
	wait, last := tries.afterFailedStart(time.Now(), counted)
	if last {
		in.giveUp(found, err, tries)
		return
	}
	in.backOff(found, err, wait, tries)
}

// backOff waits, less when a new binary comes.
func (in *Instance) backOff(found candidate, err error, wait time.Duration, tries *restarts) {
	in.log.Warn("plugin will be started again", "wait", wait, "err", err)
	in.set(StateBackingOff, err)
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
			in.countRestart()
			return
		case <-in.wake:
			if in.hasChanged(found) {
				tries.reset()
				in.countRestart()
				return
			}
		case <-in.ctx.Done():
			return
		}
	}
}

// giveUp waits for another binary.
func (in *Instance) giveUp(found candidate, err error, tries *restarts) {
	in.log.Error("plugin is not started again", "err", err)
	in.set(StateFailed, err)
	for !in.hasChanged(found) {
		select {
		case <-in.wake:
		case <-in.ctx.Done():
			return
		}
	}
	tries.reset()
	in.countRestart()
}

// hasChanged reports whether the catalogue has something else than found.
func (in *Instance) hasChanged(found candidate) bool {
	now, _ := in.host.catalog.find(in.spec.Plugin) // its error is a part of now
	return !now.same(found)
}

// rescanned tells the supervisor to look at the catalogue.
func (in *Instance) rescanned() {
	select {
	case in.wake <- struct{}{}:
	default:
	}
}

func (in *Instance) countRestart() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.status.Restarts++
}

// set changes the state and tells of it.
func (in *Instance) set(s State, err error) {
	in.mu.Lock()
	if in.status.State != s {
		in.status.Since = time.Now()
	}
	in.status.State, in.status.Err = s, err
	if !slices.Contains([]State{StateRunning, StateDegraded, StateDraining}, s) {
		in.status.PID, in.status.Version = 0, ""
	}
	in.mu.Unlock()
	in.host.notifier.changed(in.spec.ID)
}

// publish lets calls through to a.
func (in *Instance) publish(a *active) {
	in.mu.Lock()
	in.active = a
	in.status.PID, in.status.Version = a.run.pid(), a.desc.Version
	in.mu.Unlock()
	in.set(StateRunning, nil)
}

// withdraw ends that; answers of a that come later are not handed on.
func (in *Instance) withdraw(a *active, cause error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	a.cause = cause
	in.active = nil
	close(a.gone)
}
