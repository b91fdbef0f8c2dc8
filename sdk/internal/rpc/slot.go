package rpc

import (
	"context"
	"sync"
	"time"

	"github.com/haul-dl/haul/sdk/errs"
)

// Slot holds the one driver of a plugin process. Its zero value is empty.
type Slot[D comparable] struct {
	mu         sync.Mutex // guards what follows
	configured bool
	driver     D

	closeOnce sync.Once
	closeErr  error
}

// Fill lets configure make the driver, once: errs.Conflict where there is one.
// After a failure it may be tried again.
func (s *Slot[D]) Fill(configure func() (D, error)) (err error) {
	if err := s.claim(); err != nil {
		return err
	}
	var d D
	defer func() { s.settle(d) }()
	made, err := configure()
	if err != nil {
		return err
	}
	var none D
	if made == none {
		return errs.New(errs.Internal, "The plugin made no driver.")
	}
	d = made
	return nil
}

func (s *Slot[D]) claim() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.configured {
		return errs.New(errs.Conflict, "The plugin was configured before.").WithHint("Start a new process for another configuration.")
	}
	s.configured = true
	return nil
}

func (s *Slot[D]) settle(d D) {
	var none D
	s.mu.Lock()
	defer s.mu.Unlock()
	s.driver, s.configured = d, d != none
}

// Driver returns the driver, or errs.Conflict where there is none.
func (s *Slot[D]) Driver() (D, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var none D
	if s.driver == none {
		return none, errs.New(errs.Conflict, "The plugin is not configured yet.").WithHint("Call Configure first.")
	}
	return s.driver, nil
}

// Close ends the calls as Calls.Finish does, and closes the driver with end,
// which happens once however often Close is called. It may be called
// concurrently; each call returns after the driver is closed.
func (s *Slot[D]) Close(ctx context.Context, c *Calls, grace time.Duration, end func(context.Context, D) error) error {
	finishErr := c.Finish(ctx, grace)
	s.closeOnce.Do(func() { s.closeErr = s.close(ctx, c, end) })
	if finishErr != nil {
		return finishErr
	}
	return s.closeErr
}

// close goes on after ctx was canceled: half of an end is none.
func (s *Slot[D]) close(ctx context.Context, c *Calls, end func(context.Context, D) error) error {
	d, err := s.Driver()
	if err != nil {
		return nil // nothing was configured, so nothing is held
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	_, err = guarded(ctx, c.logger, "close", func(ctx context.Context) (*struct{}, error) { return nil, end(ctx, d) })
	return err
}
