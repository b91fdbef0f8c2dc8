package pluginhost

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

// parallelDescribes is how many plugins are started at once to describe themselves.
const parallelDescribes = 4

// candidate is one file of the catalogue.
type candidate struct {
	Plugin
	place  place
	binary binary
}

// same reports whether nothing has changed that a start depends on.
func (c candidate) same(o candidate) bool {
	return c.Path == o.Path && c.SHA256 == o.SHA256 && errs.CodeOf(c.blocked()) == errs.CodeOf(o.blocked())
}

// blocked returns why the plugin is not even worth a start. That it crashed or
// hung when it was asked to describe itself is no reason: the machine may have
// been short of something.
func (c candidate) blocked() error {
	if c.Err == nil || errs.IsRetryable(c.Err) {
		return nil
	}
	return c.Err
}

// catalog knows the plugins of some directories.
type catalog struct {
	dirs []string
	pins pins
	// describe starts a plugin and asks it; nobody else can say what it is.
	describe func(ctx context.Context, b binary, plugin key) (downloader.Description, error)

	scanning sync.Mutex // held for the length of a scan

	mu    sync.RWMutex        // guards found
	found map[key][]candidate // the preferred one of each first
}

func compareKeys(a, b key) int {
	return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(a.kind, b.kind))
}

// list returns all candidates, sorted by name, the preferred one of each first.
func (c *catalog) list() []Plugin {
	c.mu.RLock()
	defer c.mu.RUnlock()
	out := make([]Plugin, 0, len(c.found))
	for _, k := range slices.SortedFunc(maps.Keys(c.found), compareKeys) {
		for i, f := range c.found[k] {
			f.Active = i == 0 && f.blocked() == nil
			out = append(out, f.Plugin)
		}
	}
	return out
}

// find returns the file to start of a plugin. Errors: errs.PluginMissing, and why
// the plugin cannot be started.
func (c *catalog) find(plugin key) (candidate, error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	of := c.found[plugin]
	if len(of) == 0 {
		err := errs.New(errs.PluginMissing, "The plugin %s is not installed.", plugin.name).
			WithHint("Put the executable %s into one of the plugin directories, then let haul look again (haul plugin rescan).", contractOf(plugin.kind).fileOf(plugin.name))
		return candidate{Plugin: Plugin{Err: err}}, err
	}
	return of[0], of[0].blocked()
}

// learn notes down what a plugin said at a start, if it is still the same, and
// reports whether it was known to be unfit.
func (c *catalog) learn(from candidate, desc downloader.Description) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	of := c.found[from.place.key]
	i := slices.IndexFunc(of, from.same)
	if i < 0 {
		return false
	}
	unfit := of[i].Err != nil
	of = slices.Clone(of)
	of[i].Description, of[i].Err = desc, nil
	byPreference(of)
	c.found[from.place.key] = of
	return unfit
}

// scan looks through the directories. What cannot be used is found with its
// reason; an error means that a directory could not be read, or that ctx has
// ended, which leaves the catalogue as it was.
func (c *catalog) scan(ctx context.Context) error {
	c.scanning.Lock()
	defer c.scanning.Unlock()
	places, dirErr := places(c.dirs)
	all := make([]candidate, len(places))
	var group errgroup.Group
	group.SetLimit(parallelDescribes)
	for i, at := range places {
		group.Go(func() error {
			all[i] = c.inspect(ctx, at)
			return nil
		})
	}
	_ = group.Wait() // no function of it returns an error
	if err := ctx.Err(); err != nil {
		return errs.Wrap(err, errs.Canceled, "The search for plugins was given up.")
	}
	found := make(map[key][]candidate, len(all))
	for _, f := range all {
		found[f.place.key] = append(found[f.place.key], f)
	}
	for _, of := range found {
		byPreference(of)
	}
	c.mu.Lock()
	c.found = found
	c.mu.Unlock()
	return dirErr
}

// known returns what the last scan found at a path.
func (c *catalog) known(at place) candidate {
	c.mu.RLock()
	defer c.mu.RUnlock()
	for _, f := range c.found[at.key] {
		if f.Path == at.path {
			return f
		}
	}
	return candidate{}
}

func (c *catalog) inspect(ctx context.Context, at place) candidate {
	known := c.known(at)
	f := candidate{place: at, Plugin: Plugin{Kind: at.kind, Path: at.path, Description: downloader.Description{Name: at.name}}}
	f.binary, f.Err = readBinary(at.path, known.binary)
	f.SHA256 = f.binary.sha256
	if f.Err == nil {
		f.Err = c.pins.check(at.pin(), f.SHA256)
	}
	if f.Err != nil {
		return f
	}
	unchanged := known.Err == nil && known.SHA256 == f.SHA256
	if unchanged && !dependsOnMachine(known.Description) {
		f.Description = known.Description
		return f
	}
	desc, err := c.describe(ctx, f.binary, at.key)
	switch {
	case err == nil:
		f.Description = desc
	case unchanged && errs.IsRetryable(err):
		// It was well before; the machine may be short of something.
		f.Description = known.Description
	default:
		f.Err = err
	}
	return f
}

// dependsOnMachine reports whether the same binary may describe itself
// otherwise tomorrow: when its daemon has been installed, or removed.
func dependsOnMachine(d downloader.Description) bool { return d.Managed || d.ManagedHint != "" }
