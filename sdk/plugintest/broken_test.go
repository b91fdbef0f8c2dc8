package plugintest_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/plugintest/conformance"
	"github.com/haul-dl/haul/sdk/plugintest/scripted"
)

// whole is what the scripted driver implements.
type whole interface {
	downloader.Driver
	downloader.Tester
	downloader.Watcher
	downloader.Lister
	downloader.Pauser
	downloader.FileSelector
	downloader.Limiter
	downloader.Closer
}

// broken is the scripted plugin with a fault.
type broken struct {
	downloader.Plugin
	describe  func(*downloader.Description)
	configure func(*downloader.Config)
	wrap      func(whole, downloader.Config) downloader.Driver
}

func (b broken) Describe(ctx context.Context) (downloader.Description, error) {
	d, err := b.Plugin.Describe(ctx)
	if b.describe != nil {
		b.describe(&d)
	}
	return d, err
}

func (b broken) Configure(ctx context.Context, cfg downloader.Config) (downloader.Driver, error) {
	if b.configure != nil {
		b.configure(&cfg)
	}
	d, err := b.Plugin.Configure(ctx, cfg)
	if err != nil || b.wrap == nil {
		return d, err
	}
	return b.wrap(d.(whole), cfg), nil
}

// faulty is a driver with faults; what is nil is as it should be.
type faulty struct {
	whole
	add       func(context.Context, downloader.AddRequest) (downloader.Ref, error)
	check     func(context.Context, []downloader.Ref) ([]downloader.Status, error)
	remove    func(context.Context, downloader.Ref, bool) error
	list      func(context.Context) ([]downloader.Listed, error)
	watch     func(context.Context, func([]downloader.Status)) error
	setLimits func(context.Context, downloader.Ref, downloader.Limits) error
	choose    func(context.Context, downloader.Ref, []int) error
	pause     func(context.Context, downloader.Ref) error
}

func (f *faulty) Add(ctx context.Context, req downloader.AddRequest) (downloader.Ref, error) {
	if f.add != nil {
		return f.add(ctx, req)
	}
	return f.whole.Add(ctx, req)
}

func (f *faulty) Check(ctx context.Context, refs []downloader.Ref) ([]downloader.Status, error) {
	if f.check != nil {
		return f.check(ctx, refs)
	}
	return f.whole.Check(ctx, refs)
}

func (f *faulty) Remove(ctx context.Context, ref downloader.Ref, deleteData bool) error {
	if f.remove != nil {
		return f.remove(ctx, ref, deleteData)
	}
	return f.whole.Remove(ctx, ref, deleteData)
}

func (f *faulty) List(ctx context.Context) ([]downloader.Listed, error) {
	if f.list != nil {
		return f.list(ctx)
	}
	return f.whole.List(ctx)
}

func (f *faulty) Watch(ctx context.Context, fn func([]downloader.Status)) error {
	if f.watch != nil {
		return f.watch(ctx, fn)
	}
	return f.whole.Watch(ctx, fn)
}

func (f *faulty) SetLimits(ctx context.Context, ref downloader.Ref, limits downloader.Limits) error {
	if f.setLimits != nil {
		return f.setLimits(ctx, ref, limits)
	}
	return f.whole.SetLimits(ctx, ref, limits)
}

func (f *faulty) SelectFiles(ctx context.Context, ref downloader.Ref, files []int) error {
	if f.choose != nil {
		return f.choose(ctx, ref, files)
	}
	return f.whole.SelectFiles(ctx, ref, files)
}

func (f *faulty) Pause(ctx context.Context, ref downloader.Ref) error {
	if f.pause != nil {
		return f.pause(ctx, ref)
	}
	return f.whole.Pause(ctx, ref)
}

// drives makes a fault of a change to the driver.
func drives(change func(*faulty, downloader.Config)) broken {
	return broken{wrap: func(d whole, cfg downloader.Config) downloader.Driver {
		f := &faulty{whole: d}
		change(f, cfg)
		return f
	}}
}

// changesStatus makes a fault of a change to each status.
func changesStatus(change func(*downloader.Status)) broken {
	return drives(func(f *faulty, _ downloader.Config) {
		f.check = func(ctx context.Context, refs []downloader.Ref) ([]downloader.Status, error) {
			statuses, err := f.whole.Check(ctx, refs)
			for i := range statuses {
				statuses[i].Files = slices.Clone(statuses[i].Files)
				change(&statuses[i])
			}
			return statuses, err
		}
	})
}

// changesAdd makes a fault of a change to each request.
func changesAdd(change func(*downloader.AddRequest)) broken {
	return drives(func(f *faulty, _ downloader.Config) {
		f.add = func(ctx context.Context, req downloader.AddRequest) (downloader.Ref, error) {
			change(&req)
			return f.whole.Add(ctx, req)
		}
	})
}

// TestTheSuiteFindsEachFault tries many plugins at the same time: the suite
// mostly waits, for what a fault keeps from happening.
func TestTheSuiteFindsEachFault(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes about a minute")
	}
	const atOnce = 6
	var mu sync.Mutex // guards results
	results := map[string][]conformance.Result{}
	var runs errgroup.Group
	runs.SetLimit(atOnce)
	for name := range faults(nil) {
		dir := t.TempDir()
		runs.Go(func() error {
			found, err := tryFault(t.Context(), name, dir)
			mu.Lock()
			defer mu.Unlock()
			results[name] = found
			return err
		})
	}
	if err := runs.Wait(); err != nil {
		t.Fatal(err)
	}
	for name, fault := range faults(nil) {
		t.Run(name, func(t *testing.T) { assertFound(t, results[name], fault.found) })
	}
}

func tryFault(ctx context.Context, name, dir string) ([]conformance.Result, error) {
	p := scripted.New(scripted.Options{Load: true})
	fault := faults(p)[name]
	fault.plugin.Plugin = p
	return conformance.Run(ctx, conformance.Options{
		New: func() downloader.Plugin { return fault.plugin }, WorkDir: dir, Patience: 30 * time.Second,
		Only: groups(fault.found), Settings: []byte(`{"secret":"very-s3cret"}`),
	}, nil)
}

// groups returns those to try: all, but for limits where they are not at stake,
// as they take long.
func groups(found []string) []string {
	var out []string
	for _, name := range conformance.Cases() {
		group, _, _ := strings.Cut(name, "/")
		if group != "limits" || slices.ContainsFunc(found, func(f string) bool { return strings.HasPrefix(f, "limits") }) {
			out = append(out, name)
		}
	}
	return out
}

// assertFound wants failures in each of the cases or groups, and in no other.
func assertFound(t *testing.T, results []conformance.Result, found []string) {
	t.Helper()
	hits := map[string]bool{}
	for _, r := range results {
		if r.Outcome != conformance.Failed {
			continue
		}
		at := slices.IndexFunc(found, func(f string) bool { return conformance.Matches(r.Case, f) })
		if at < 0 {
			t.Errorf("%s fails too: %s", r.Case, r.Seen)
			continue
		}
		hits[found[at]] = true
	}
	for _, f := range found {
		if !hits[f] {
			t.Errorf("%s does not fail", f)
		}
	}
}
