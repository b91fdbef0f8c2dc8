package pluginhost

import (
	"context"
	"errors"
	"time"

	"github.com/haul-dl/haul/sdk/errs"
)

// errMemory marks the end of a process that used too much memory.
var errMemory = errors.New("memory limit")

// active is a configured process that takes calls.
type active struct {
	*process
	driver any // of the contract
	since  time.Time

	calls   int           // under way; guarded by the instance's mu
	retired chan struct{} // closed when it takes no more calls, since another does
	idle    chan struct{} // closed when it is retired and the last call has ended

	// gone is closed before the process is stopped, with why it is.
	gone  chan struct{}
	cause error // read after gone
}

func newActive(p *process, d any) *active {
	return &active{
		process: p, driver: d, since: time.Now(),
		retired: make(chan struct{}), idle: make(chan struct{}), gone: make(chan struct{}),
	}
}

func (a *active) isGone() bool { return isClosed(a.gone) }

func (a *active) isRetired() bool { return isClosed(a.retired) }

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// checkMemory tells when the process uses more than limit bytes; 0 is no limit.
func (a *active) checkMemory(limit int64) error {
	if limit == 0 {
		return nil
	}
	used, err := residentMemory(a.run.pid())
	if err != nil || used <= limit {
		return nil //nolint:nilerr // one that has ended is noticed otherwise
	}
	const mib = 1 << 20
	return errs.Wrap(errMemory, errs.PluginCrashed, "The plugin %s was ended, since it used %d MiB of memory and may use %d MiB.", a.name, used/mib, limit/mib).
		WithHint("haul starts it again by itself. If it needs so much, raise plugin_memory_limit; else report it to the plugin's author.")
}

// enter returns the process that takes calls, and counts the caller in; leave
// counts it out. While one process is exchanged for another, enter waits, as
// long as ctx lasts.
func (in *Instance) enter(ctx context.Context) (*active, error) {
	for {
		a, exchange, err := in.tryEnter()
		if exchange == nil {
			return a, err
		}
		select {
		case <-exchange:
		case <-ctx.Done():
			return nil, errs.Wrap(ctx.Err(), errs.PluginStarting, "The plugin %s is being replaced.", in.spec.Plugin)
		}
	}
}

func (in *Instance) tryEnter() (*active, <-chan struct{}, error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.active != nil && in.status.State != StateDraining {
		in.active.calls++
		return in.active, nil, nil
	}
	if in.exchange != nil {
		return nil, in.exchange, nil
	}
	switch in.status.State {
	case StateBackingOff, StateFailed:
		return nil, nil, in.status.Err
	case StateDraining, StateStopped:
		return nil, nil, errs.New(errs.Unavailable, "The %s %s is being stopped.", in.contract.kind, in.spec.Name)
	default:
		return nil, nil, errs.New(errs.PluginStarting, "The plugin of %s %s is starting.", in.contract.kind, in.spec.Name)
	}
}

func (in *Instance) leave(a *active) {
	in.mu.Lock()
	defer in.mu.Unlock()
	a.calls--
	if a.calls == 0 && a.isRetired() {
		close(a.idle)
	}
}

// retireLocked lets a end its calls and take no more.
func (a *active) retireLocked() {
	close(a.retired)
	if a.calls == 0 {
		close(a.idle)
	}
}

// publish lets calls through to a, and takes them from the process before it.
func (in *Instance) publish(a *active) {
	in.mu.Lock()
	if in.active != nil {
		in.active.retireLocked()
	}
	in.active = a
	in.status.PID, in.status.Version, in.status.UpgradeErr = a.run.pid(), a.desc.Version, nil
	if in.exchange != nil {
		close(in.exchange)
		in.exchange = nil
	}
	in.mu.Unlock()
	in.set(StateRunning, nil)
}

// hold takes the calls from a and lets new ones wait until publish or release.
func (in *Instance) hold(a *active) {
	in.mu.Lock()
	a.retireLocked()
	in.active = nil
	in.exchange = make(chan struct{})
	in.mu.Unlock()
	in.set(StateStarting, nil)
}

// release ends the wait of calls where nothing was published.
func (in *Instance) release() {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.exchange != nil {
		close(in.exchange)
		in.exchange = nil
	}
}

// withdraw ends publish; answers of a that come later are not handed on.
func (in *Instance) withdraw(a *active, cause error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	a.cause = cause
	if in.active == a {
		in.active = nil
	}
	close(a.gone)
}

// finish waits until the calls of a retired process have ended, for at most
// grace, and stops it.
func (in *Instance) finish(a *active, grace time.Duration) {
	timer := time.NewTimer(grace)
	defer timer.Stop()
	var cause error
	select {
	case <-a.idle:
	case <-timer.C:
		in.log.Warn("calls of a plugin that was replaced did not end in time", "pid", a.run.pid())
	case <-a.run.exited:
		cause = a.exitError("ended while it was replaced")
	case <-in.ctx.Done():
	}
	in.withdraw(a, cause)
	a.stop(cause == nil)
}
