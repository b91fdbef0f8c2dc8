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
	paths map[claimed]chan struct{}
	// putters are the tasks that have put the newest files; putOrder is a ring of
	// their paths, which goes on at next.
	putters  map[claimed]core.TaskID
	putOrder []claimed
	next     int
}

// maxPutters bounds how many files are remembered: those of the deliveries that
// run at the same time, or nearly.
const maxPutters = 50_000

// claimed is a path of a storage, in lower case: some storages know no other.
type claimed struct {
	storage core.StorageID
	path    string
}

func newClaims() *claims {
	return &claims{paths: map[claimed]chan struct{}{}, putters: map[claimed]core.TaskID{}}
}

func keyOf(storage core.StorageID, path string) claimed {
	return claimed{storage, strings.ToLower(path)}
}

// claim waits until nobody else has a path. The caller calls release.
func (c *claims) claim(ctx context.Context, storage core.StorageID, path string) (release func(), err error) {
	for {
		release, taken := c.tryClaim(storage, path)
		if release != nil {
			return release, nil
		}
		select {
		case <-taken:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// tryClaim does not wait: where somebody else has the path, release is nil, and
// taken is closed when that is over.
func (c *claims) tryClaim(storage core.StorageID, path string) (release func(), taken <-chan struct{}) {
	key := keyOf(storage, path)
	c.mu.Lock()
	defer c.mu.Unlock()
	if taken := c.paths[key]; taken != nil {
		return nil, taken
	}
	mine := make(chan struct{})
	c.paths[key] = mine
	return func() {
		c.mu.Lock()
		delete(c.paths, key)
		c.mu.Unlock()
		close(mine)
	}, nil
}

// wasPut notes who has put a file.
func (c *claims) wasPut(storage core.StorageID, path string, by core.TaskID) {
	key := keyOf(storage, path)
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
	by, known := c.putters[keyOf(storage, path)]
	return known && by != task
}
