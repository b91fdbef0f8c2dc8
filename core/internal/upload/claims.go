package upload

import (
	"context"
	"strings"
	"sync"

	"github.com/haul-dl/haul/core"
)

// claims lets one upload at a time have a path: a storage that is asked by two
// for the same name shows it to neither before one of them is there, and the
// second would replace the first.
type claims struct {
	mu    sync.Mutex // guards paths
	paths map[claimed]chan struct{}
}

// claimed is a path of a storage, in lower case: some storages know no other.
type claimed struct {
	storage core.StorageID
	path    string
}

func newClaims() *claims { return &claims{paths: map[claimed]chan struct{}{}} }

// claim waits until nobody else has a path. The caller calls release.
func (c *claims) claim(ctx context.Context, storage core.StorageID, path string) (release func(), err error) {
	key := claimed{storage, strings.ToLower(path)}
	for {
		c.mu.Lock()
		taken := c.paths[key]
		if taken == nil {
			mine := make(chan struct{})
			c.paths[key] = mine
			c.mu.Unlock()
			return func() {
				c.mu.Lock()
				delete(c.paths, key)
				c.mu.Unlock()
				close(mine)
			}, nil
		}
		c.mu.Unlock()
		select {
		case <-taken:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
