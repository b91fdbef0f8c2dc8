// Package managed runs an aria2c that belongs to the plugin: it is started with
// a random secret on a free loopback port, started again when it dies, and ends
// with the plugin.
package managed

import (
	"context"
	"errors"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/haul-dl/haul/plugins/aria2/internal/aria2rpc"
	"github.com/haul-dl/haul/sdk/childproc"
	"github.com/haul-dl/haul/sdk/errs"
)

const (
	startTimeout = 20 * time.Second
	// stopGrace is less than a plugin has for its end; aria2 needs 50 ms.
	stopGrace    = 3 * time.Second
	secondSignal = 50 * time.Millisecond
	minBackoff   = 200 * time.Millisecond
	maxBackoff   = 30 * time.Second
	// stable is how long a daemon must have lived for its end to count as the first.
	stable = time.Minute
)

// Options configure a Daemon.
type Options struct {
	// Path is the executable.
	Path string
	// StateDir holds the session, the configuration and the DHT's table.
	StateDir string
	// MaxActive is the number of downloads at once.
	MaxActive int
	Network   Network
	// OnReady is called each time when the daemon has become ready.
	OnReady func()
	Logger  hclog.Logger
}

// Daemon is an aria2c and what keeps it running. All methods may be called
// concurrently.
type Daemon struct {
	opts   Options
	cancel context.CancelFunc
	done   chan struct{} // closed when run has ended

	mu       sync.Mutex // guards what follows
	endpoint *aria2rpc.Endpoint
	failure  error         // of the last start; nil while one is under way
	changed  chan struct{} // closed and replaced with each change
	pid      int
}

// Find returns the path of aria2c, or an error where it is not installed.
func Find() (string, error) {
	path, err := exec.LookPath("aria2c")
	if err != nil {
		return "", errs.Wrap(err, errs.DownloaderUnreachable, "aria2c is not installed on this machine.").
			WithHint("Run apt-get install aria2, or give the address of an aria2 that runs elsewhere.")
	}
	return filepath.Abs(path)
}

// Start starts the daemon and returns at once. The caller must call Stop.
func Start(opts Options) *Daemon {
	ctx, cancel := context.WithCancel(context.Background())
	d := &Daemon{opts: opts, cancel: cancel, done: make(chan struct{}), changed: make(chan struct{})}
	go d.run(ctx)
	return d
}

// Endpoint returns where the daemon listens. While it starts, Endpoint waits;
// between a failed start and the next one it fails with
// errs.DownloaderUnreachable.
func (d *Daemon) Endpoint(ctx context.Context) (aria2rpc.Endpoint, error) {
	for {
		d.mu.Lock()
		endpoint, failure, changed := d.endpoint, d.failure, d.changed
		d.mu.Unlock()
		if endpoint != nil {
			return *endpoint, nil
		}
		if failure != nil {
			return aria2rpc.Endpoint{}, failure
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return aria2rpc.Endpoint{}, errs.Wrap(ctx.Err(), errs.DownloaderUnreachable, "aria2 is still starting.").
				WithHint("Wait a moment.")
		}
	}
}

// PID returns the daemon's process id, 0 while none runs.
func (d *Daemon) PID() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.pid
}

// Stop ends the daemon for good. It is gone when Stop returns.
func (d *Daemon) Stop() {
	d.cancel()
	<-d.done
}

func (d *Daemon) set(pid int, endpoint *aria2rpc.Endpoint, failure error) {
	d.mu.Lock()
	d.pid, d.endpoint, d.failure = pid, endpoint, failure
	close(d.changed)
	d.changed = make(chan struct{})
	d.mu.Unlock()
	if endpoint != nil {
		d.opts.OnReady()
	}
}

// run keeps one daemon alive until ctx ends.
func (d *Daemon) run(ctx context.Context) {
	defer close(d.done)
	unlock, err := lockState(ctx, d.opts.StateDir)
	if err != nil {
		d.set(0, nil, errs.Wrap(err, errs.DownloaderUnreachable, "aria2 cannot be started: another plugin uses the same state directory."))
		return
	}
	defer unlock()
	for backoff := minBackoff; ; backoff = min(2*backoff, maxBackoff) {
		endLeftovers(ctx, d.opts.StateDir, d.opts.Logger)
		began := time.Now()
		err := d.live(ctx)
		if ctx.Err() != nil {
			d.set(0, nil, errs.Wrap(ctx.Err(), errs.Canceled, "The downloader is being closed."))
			return
		}
		if time.Since(began) > stable {
			backoff = minBackoff
		}
		d.set(0, nil, errs.Wrap(err, errs.DownloaderUnreachable, "haul's own aria2 has ended and is started again."))
		d.opts.Logger.Warn("aria2 ended, it is started again", "in", backoff.String(), "err", err)
		select {
		case <-time.After(backoff):
		case <-ctx.Done():
		}
		d.set(0, nil, nil)
	}
}

// live is one life of the daemon. It returns how that ended.
func (d *Daemon) live(ctx context.Context) error {
	conf, err := newConfig(d.opts)
	if err != nil {
		return err
	}
	endpoint, err := conf.endpoint()
	if err != nil {
		return err
	}
	defer endpoint.HTTP.Close()
	if err := conf.write(); err != nil {
		return err
	}
	proc, err := childproc.Start(childproc.Options{
		Path: d.opts.Path, Args: []string{conf.argument()}, Dir: d.opts.StateDir,
		Env: environment(d.opts.StateDir), Logger: d.opts.Logger.Named("aria2c"),
	})
	if err != nil {
		return err
	}
	defer d.stop(proc)
	d.set(proc.PID(), nil, nil)
	if err := d.await(ctx, proc, endpoint); err != nil {
		return err
	}
	d.set(proc.PID(), &endpoint, nil)
	d.opts.Logger.Info("aria2 runs", "pid", proc.PID())
	select {
	case <-proc.Done():
		return exitReason(proc.Err())
	case <-ctx.Done():
		return nil
	}
}

// await waits until the daemon answers to its own secret: that also tells it
// from whoever else may have got the port first.
func (d *Daemon) await(ctx context.Context, proc *childproc.Process, ep aria2rpc.Endpoint) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	client := aria2rpc.New(aria2rpc.Options{
		Endpoint: func(context.Context) (aria2rpc.Endpoint, error) { return ep, nil },
		Logger:   hclog.NewNullLogger(),
	})
	defer client.Close()
	for {
		_, err := client.Probe(ctx)
		if err == nil || errs.Is(err, errs.NotADownloader) || errs.Is(err, errs.DownloaderAuthFailed) {
			return err
		}
		select {
		case <-proc.Done():
			return errors.Join(proc.Err(), errors.New("ended before it was ready"))
		case <-ctx.Done():
			return err
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// stop ends the daemon by two signals: after the first one aria2 says goodbye to
// trackers, which takes seconds or minutes, after the second one it saves its
// session and goes. (Its RPC method forceShutdown waits three seconds first.)
func (d *Daemon) stop(proc *childproc.Process) {
	select {
	case <-proc.Done():
		return
	default:
	}
	if p, err := os.FindProcess(proc.PID()); err == nil {
		_ = p.Signal(os.Interrupt)
		_ = p.Release()
	}
	select { // two signals at once count as one
	case <-proc.Done():
	case <-time.After(secondSignal):
	}
	ctx, cancel := context.WithTimeout(context.Background(), stopGrace)
	defer cancel()
	if err := proc.Stop(ctx); err != nil {
		d.opts.Logger.Warn("aria2 did not end by itself and was killed", "err", err)
	}
}

// exitReason drops the last line of the output, which may hold a user's URL.
func exitReason(err error) error {
	if e, ok := errors.AsType[*exec.ExitError](err); ok {
		return e
	}
	if err == nil {
		return errors.New("it ended without an error")
	}
	return err
}

func rpcURL(port int) *url.URL {
	return &url.URL{Scheme: "http", Host: "127.0.0.1:" + strconv.Itoa(port), Path: "/jsonrpc"}
}
