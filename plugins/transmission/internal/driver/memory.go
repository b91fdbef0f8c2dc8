package driver

import (
	"sync"
	"time"

	"github.com/haul-dl/haul/sdk/downloader"
)

// memory is what the driver knows of torrents beyond the last look. All of it
// can be asked for again.
type memory struct {
	mu sync.Mutex // guards of and what it leads to
	of map[string]*memo
}

// memo is what is remembered of one torrent.
type memo struct {
	// files are as they were when size was wanted, and whole tells that all of
	// them were there then.
	files []downloader.File
	size  int64
	whole bool
	// detailed is the daemon's life in which it was asked for labels and files.
	detailed int
	// orders are what the daemon was told last, nil where this process does not
	// know, and ran tells that the torrent was not stopped when last seen.
	orders *orders
	ran    bool
	// seedTime is how long it may seed; 0 is no limit.
	seedTime time.Duration
	// selection is to be made as soon as the metadata is known.
	selection []int
}

func newMemory() *memory { return &memory{of: map[string]*memo{}} }

// get returns a copy of what is remembered of a torrent.
func (m *memory) get(hash string) memo {
	m.mu.Lock()
	defer m.mu.Unlock()
	if one := m.of[hash]; one != nil {
		return *one
	}
	return memo{}
}

// update changes what is remembered of a torrent.
func (m *memory) update(hash string, change func(*memo)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	one := m.of[hash]
	if one == nil {
		one = &memo{}
		m.of[hash] = one
	}
	change(one)
}

func (m *memory) forget(hash string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.of, hash)
}

// order notes what the daemon was told, where the rest of that is known.
func (m *memo) order(change func(*orders)) {
	if m.orders == nil {
		return
	}
	now := *m.orders
	change(&now)
	m.orders = &now
}
