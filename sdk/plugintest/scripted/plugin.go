// Package scripted is a downloader whose daemon is the test itself: jobs stand
// still until the test moves them, calls fail or hang when the test says so, and
// all of them are counted.
//
// A Plugin plays the daemon. It outlives its drivers, so that a test can end a
// driver, configure a new one, and find the jobs again.
//
// With Options.Load it is a whole downloader, with every optional part, that
// loads files over HTTP and torrents from their web seeds.
package scripted

import (
	"context"
	"sync"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

// Op names a call of the contract.
type Op string

// The calls.
const (
	OpDescribe    Op = "describe"
	OpConfigure   Op = "configure"
	OpAdd         Op = "add"
	OpCheck       Op = "check"
	OpRemove      Op = "remove"
	OpTest        Op = "test"
	OpWatch       Op = "watch"
	OpList        Op = "list"
	OpClose       Op = "close"
	OpPause       Op = "pause"
	OpResume      Op = "resume"
	OpSelectFiles Op = "select_files"
	OpSetLimits   Op = "set_limits"
)

// Options configure a Plugin. The zero Options are fine.
type Options struct {
	// Name is the plugin's; empty means "scripted".
	Name string
	// Sources are the kinds that it takes; nil means all.
	Sources []downloader.SourceKind
	// Auto returns the files of a job, by their path below its directory. With
	// it, Add writes them and the job is complete at once; without it, jobs stay
	// in PhaseDownloading until the test moves them.
	Auto func(req downloader.AddRequest) map[string][]byte
	// Load makes jobs load what their sources name, without the test. The driver
	// then offers all that the contract has, keeps its jobs in its state
	// directory, and stops them with its Close. Sources are then HTTP files and
	// torrents alone.
	Load bool
}

// Plugin is a scripted downloader.Plugin. All methods may be called concurrently.
type Plugin struct {
	opts Options

	mu       sync.Mutex // guards what follows
	jobs     map[string]*Job
	order    []string
	calls    map[Op]int
	failures map[Op]error
	blocks   map[Op]chan struct{}
	watchers map[*watcher]struct{}
	config   downloader.Config
}

var _ downloader.Plugin = (*Plugin)(nil)

// New returns a plugin without jobs.
func New(opts Options) *Plugin {
	if opts.Name == "" {
		opts.Name = "scripted"
	}
	if opts.Sources == nil && opts.Load {
		opts.Sources = []downloader.SourceKind{downloader.SourceHTTP, downloader.SourceTorrent}
	}
	if opts.Sources == nil {
		opts.Sources = []downloader.SourceKind{
			downloader.SourceMagnet, downloader.SourceTorrent, downloader.SourceHTTP,
			downloader.SourceFTP, downloader.SourceMetalink,
		}
	}
	return &Plugin{
		opts:     opts,
		jobs:     map[string]*Job{},
		calls:    map[Op]int{},
		failures: map[Op]error{},
		blocks:   map[Op]chan struct{}{},
		watchers: map[*watcher]struct{}{},
	}
}

// Describe implements downloader.Plugin.
func (p *Plugin) Describe(ctx context.Context) (downloader.Description, error) {
	if err := p.enter(ctx, OpDescribe); err != nil {
		return downloader.Description{}, err
	}
	d := downloader.Description{
		Name:        p.opts.Name,
		Version:     "1.0.0",
		DisplayName: "Scripted",
		Sources:     p.opts.Sources,
		Capabilities: []downloader.Capability{
			downloader.CapabilityTest, downloader.CapabilityWatch, downloader.CapabilityList,
		},
		SettingsSchema: []byte(settingsSchema),
		Managed:        true,
	}
	if p.opts.Load {
		d.Capabilities = append(d.Capabilities,
			downloader.CapabilityPause, downloader.CapabilitySelectFiles, downloader.CapabilitySetLimits)
		d.OptionsSchema = []byte(optionsSchema)
		d.ReservedOptions = []string{"dir", "file-name"}
	}
	return d, nil
}

const settingsSchema = `{
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "address": {"type": "string", "title": "Address", "description": "Where another daemon would be.", "x-haul-endpoint": true},
    "secret": {"type": "string", "title": "Secret", "description": "What that daemon would want.", "writeOnly": true}
  }
}`

const optionsSchema = `{
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "user_agent": {"type": "string", "title": "User agent", "description": "What servers are told."}
  }
}`

// Configure implements downloader.Plugin. The driver implements the optional
// interfaces that Describe names, and Closer.
func (p *Plugin) Configure(ctx context.Context, cfg downloader.Config) (downloader.Driver, error) {
	if err := p.enter(ctx, OpConfigure); err != nil {
		return nil, err
	}
	p.mu.Lock()
	p.config = cfg
	p.mu.Unlock()
	if p.opts.Load {
		return newLoader(p, cfg)
	}
	return &driver{p}, nil
}

// Config returns what the plugin was last configured with.
func (p *Plugin) Config() downloader.Config {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.config
}

// Calls returns how often op was called, failed calls included.
func (p *Plugin) Calls(op Op) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.calls[op]
}

// Fail makes every call of op return err, until Fail(op, nil).
func (p *Plugin) Fail(op Op, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.failures[op] = err
}

// Block makes every call of op wait for release, or for the end of its context.
func (p *Plugin) Block(op Op) (release func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	block := make(chan struct{})
	p.blocks[op] = block
	return sync.OnceFunc(func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.blocks[op] == block {
			delete(p.blocks, op)
		}
		close(block)
	})
}

// enter counts a call, and holds it or fails it as the test wants.
func (p *Plugin) enter(ctx context.Context, op Op) error {
	p.mu.Lock()
	p.calls[op]++
	block := p.blocks[op]
	p.mu.Unlock()
	if block != nil {
		select {
		case <-block:
		case <-ctx.Done():
			return errs.Wrap(ctx.Err(), errs.DownloaderUnreachable, "The scripted downloader hangs.")
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.failures[op]
}
