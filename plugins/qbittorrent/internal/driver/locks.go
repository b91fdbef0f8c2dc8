package driver

import (
	"context"
	"sync"

	"github.com/haul-dl/haul/sdk/errs"
)

// locks lets one call at a time change a torrent.
type locks struct {
	mu   sync.Mutex // guards held
	held map[string]chan struct{}
}

func newLocks() *locks { return &locks{held: map[string]chan struct{}{}} }

// lock waits for its turn, or for the end of ctx.
func (l *locks) lock(ctx context.Context, key string) (unlock func(), err error) {
	for {
		l.mu.Lock()
		busy, ok := l.held[key]
		if !ok {
			mine := make(chan struct{})
			l.held[key] = mine
			l.mu.Unlock()
			return func() { l.unlock(key, mine) }, nil
		}
		l.mu.Unlock()
		select {
		case <-busy:
		case <-ctx.Done():
			return nil, errs.Wrap(ctx.Err(), errs.DeadlineExceeded, "Another call for the same torrent takes too long.")
		}
	}
}

func (l *locks) unlock(key string, mine chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.held, key)
	close(mine)
}
