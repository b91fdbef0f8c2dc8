package wire

import (
	"context"
	"runtime/debug"
	"sync"
	"time"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
	pb "github.com/haul-dl/haul/sdk/proto/downloader/v1"
)

const (
	// unwind is how long calls may take to return once they were cut.
	unwind = time.Second
	// closeTimeout is how long a driver may take to close.
	closeTimeout = 5 * time.Second
)

// calls knows which calls are under way, and ends them.
type calls struct {
	draining context.Context // ends when no new calls are taken; streams end with it
	drain    context.CancelFunc
	cutoff   context.Context // ends when the calls under way are cut
	cut      context.CancelFunc
	idle     chan struct{} // closed when draining and nothing runs

	mu      sync.Mutex // guards running, and the order of begin and refuse
	running int
}

func newCalls() *calls {
	c := &calls{idle: make(chan struct{})}
	c.draining, c.drain = context.WithCancel(context.Background())
	c.cutoff, c.cut = context.WithCancel(context.Background())
	return c
}

// begin registers a call. The context that it returns also ends when the call
// is to be cut: a stream's when draining begins, since it has no end of its own.
func (c *calls) begin(ctx context.Context, stream bool) (_ context.Context, end func(), _ error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.draining.Err() != nil {
		return nil, nil, errs.New(errs.Unavailable, "The plugin is ending.")
	}
	c.running++
	until := c.cutoff
	if stream {
		until = c.draining
	}
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(until, cancel)
	return ctx, func() { stop(); cancel(); c.end() }, nil
}

func (c *calls) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running--
	if c.running == 0 && c.draining.Err() != nil {
		close(c.idle)
	}
}

// refuse takes no more calls.
func (c *calls) refuse() {
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

// finish refuses new calls and waits for those under way, for at most grace;
// then it cuts them.
func (c *calls) finish(ctx context.Context, grace time.Duration) error {
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

// Drain implements the contract.
func (s *Server) Drain(ctx context.Context, req *pb.DrainRequest) (*pb.DrainResponse, error) {
	if err := s.Close(ctx, durationOf(req.GetGrace())); err != nil {
		return nil, s.fail("drain", err)
	}
	return &pb.DrainResponse{}, nil
}

// Close refuses new calls, waits for those under way for at most grace, and
// closes the driver, which happens once however often Close is called. It may be
// called concurrently; each call returns after the driver is closed.
func (s *Server) Close(ctx context.Context, grace time.Duration) error {
	finishErr := s.calls.finish(ctx, grace)
	s.closeOnce.Do(func() { s.closeErr = s.closeDriver(ctx) })
	if finishErr != nil {
		return finishErr
	}
	return s.closeErr
}

// closeDriver goes on after ctx was canceled: half of an end is none.
func (s *Server) closeDriver(ctx context.Context) (err error) {
	d, err := s.current()
	if err != nil {
		return nil // nothing was configured, so nothing is held
	}
	c, ok := d.(downloader.Closer)
	if !ok {
		return nil
	}
	defer func() {
		if p := recover(); p != nil {
			s.logger.Error("plugin panicked", "op", "close", "panic", p, "stack", string(debug.Stack()))
			err = errs.New(errs.Internal, "The plugin has a bug: its close panicked.")
		}
	}()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	return c.Close(ctx)
}
