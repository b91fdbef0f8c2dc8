package driver

import (
	"sync"

	"github.com/haul-dl/haul/plugins/aria2/internal/aria2rpc"
)

// events collects what happens until somebody has time for it.
type events struct {
	wake chan struct{} // has one entry where there is something to take

	mu    sync.Mutex        // guards kinds
	kinds map[string]string // by gid
}

func newEvents() *events {
	return &events{wake: make(chan struct{}, 1), kinds: map[string]string{}}
}

// put never blocks. Of several events about one download an end counts most.
func (q *events) put(e aria2rpc.Event) {
	q.mu.Lock()
	if !isEnd(q.kinds[e.GID]) {
		q.kinds[e.GID] = e.Kind
	}
	q.mu.Unlock()
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

func (q *events) take() map[string]string {
	q.mu.Lock()
	defer q.mu.Unlock()
	out := q.kinds
	q.kinds = map[string]string{}
	return out
}

// watchers are the watches under way.
type watchers struct {
	mu  sync.Mutex // guards all
	all map[*events]struct{}
}

func (w *watchers) add(q *events) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.all == nil {
		w.all = map[*events]struct{}{}
	}
	w.all[q] = struct{}{}
}

func (w *watchers) remove(q *events) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.all, q)
}

// poke makes all watches look after downloads, as if something had happened.
func (w *watchers) poke(gids []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for q := range w.all {
		for _, gid := range gids {
			q.put(aria2rpc.Event{Kind: aria2rpc.EventStart, GID: gid})
		}
	}
}
