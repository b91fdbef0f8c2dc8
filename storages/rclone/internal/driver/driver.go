package driver

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/rclone/rclone/fs"

	"github.com/haul-dl/haul/sdk/errs"
)

// Driver keeps files in one remote of rclone.
type Driver struct {
	remote string // "name:path"
	conf   *rcloneConfig
	redact redactor
	logger hclog.Logger

	ctx    context.Context //nolint:containedctx // the life of what backends keep, such as their refreshing of tokens
	cancel context.CancelFunc
	calls  sync.WaitGroup

	mu      sync.Mutex // guards what follows
	opening *opening
	busy    map[string]chan struct{} // paths that are being put; closed at the end
	cut     map[string]bool          // paths of large files whose last upload was cut off
}

// opening is one try to open the remote.
type opening struct {
	done chan struct{} // closed when fs and err are set
	fs   fs.Fs
	err  error
}

func newDriver(remote string, conf *rcloneConfig, redact redactor, logger hclog.Logger) *Driver {
	ctx, cancel := context.WithCancel(context.Background())
	return &Driver{
		remote: remote, conf: conf, redact: redact, logger: logger,
		ctx: ctx, cancel: cancel, busy: map[string]chan struct{}{}, cut: map[string]bool{},
	}
}

// open returns the remote, which is opened at its first use: that may already
// connect. A failure is not kept.
func (d *Driver) open(ctx context.Context) (fs.Fs, error) {
	d.mu.Lock()
	o := d.opening
	if o == nil {
		o = &opening{done: make(chan struct{})}
		d.opening = o
		d.calls.Go(func() { d.tryOpen(o) })
	}
	d.mu.Unlock()
	select {
	case <-o.done:
		return o.fs, o.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// folder returns the remote so that S3's backend takes it for a folder: it would
// else ask whether it is a file, and believe so when the answer is a refusal.
func (d *Driver) folder() string {
	if d.kind() != "s3" || strings.HasSuffix(d.remote, "/") || strings.HasSuffix(d.remote, ":") {
		return d.remote
	}
	return d.remote + "/"
}

func (d *Driver) tryOpen(o *opening) {
	o.fs, o.err = fs.NewFs(d.ctx, d.folder())
	if errors.Is(o.err, fs.ErrorIsFile) {
		o.err = errs.New(errs.InvalidSettings, "The path of the storage is a file.").
			WithHint("Correct the storage's settings: name a folder.").WithField("path", "is a file")
	}
	if o.err != nil {
		d.mu.Lock()
		d.opening = nil
		d.mu.Unlock()
	}
	close(o.done)
}

// stopTimeout is how long Close waits for what a server keeps waiting.
const stopTimeout = 10 * time.Second

// Close implements storage.Closer.
func (d *Driver) Close(ctx context.Context) error {
	d.cancel()
	ctx, cancel := context.WithTimeout(ctx, stopTimeout)
	defer cancel()
	d.mu.Lock()
	o := d.opening
	d.mu.Unlock()
	ended := make(chan struct{})
	go func() { d.calls.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-ctx.Done():
		return ctx.Err()
	}
	if o == nil || o.fs == nil || o.fs.Features().Shutdown == nil {
		return nil
	}
	return o.fs.Features().Shutdown(ctx)
}

// call runs f with the remote, and does not wait longer than ctx for a backend
// that does not look at it; Close waits for that one. Errors get their code.
func call[T any](ctx context.Context, d *Driver, f func(context.Context, fs.Fs) (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	var none T
	if d.ctx.Err() != nil {
		return none, errs.New(errs.Canceled, "The storage is being closed.")
	}
	remote, err := d.open(ctx)
	if err != nil {
		return none, d.explain(ctx, err)
	}
	inner, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(d.ctx, cancel)
	results := make(chan result, 1)
	d.calls.Go(func() {
		defer cancel()
		defer stop()
		value, err := f(inner, remote)
		results <- result{value, err}
	})
	select {
	case r := <-results:
		if r.err != nil {
			return r.value, d.explain(ctx, r.err)
		}
		return r.value, nil
	case <-after(ctx, grace):
		return none, d.explain(ctx, ctx.Err())
	}
}

// grace is how long a backend may take to notice that its caller has gone.
const grace = 5 * time.Second

// after returns a channel that is closed some time after ctx has ended.
func after(ctx context.Context, d time.Duration) <-chan struct{} {
	ch := make(chan struct{})
	context.AfterFunc(ctx, func() { time.AfterFunc(d, func() { close(ch) }) })
	return ch
}

// claim waits until nobody else puts a path, and returns what ends the claim.
func (d *Driver) claim(ctx context.Context, path string) (release func(), err error) {
	for {
		d.mu.Lock()
		other, taken := d.busy[path]
		if !taken {
			mine := make(chan struct{})
			d.busy[path] = mine
			d.mu.Unlock()
			return func() { d.release(path, mine) }, nil
		}
		d.mu.Unlock()
		select {
		case <-other:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (d *Driver) release(path string, mine chan struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.busy, path)
	close(mine)
}

// showsHalves reports whether a file can be seen while it is uploaded. Of WebDAV
// rclone does not say so: it depends on the server.
func (d *Driver) showsHalves(f fs.Fs) bool {
	if f.Features().PartialUploads {
		return true
	}
	return d.conf.uses("webdav")
}
