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
	mu    sync.Mutex // guards all below
	paths map[claimed]*claim
	// putters are the tasks that have put the newest files, by their exact paths;
	// putOrder is a ring of those, which goes on at next.
	putters  map[claimed]core.TaskID
	putOrder []claimed
	next     int
}

// claim is that of one task.
type claim struct {
	by   core.TaskID
	over chan struct{} // closed at its end
}

// maxPutters bounds how many files are remembered: those of the deliveries that
// run at the same time, or nearly.
const maxPutters = 50_000

// claimed is a path of a storage; what is claimed is in lower case, as some
// storages know no other.
type claimed struct {
	storage core.StorageID
	path    string
}

func newClaims() *claims {
	return &claims{paths: map[claimed]*claim{}, putters: map[claimed]core.TaskID{}}
}

// claim waits until nobody else has a path. The caller calls release.
func (c *claims) claim(ctx context.Context, storage core.StorageID, path string, by core.TaskID) (release func(), err error) {
	for {
		release, taken := c.tryClaim(storage, path, by)
		if release != nil {
			return release, nil
		}
		select {
		case <-taken.over:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// tryClaim does not wait: where somebody has the path, release is nil.
func (c *claims) tryClaim(storage core.StorageID, path string, by core.TaskID) (release func(), taken *claim) {
	key := claimed{storage, strings.ToLower(path)}
	c.mu.Lock()
	defer c.mu.Unlock()
	if taken := c.paths[key]; taken != nil {
		return nil, taken
	}
	mine := &claim{by, make(chan struct{})}
	c.paths[key] = mine
	return func() {
		c.mu.Lock()
		delete(c.paths, key)
		c.mu.Unlock()
		close(mine.over)
	}, nil
}

// claimBack is claim for what may be taken back: release is nil where another task
// has the path, whose file it is then.
func (c *claims) claimBack(ctx context.Context, storage core.StorageID, path string, by core.TaskID) (release func(), err error) {
	for {
		release, taken := c.tryClaim(storage, path, by)
		if release != nil || taken.by != by {
			return release, nil
		}
		select {
		case <-taken.over:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// wasPut notes who has put a file.
func (c *claims) wasPut(storage core.StorageID, path string, by core.TaskID) {
	key := claimed{storage, path}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, known := c.putters[key]; !known {
		if len(c.putOrder) < maxPutters {
			c.putOrder = append(c.putOrder, key)
		} else {
			delete(c.putters, c.putOrder[c.next])
			c.putOrder[c.next] = key
			c.next = (c.next + 1) % maxPutters
		}
	}
	c.putters[key] = by
}

// isAnothers reports whether another task is known to have put a file.
func (c *claims) isAnothers(storage core.StorageID, path string, task core.TaskID) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	by := c.putters[claimed{storage, path}]
	return by != "" && by != task
}

// isGone notes that nothing has a path any more.
func (c *claims) isGone(storage core.StorageID, path string) {
	key := claimed{storage, path}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, known := c.putters[key]; known {
		c.putters[key] = "" // its place in the ring stays
	}
}
