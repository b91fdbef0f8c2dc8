package users

import (
	"crypto/sha256"
	"sync"
	"time"

	"github.com/haul-dl/haul/core"
)

// Bounds of the cache. The time to live is for what other parts change, such
// as the permissions of a group: what this service changes it takes out itself.
const (
	maxCached = 10_000
	cacheLife = 30 * time.Second
)

// tokenHash is the SHA-256 of a token's secret.
type tokenHash = [sha256.Size]byte

// cached is who a token belongs to.
type cached struct {
	identity core.Identity
	expires  time.Time // of the token
	until    time.Time // of the entry
}

// identityCache saves a request from reading the store.
type identityCache struct {
	mu         sync.RWMutex // guards all below
	entries    map[tokenHash]cached
	generation uint64 // grows with each removal
}

func newIdentityCache() *identityCache {
	return &identityCache{entries: map[tokenHash]cached{}}
}

// get returns the entry if it is fresh, and the generation to put one with.
func (c *identityCache) get(hash tokenHash, now time.Time) (entry cached, found bool, generation uint64) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	entry, found = c.entries[hash]
	return entry, found && now.Before(entry.until), c.generation
}

// put stores what was read from the store, unless something was removed since:
// it may be what was read.
func (c *identityCache) put(hash tokenHash, entry cached, generation uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.generation != generation {
		return
	}
	if _, ok := c.entries[hash]; !ok && len(c.entries) >= maxCached {
		for whichever := range c.entries {
			delete(c.entries, whichever)
			break
		}
	}
	c.entries[hash] = entry
}

// remove forgets those for whom gone is true.
func (c *identityCache) remove(gone func(*core.Identity) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.generation++
	for hash, entry := range c.entries {
		if gone(&entry.identity) {
			delete(c.entries, hash)
		}
	}
}
