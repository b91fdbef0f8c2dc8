package pluginhost

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

// filePrefix begins the file name of every plugin.
const filePrefix = "haul-downloader-"

// parallelDescribes is how many plugins are started at once to describe themselves.
const parallelDescribes = 4

var fileName = regexp.MustCompile(`^` + filePrefix + `([a-z0-9][a-z0-9-]{0,63})$`)

// candidate is one plugin of the catalogue.
type candidate struct {
	Plugin
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
	// describe starts a plugin and asks it; nobody else can say what it is.
	describe func(ctx context.Context, b binary, name string) (downloader.Description, error)

	scanning sync.Mutex // held for the length of a scan

	mu    sync.RWMutex // guards found
	found map[string]candidate
}

// list returns the plugins, sorted by name.
func (c *catalog) list() []Plugin {
	c.mu.RLock()
	defer c.mu.RUnlock()
	out := make([]Plugin, 0, len(c.found))
	for _, f := range c.found {
		out = append(out, f.Plugin)
	}
	slices.SortFunc(out, func(a, b Plugin) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

// find returns the plugin of that name. Errors: errs.PluginMissing, and why
// the plugin cannot be started.
func (c *catalog) find(name string) (candidate, error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	f, ok := c.found[name]
	if !ok {
		err := errs.New(errs.PluginMissing, "The plugin %s is not installed.", name).
			WithHint("Put the executable %s into one of the plugin directories, then let haul look again (haul plugin rescan).", filePrefix+name)
		return candidate{Plugin: Plugin{Err: err}}, err
	}
	return f, f.blocked()
}

// learn notes down what a plugin said at a start, if it is still the same.
func (c *catalog) learn(from candidate, desc downloader.Description) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f, ok := c.found[desc.Name]; ok && f.same(from) {
		f.Description, f.Err = desc, nil
		c.found[desc.Name] = f
	}
}

// scan looks through the directories. What cannot be used is found with its
// reason; an error means that a directory could not be read, or that ctx has
// ended, which leaves the catalogue as it was.
func (c *catalog) scan(ctx context.Context) error {
	c.scanning.Lock()
	defer c.scanning.Unlock()
	paths, dirErr := c.paths()
	var (
		mu    sync.Mutex // guards found
		found = make(map[string]candidate, len(paths))
		group errgroup.Group
	)
	group.SetLimit(parallelDescribes)
	for name, path := range paths {
		group.Go(func() error {
			f := c.inspect(ctx, name, path)
			mu.Lock()
			defer mu.Unlock()
			found[name] = f
			return nil
		})
	}
	_ = group.Wait() // no function of it returns an error
	if err := ctx.Err(); err != nil {
		return errs.Wrap(err, errs.Canceled, "The search for plugins was given up.")
	}
	c.mu.Lock()
	c.found = found
	c.mu.Unlock()
	return dirErr
}

// paths returns the file of each plugin; the first directory wins.
func (c *catalog) paths() (map[string]string, error) {
	var failed []error
	paths := make(map[string]string)
	for _, dir := range c.dirs {
		entries, err := os.ReadDir(dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			failed = append(failed, fmt.Errorf("read plugin directory: %w", err))
			continue
		}
		for _, e := range entries {
			m := fileName.FindStringSubmatch(e.Name())
			if len(m) < 2 || paths[m[1]] != "" {
				continue
			}
			paths[m[1]] = filepath.Join(dir, e.Name())
		}
	}
	return paths, errors.Join(failed...)
}

func (c *catalog) inspect(ctx context.Context, name, path string) candidate {
	c.mu.RLock()
	known := c.found[name]
	c.mu.RUnlock()
	if known.Path != path {
		known = candidate{}
	}
	f := candidate{Plugin: Plugin{Path: path, Description: downloader.Description{Name: name}}}
	f.binary, f.Err = readBinary(path, known.binary)
	f.SHA256 = f.binary.sha256
	if f.Err != nil {
		return f
	}
	if known.Err == nil && known.SHA256 == f.SHA256 && !dependsOnMachine(known.Description) {
		f.Description = known.Description
		return f
	}
	desc, err := c.describe(ctx, f.binary, name)
	if err != nil {
		f.Err = err
		return f
	}
	f.Description = desc
	return f
}

// dependsOnMachine reports whether the same binary may describe itself
// otherwise tomorrow: when its daemon has been installed, or removed.
func dependsOnMachine(d downloader.Description) bool { return d.Managed || d.ManagedHint != "" }
