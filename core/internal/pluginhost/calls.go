package pluginhost

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

// remote is the driver of an instance, whichever process serves it now.
type remote struct{ in *Instance }

var (
	_ downloader.Driver       = remote{}
	_ downloader.Tester       = remote{}
	_ downloader.Watcher      = remote{}
	_ downloader.Lister       = remote{}
	_ downloader.Pauser       = remote{}
	_ downloader.FileSelector = remote{}
	_ downloader.Limiter      = remote{}
)

// Driver returns the driver; it is never nil and outlives restarts of the
// process. It also implements all optional interfaces of package downloader.
//
// While no process runs each call fails at once, with errs.PluginStarting,
// PluginCrashed, PluginHung, PluginMissing, PluginUntrusted,
// PluginIncompatible, or what Configure answered. A call whose context has no
// deadline gets one; Watch does not.
func (in *Instance) Driver() downloader.Driver { return remote{in} }

func (r remote) Add(ctx context.Context, req downloader.AddRequest) (downloader.Ref, error) {
	return call(ctx, r.in, "add", r.in.host.tuning.addTimeout,
		func(ctx context.Context, d downloader.Driver) (downloader.Ref, error) { return d.Add(ctx, req) })
}

func (r remote) Check(ctx context.Context, refs []downloader.Ref) ([]downloader.Status, error) {
	return call(ctx, r.in, "check", r.in.host.tuning.checkTimeout,
		func(ctx context.Context, d downloader.Driver) ([]downloader.Status, error) { return d.Check(ctx, refs) })
}

func (r remote) Remove(ctx context.Context, ref downloader.Ref, deleteData bool) error {
	_, err := call(ctx, r.in, "remove", r.in.host.tuning.removeTimeout,
		func(ctx context.Context, d downloader.Driver) (struct{}, error) {
			return struct{}{}, d.Remove(ctx, ref, deleteData)
		})
	return err
}

func (r remote) Test(ctx context.Context) (downloader.TestResult, error) {
	return call(ctx, r.in, "test", r.in.host.tuning.testTimeout,
		func(ctx context.Context, t downloader.Tester) (downloader.TestResult, error) { return t.Test(ctx) })
}

func (r remote) List(ctx context.Context) ([]downloader.Listed, error) {
	return call(ctx, r.in, "list", r.in.host.tuning.listTimeout,
		func(ctx context.Context, l downloader.Lister) ([]downloader.Listed, error) { return l.List(ctx) })
}

func (r remote) Pause(ctx context.Context, ref downloader.Ref) error {
	return order(ctx, r.in, "pause", func(ctx context.Context, d downloader.Pauser) error { return d.Pause(ctx, ref) })
}

func (r remote) Resume(ctx context.Context, ref downloader.Ref) error {
	return order(ctx, r.in, "resume", func(ctx context.Context, d downloader.Pauser) error { return d.Resume(ctx, ref) })
}

func (r remote) SelectFiles(ctx context.Context, ref downloader.Ref, files []int) error {
	return order(ctx, r.in, "select files", func(ctx context.Context, d downloader.FileSelector) error {
		return d.SelectFiles(ctx, ref, files)
	})
}

func (r remote) SetLimits(ctx context.Context, ref downloader.Ref, limits downloader.Limits) error {
	return order(ctx, r.in, "set limits", func(ctx context.Context, d downloader.Limiter) error {
		return d.SetLimits(ctx, ref, limits)
	})
}

// order makes a call of an optional interface that answers nothing.
func order[D any](ctx context.Context, in *Instance, op string, fn func(context.Context, D) error) error {
	_, err := call(ctx, in, op, in.host.tuning.orderTimeout,
		func(ctx context.Context, d D) (struct{}, error) { return struct{}{}, fn(ctx, d) })
	return err
}

// Watch goes on with the process that takes the place of a replaced one. It
// ends with a process that crashes; the caller begins anew, and checks, since
// nothing is replayed.
func (r remote) Watch(ctx context.Context, fn func([]downloader.Status)) error {
	for {
		a, err := r.in.enter(ctx)
		if err != nil {
			return err
		}
		r.in.leave(a) // a stream has no end that could be waited for
		err = r.watch(ctx, a, fn)
		if ctx.Err() == nil && a.isRetired() {
			continue
		}
		return r.in.explain(ctx, a, "watch", err)
	}
}

// watch watches one process until it is retired or gone.
func (r remote) watch(ctx context.Context, a *active, fn func([]downloader.Status)) error {
	w, ok := a.driver.(downloader.Watcher)
	if !ok || !slices.Contains(a.desc.Capabilities, downloader.CapabilityWatch) {
		return errNotOffered()
	}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	defer func() { <-ended }()
	defer cancel()
	go func() {
		defer close(ended)
		select {
		case <-a.gone:
			cancel()
		case <-a.retired:
			cancel()
		case <-ctx.Done():
		}
	}()
	return w.Watch(ctx, func(s []downloader.Status) {
		if !a.isGone() {
			fn(s)
		}
	})
}

// call makes one call to the process of now. What has no deadline gets one;
// a timeout of 0 is none.
func call[D, T any](ctx context.Context, in *Instance, op string, timeout time.Duration,
	fn func(context.Context, D) (T, error),
) (T, error) {
	var none T
	if _, has := ctx.Deadline(); !has && timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	a, err := in.enter(ctx)
	if err != nil {
		return none, err
	}
	defer in.leave(a)
	driver, offers := a.driver.(D)
	if !offers || !in.declares(a, op) {
		return none, errNotOffered()
	}
	select {
	case in.slots <- struct{}{}:
		defer func() { <-in.slots }()
	case <-a.gone:
		return none, in.lost(a, op, nil)
	case <-ctx.Done():
		return none, errs.Wrap(ctx.Err(), errs.DeadlineExceeded, "The plugin %s is busy.", in.spec.Plugin)
	}
	v, err := fn(ctx, driver)
	if err != nil {
		return none, in.explain(ctx, a, op, err)
	}
	if a.isGone() && a.cause != nil {
		// What a dead process said must not be mixed with what the next one says.
		return none, in.lost(a, op, nil)
	}
	return v, nil
}

var capabilityOf = map[string]downloader.Capability{
	"test": downloader.CapabilityTest,
	"list": downloader.CapabilityList,

	"pause":        downloader.CapabilityPause,
	"resume":       downloader.CapabilityPause,
	"select files": downloader.CapabilitySelectFiles,
	"set limits":   downloader.CapabilitySetLimits,
}

// declares reports whether a plugin says that it offers what an operation needs.
// Those of storages have no optional parts.
func (in *Instance) declares(a *active, op string) bool {
	c, optional := capabilityOf[op]
	return !optional || in.contract.kind != KindDownloader || slices.Contains(a.desc.Capabilities, c)
}

func errNotOffered() error {
	return errs.New(errs.NotOffered, "The plugin does not offer this.")
}

// explain gives an error of a call its cause. A broken connection shows a
// moment before the supervisor knows why.
func (in *Instance) explain(ctx context.Context, a *active, op string, err error) error {
	if err == nil {
		return nil
	}
	if errs.Is(err, errs.PluginCrashed) || errs.Is(err, errs.Canceled) && a.isGone() {
		select {
		case <-a.gone:
		case <-ctx.Done():
		case <-time.After(2 * in.host.tuning.pipeLinger):
		}
		return in.lost(a, op, err)
	}
	return fmt.Errorf("plugin %s: %w", in.spec.Plugin, err)
}

// lost tells why a's answer did not come.
func (in *Instance) lost(a *active, op string, err error) error {
	if a.isGone() {
		if a.cause != nil {
			return fmt.Errorf("%s: %w", op, a.cause)
		}
		return errs.Wrap(err, errs.PluginStarting, "The plugin %s is being replaced or stopped.", in.spec.Plugin)
	}
	return errs.Wrap(err, errs.PluginCrashed, "The connection to the plugin %s broke.", in.spec.Plugin)
}
