package rpc

import (
	"context"
	"runtime/debug"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/haul-dl/haul/sdk/errs"
)

const (
	// unwind is how long calls may take to return once they were cut.
	unwind = time.Second
	// closeTimeout is how long a driver may take to close.
	closeTimeout = 5 * time.Second
)

// Calls knows which calls of a plugin are under way, and ends them. A panic in
// one fails that call alone.
type Calls struct {
	logger hclog.Logger

	draining context.Context // ends when no new calls are taken; streams end with it
	drain    context.CancelFunc
	cutoff   context.Context // ends when the calls under way are cut
	cut      context.CancelFunc
	idle     chan struct{} // closed when draining and nothing runs

	mu      sync.Mutex // guards running, and the order of begin and refuse
	running int
}

// NewCalls returns a plugin's calls, whose failures go to logger.
func NewCalls(logger hclog.Logger) *Calls {
	c := &Calls{logger: logger, idle: make(chan struct{})}
	c.draining, c.drain = context.WithCancel(context.Background())
	c.cutoff, c.cut = context.WithCancel(context.Background())
	return c
}

// Logger returns where failures go.
func (c *Calls) Logger() hclog.Logger { return c.logger }

// Run runs one call of a plugin: it is refused once the plugin is ending, a
// panic fails this call alone, and a failure becomes a gRPC status.
func Run[T any](ctx context.Context, c *Calls, op string, fn func(context.Context) (*T, error)) (*T, error) {
	return run(ctx, c, op, false, fn)
}

// RunEndless is Run for a stream without an end of its own: it ends when the
// plugin does not take calls any more.
func RunEndless[T any](ctx context.Context, c *Calls, op string, fn func(context.Context) (*T, error)) (*T, error) {
	return run(ctx, c, op, true, fn)
}

func run[T any](ctx context.Context, c *Calls, op string, endless bool, fn func(context.Context) (*T, error)) (*T, error) {
	ctx, end, err := c.begin(ctx, endless)
	if err != nil {
		return nil, ToStatus(err)
	}
	defer end()
	resp, err := guarded(ctx, c.logger, op, fn)
	if err != nil {
		return nil, c.Fail(op, err)
	}
	return resp, nil
}

func guarded[T any](ctx context.Context, logger hclog.Logger, op string, fn func(context.Context) (*T, error)) (_ *T, err error) {
	defer func() {
		if p := recover(); p != nil {
			logger.Error("plugin panicked", "op", op, "panic", p, "stack", string(debug.Stack()))
			err = errs.New(errs.Internal, "The plugin has a bug: its %s panicked.", op)
		}
	}()
	return fn(ctx)
}

// Fail logs the cause, which does not leave this process, and returns the status.
func (c *Calls) Fail(op string, err error) error {
	level := hclog.Debug
	if errs.KindOf(WithCode(err)) == errs.KindInternal {
		level = hclog.Error
	}
	c.logger.Log(level, "call failed", "op", op, "code", errs.CodeOf(WithCode(err)), "err", err)
	return ToStatus(err)
}

// begin registers a call. The context that it returns also ends when the call
// is to be cut: an endless one's when draining begins.
func (c *Calls) begin(ctx context.Context, endless bool) (_ context.Context, end func(), _ error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.draining.Err() != nil {
		return nil, nil, errs.New(errs.Unavailable, "The plugin is ending.")
	}
	c.running++
	until := c.cutoff
	if endless {
		until = c.draining
	}
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(until, cancel)
	return ctx, func() { stop(); cancel(); c.end() }, nil
}

func (c *Calls) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running--
	if c.running == 0 && c.draining.Err() != nil {
		close(c.idle)
	}
}

// refuse takes no more calls.
func (c *Calls) refuse() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.draining.Err() != nil {
		return
	}
	c.drain()
	if c.running == 0 {
		close(c.idle)
	}
}

// Finish refuses new calls and waits for those under way, for at most grace;
// then it cuts them.
func (c *Calls) Finish(ctx context.Context, grace time.Duration) error {
	c.refuse()
	ctx, cancel := context.WithTimeout(ctx, grace)
	defer cancel()
	select {
	case <-c.idle:
		return nil
	case <-ctx.Done():
	}
	c.cut()
	select {
	case <-c.idle:
	case <-time.After(unwind):
	}
	return errs.New(errs.DeadlineExceeded, "The plugin's calls did not end in time and were cut.")
}
