package bolt

import (
	"context"
	"strings"
	"sync"

	"github.com/haul-dl/haul/core/internal/store"
)

// watchBatch is how many changes one Next returns, rounded up to whole commits.
const watchBatch = 1000

// history keeps the newest commits for watches, in memory and bounded.
type history struct {
	maxCommits, maxBytes int

	mu       sync.Mutex // guards all below
	commits  []commit   // ascending, without a gap
	bytes    int
	revision int64         // of the newest commit, kept or not
	changed  chan struct{} // closed at the next commit; nil while nobody waits
	closed   bool
}

type commit struct {
	changes []store.Change
	size    int
}

func newHistory(maxCommits, maxBytes int, revision int64) *history {
	return &history{maxCommits: maxCommits, maxBytes: maxBytes, revision: revision}
}

// add takes over the changes of the next revision.
func (h *history) add(revision int64, changes []store.Change) {
	size := 0
	for i := range changes {
		size += len(changes[i].Key) + len(changes[i].Value)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.commits = append(h.commits, commit{changes, size})
	h.bytes += size
	h.revision = revision
	// The newest one stays whatever its size, or nobody could ever see it.
	for len(h.commits) > 1 && (len(h.commits) > h.maxCommits || h.bytes > h.maxBytes) {
		h.bytes -= h.commits[0].size
		h.commits[0] = commit{}
		h.commits = h.commits[1:]
	}
	h.wake()
}

func (h *history) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	h.commits = nil
	h.wake()
}

// wake is called with mu held.
func (h *history) wake() {
	if h.changed != nil {
		close(h.changed)
		h.changed = nil
	}
}

// oldest is the revision before the oldest commit kept; mu is held.
func (h *history) oldest() int64 { return h.revision - int64(len(h.commits)) }

// Watch returns the changes since a revision; see store.KV. A watch has no
// goroutine and no buffer: it is a position in the shared history.
func (db *DB) Watch(ctx context.Context, prefix string, from int64) (store.Watch, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	h := db.history
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.closed:
		return nil, store.ErrClosed
	// A Range can see a commit a moment before the history does: hence the one.
	case from < h.oldest() || from > h.revision+1:
		return nil, store.ErrCompacted
	}
	return &watch{history: h, prefix: prefix, seen: from, done: make(chan struct{})}, nil
}

// watch is used by one goroutine, except for Close.
type watch struct {
	history *history
	prefix  string
	seen    int64 // everything up to this revision was returned
	close   sync.Once
	done    chan struct{}
}

// Next waits for the next changes.
func (w *watch) Next(ctx context.Context) ([]store.Change, error) {
	for {
		changes, changed, err := w.collect()
		if err != nil || len(changes) > 0 {
			return changes, err
		}
		select {
		case <-changed:
		case <-w.done:
			return nil, store.ErrClosed
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// Close ends the watch, also a Next that waits.
func (w *watch) Close() { w.close.Do(func() { close(w.done) }) }

// collect returns the changes that are there, or what to wait for.
func (w *watch) collect() ([]store.Change, <-chan struct{}, error) {
	h := w.history
	h.mu.Lock()
	defer h.mu.Unlock()
	select {
	case <-w.done:
		return nil, nil, store.ErrClosed
	default:
	}
	if h.closed {
		return nil, nil, store.ErrClosed
	}
	if w.seen < h.oldest() {
		return nil, nil, store.ErrCompacted
	}
	var out []store.Change
	for w.seen < h.revision && len(out) < watchBatch {
		c := &h.commits[w.seen-h.oldest()]
		w.seen++
		out = w.appendMatching(out, c.changes)
	}
	if len(out) == 0 && h.changed == nil {
		h.changed = make(chan struct{})
	}
	return out, h.changed, nil
}

// appendMatching copies: what a caller gets is its own.
func (w *watch) appendMatching(out, changes []store.Change) []store.Change {
	for _, c := range changes {
		if !strings.HasPrefix(c.Key, w.prefix) {
			continue
		}
		if !c.Deleted {
			c.Value = append([]byte{}, c.Value...)
		}
		out = append(out, c)
	}
	return out
}
