package pluginhost

import (
	"context"
	"time"

	"github.com/haul-dl/haul/sdk/errs"
)

// upgrade brings an instance from one file of its plugin to another.
//
// A plugin without a daemon of its own is started beside the old one, which goes
// on until the new one is configured and well, and then ends its calls. One that
// may have a daemon, and with it the state directory to itself, is stopped
// before the new one starts; calls wait that long.
//
// Where the new one does not start, the old one stays or comes back.
type upgrade struct {
	in      *Instance
	retry   <-chan time.Time // when to try again what failed
	started chan started     // what was started beside; nil while nothing is
	cancel  context.CancelFunc
	failed  candidate // what failed last
	tries   restarts
}

// started is a process that was started beside another.
type started struct {
	found  candidate
	active *active
	err    error
}

func newUpgrade(in *Instance) *upgrade {
	return &upgrade{in: in, cancel: func() {}, tries: restarts{policy: in.host.tuning.restart, random: in.host.random}}
}

// abandon ends a start that is under way.
func (u *upgrade) abandon() {
	u.cancel()
	if u.started == nil {
		return
	}
	if s := <-u.started; s.active != nil {
		s.active.stop(true)
	}
	u.started = nil
}

// consider looks whether the catalogue has another file than the one that
// runs. What failed before is tried again when it is due. An error means that
// there is no process any more.
func (t *tenure) consider(due bool) error {
	u := t.upgrade
	if u.started != nil {
		return nil // it is looked at again when that has come to an end
	}
	now, err := t.in.host.catalog.find(t.in.plugin())
	switch {
	case err != nil:
		return nil //nolint:nilerr // what runs is better than what cannot be started
	case now.same(t.found):
		t.in.setUpgradeErr(nil)
		return nil
	case now.same(u.failed) && !due:
		return nil
	case !now.same(u.failed):
		u.tries.reset()
	}
	u.retry = nil
	t.in.log.Info("plugin was replaced", "path", now.Path, "version", now.Version)
	if t.found.Managed || now.Managed || t.active.desc.Managed {
		return t.exchange(now)
	}
	t.startBeside(now)
	return nil
}

func (t *tenure) startBeside(now candidate) {
	ctx, cancel := context.WithCancel(t.in.ctx)
	answer := make(chan started, 1)
	t.upgrade.started, t.upgrade.cancel = answer, cancel
	go func() {
		defer cancel()
		a, err := t.in.start(ctx, now)
		if err == nil {
			if err = a.health(ctx); err != nil {
				a.stop(false)
				a, err = nil, errs.Wrap(err, errs.PluginHung, "The plugin %s does not answer.", t.in.spec.Plugin)
			}
		}
		answer <- started{now, a, err}
	}()
}

// takeOver lets the new process take the calls, if there is one.
func (t *tenure) takeOver(s started) error {
	t.upgrade.started = nil
	if s.err != nil {
		t.refuse(s.found, s.err, true)
		return t.consider(false)
	}
	old := t.active
	t.found, t.active, t.misses = s.found, s.active, 0
	t.in.publish(s.active)
	t.in.log.Info("plugin runs in place of another", "pid", s.active.run.pid(), "version", s.active.desc.Version, "replaced", old.desc.Version)
	t.in.retiring.Go(func() { t.in.finish(old, t.in.host.tuning.retireGrace) })
	return t.consider(false)
}

// exchange stops the old process before it starts the new one.
func (t *tenure) exchange(now candidate) error {
	in, old := t.in, t.active
	in.hold(old)
	defer in.release()
	in.finish(old, in.host.tuning.exchangeGrace)
	a, err := in.start(in.ctx, now)
	if err == nil {
		t.found, t.active, t.misses = now, a, 0
		in.publish(a)
		in.log.Info("plugin runs in place of another", "pid", a.run.pid(), "version", a.desc.Version, "replaced", old.desc.Version)
		return nil
	}
	a, oldErr := in.start(in.ctx, t.found)
	if oldErr != nil {
		t.found, t.active = now, nil
		return err
	}
	t.active, t.misses = a, 0
	in.publish(a)
	// Another try would stop the old one again.
	t.refuse(now, err, false)
	return nil
}

// refuse notes that a file did not start, and when it is tried again.
func (t *tenure) refuse(found candidate, err error, again bool) {
	u := t.upgrade
	u.failed = found
	t.in.log.Warn("plugin cannot be replaced, the old one goes on", "path", found.Path, "version", found.Version, "err", err)
	t.in.setUpgradeErr(err)
	if !again || !errs.IsRetryable(err) {
		return
	}
	wait, last := u.tries.afterFailedStart(time.Now(), errs.Is(err, errs.PluginCrashed))
	if !last {
		u.retry = time.After(wait)
	}
}

func (in *Instance) setUpgradeErr(err error) {
	in.mu.Lock()
	changed := in.status.UpgradeErr != nil || err != nil
	in.status.UpgradeErr = err
	in.mu.Unlock()
	if changed {
		in.host.notifier.changed(in.spec.ID)
	}
}
