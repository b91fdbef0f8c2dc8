package tasks

import (
	"context"
	"time"
)

// Idempotency keys are remembered for keyLifetime at least, and looked through
// each sweepInterval.
const (
	keyLifetime   = 24 * time.Hour
	sweepInterval = time.Hour
)

// sweepLoop forgets idempotency keys that are too old to be repeated.
func (s *Service) sweepLoop(ctx context.Context) {
	tick := time.NewTicker(sweepInterval)
	defer tick.Stop()
	for {
		if _, err := s.store.SweepIdempotency(ctx, s.now().Add(-keyLifetime)); err != nil && ctx.Err() == nil {
			s.log.Warn("forget old idempotency keys", "err", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
