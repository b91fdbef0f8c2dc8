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

	"github.com/haul-dl/haul/core/internal/failpoint"
	"github.com/haul-dl/haul/sdk/errs"
)

// Instance is one downloader that the host keeps running. One goroutine
// supervises it; the methods may be called concurrently.
type Instance struct {
	host     *Host
	contract *contract
	spec     Spec
	log      hclog.Logger
	slots    chan struct{} // a place for each call under way
	ctx      context.Context
	cancel   context.CancelFunc
	wake     chan struct{} // the catalogue was scanned
	done     chan struct{} // supervision has ended

	retiring sync.WaitGroup // processes that were replaced and end their calls

	mu     sync.Mutex // guards status, active, exchange, and calls of actives
	status Status
	active *active
	// exchange is closed when calls that wait for a new process may go on; nil
	// while none has to.
	exchange chan struct{}
}

func newInstance(h *Host, c *contract, spec Spec) *Instance {
	ctx, cancel := context.WithCancel(context.Background())
	return &Instance{
		host: h, contract: c, spec: spec,
		log:    h.log.With("plugin", spec.Plugin, string(c.kind), spec.Name),
		slots:  make(chan struct{}, h.tuning.concurrency),
		ctx:    ctx,
		cancel: cancel,
		wake:   make(chan struct{}, 1),
		done:   make(chan struct{}),
		status: Status{State: StateStarting, Since: time.Now()},
	}
}

func (in *Instance) plugin() key { return key{in.contract.kind, in.spec.Plugin} }

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
	defer in.retiring.Wait()
	tries := restarts{policy: in.host.tuning.restart, random: in.host.random}
	for in.ctx.Err() == nil {
		found, err := in.host.catalog.find(in.plugin())
		var a *active
		if err == nil {
			in.set(StateStarting, in.Status().Err)
			a, err = in.start(in.ctx, found)
		}
		if err == nil {
			found, a, err = in.serve(found, a)
		}
		switch {
		case in.ctx.Err() != nil:
			return
		case a == nil:
			in.afterFailedStart(found, err, &tries)
		default:
			in.backOff(found, err, tries.afterRun(time.Since(a.since)), &tries)
		}
	}
}

// start starts and configures a process.
func (in *Instance) start(ctx context.Context, found candidate) (*active, error) {
	dir, err := in.stateDir()
	if err != nil {
		return nil, err
	}
	p, err := in.host.launcher.launch(ctx, found.binary, in.plugin(), in.log)
	if err != nil {
		return nil, err
	}
	in.host.learn(found, p.desc)
	failpoint.Hit("pluginhost.before-configure")
	driver, err := p.configure(ctx, in.spec, dir)
	failpoint.Hit("pluginhost.after-configure")
	if err != nil {
		p.stop(!errs.Is(err, errs.PluginHung))
		return nil, err
	}
	return newActive(p, driver), nil
}

// stateDir makes the driver's own directory.
func (in *Instance) stateDir() (string, error) {
	if !isDirName(in.spec.ID) {
		return "", errs.New(errs.InvalidRequest, "The id is no name of a directory.")
	}
	dir := filepath.Join(in.host.stateDir, in.spec.ID)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", errs.Wrap(err, errs.Unavailable, "The plugin's state directory cannot be made.")
	}
	return dir, nil
}

// configure hands the settings over. The plugin's own errors come back as they are.
func (p *process) configure(ctx context.Context, spec Spec, stateDir string) (any, error) {
	limited, cancel := context.WithTimeout(ctx, p.tuning.configureTimeout)
	defer cancel()
	driver, err := p.remote.configure(limited, spec, stateDir, p.log)
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

// serve lets calls through until the process ends, hangs, or the instance is
// closed, and stops it. A plugin that is replaced meanwhile is exchanged for the
// new one. It returns the process that ended and why, which is nil when that was
// wanted; or no process and why the one that should follow did not start.
func (in *Instance) serve(found candidate, a *active) (candidate, *active, error) {
	t := &tenure{in: in, found: found, active: a, upgrade: newUpgrade(in)}
	in.publish(a)
	in.log.Info("plugin runs", "pid", a.run.pid(), "version", a.desc.Version)
	err := t.watchOver()
	t.upgrade.abandon()
	if t.active == nil {
		return t.found, nil, err
	}
	if err == nil {
		in.set(StateDraining, nil)
	} else {
		in.set(StateBackingOff, err)
	}
	in.withdraw(t.active, err)
	t.active.stop(err == nil || errors.Is(err, errMemory))
	return t.found, t.active, err
}

// tenure is the time in which an instance has a process.
type tenure struct {
	in      *Instance
	found   candidate // what active was started from
	active  *active
	upgrade *upgrade
	misses  int // health checks in a row
}

// watchOver returns why the process has to be stopped, nil when it is well but
// no longer wanted.
func (t *tenure) watchOver() error {
	in := t.in
	tick := time.NewTicker(in.host.tuning.healthEvery)
	defer tick.Stop()
	for {
		var err error
		select {
		case <-in.ctx.Done():
			return nil
		case <-t.active.run.exited:
			return t.active.exitError("ended unexpectedly")
		case <-in.wake:
			err = t.consider(false)
		case <-t.upgrade.retry:
			err = t.consider(true)
		case s := <-t.upgrade.started:
			err = t.takeOver(s)
		case <-tick.C:
			err = t.check()
		}
		if err != nil {
			return err
		}
	}
}

// check looks at the process's health and memory.
func (t *tenure) check() error {
	t.misses = t.in.checkHealth(t.active, t.misses)
	if t.misses >= t.in.host.tuning.healthMisses {
		return errs.New(errs.PluginHung, "The plugin %s does not answer any more.", t.active.name)
	}
	return t.active.checkMemory(t.in.host.memoryLimit)
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
	now, _ := in.host.catalog.find(in.plugin()) // its error is a part of now
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
		in.status.PID, in.status.Version, in.status.UpgradeErr = 0, "", nil
	}
	in.mu.Unlock()
	in.host.notifier.changed(in.spec.ID)
}
