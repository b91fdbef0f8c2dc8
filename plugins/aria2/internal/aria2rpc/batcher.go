package aria2rpc

import (
	"context"
	"sync"
	"time"
)

const (
	// maxBatchBytes keeps a request below what any aria2 takes by default, and
	// short enough not to hold up other callers.
	maxBatchBytes = 1 << 20
	maxBatchCalls = 1000
	// gatherPause is how long nobody must have come for a request to go, and
	// maxGather how many such pauses are made at most.
	gatherPause = time.Millisecond
	maxGather   = 30
)

// Batcher makes calls of concurrent callers in common requests: while one
// request is under way the calls of all who come wait, and go together in the
// next one. A lone caller never waits.
type Batcher struct {
	client *Client
	last   []Call
	onLast func(error)

	wg    sync.WaitGroup
	mu    sync.Mutex // guards what follows
	queue []*batched
	busy  bool
}

type batched struct {
	ctx     context.Context
	calls   []Call
	size    int
	results []Result
	err     error
	done    chan struct{}
}

// NewBatcher returns a batcher without a call of its own.
func NewBatcher(client *Client) *Batcher { return &Batcher{client: client} }

// NewBatcherEnding returns a batcher that ends each request with the call last,
// once for all callers, and hands its error, or nil, to onLast.
func NewBatcherEnding(client *Client, last Call, onLast func(error)) *Batcher {
	return &Batcher{client: client, last: []Call{last}, onLast: onLast}
}

// Do makes the calls of one caller, all in the same request. It fails like
// Client.Do, and with a *TooLargeError where the daemon does not take that much.
func (b *Batcher) Do(ctx context.Context, calls ...Call) ([]Result, error) {
	item := &batched{ctx: ctx, calls: calls, done: make(chan struct{})}
	for _, c := range calls {
		item.size += c.size()
	}
	b.mu.Lock()
	b.queue = append(b.queue, item)
	if !b.busy {
		b.busy = true
		b.wg.Go(b.run)
	}
	b.mu.Unlock()
	select {
	case <-item.done:
		return item.results, item.err
	case <-ctx.Done():
		return nil, callError(ctx, ctx.Err(), "its address")
	}
}

// Wait returns when no request is under way. No call of Do may follow.
func (b *Batcher) Wait() { b.wg.Wait() }

func (b *Batcher) run() {
	for {
		b.gather()
		batch := b.take()
		if batch == nil {
			return
		}
		b.flush(batch)
	}
}

// gather waits while callers are still coming: a busy aria2 takes hundreds of
// milliseconds for a request, whatever is in it, so a few large ones end sooner
// than many small ones.
func (b *Batcher) gather() {
	for range maxGather {
		before := b.queued()
		if before < 2 {
			return
		}
		time.Sleep(gatherPause)
		if b.queued() == before {
			return
		}
	}
}

func (b *Batcher) queued() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.queue)
}

// take returns what goes into the next request; nil ends the run.
func (b *Batcher) take() []*batched {
	b.mu.Lock()
	defer b.mu.Unlock()
	var batch []*batched
	size, calls := 0, 0
	for len(b.queue) > 0 {
		item := b.queue[0]
		if len(batch) > 0 && (size+item.size > maxBatchBytes || calls+len(item.calls) > maxBatchCalls) {
			break
		}
		b.queue = b.queue[1:]
		if item.ctx.Err() != nil {
			continue // its caller has gone
		}
		batch = append(batch, item)
		size += item.size
		calls += len(item.calls)
	}
	if batch == nil {
		b.busy = false
	}
	return batch
}

// flush makes the calls of a batch. What several callers want to read is read
// once for all of them.
func (b *Batcher) flush(batch []*batched) {
	var calls []Call
	var places []int // of each caller's call among calls
	known := map[string]int{}
	size := 0
	for _, item := range batch {
		for _, c := range item.calls {
			at, same := known[c.key()]
			if !same || b.last != nil {
				at = len(calls)
				calls, size = append(calls, c), size+c.size()
				known[c.key()] = at
			}
			places = append(places, at)
		}
	}
	results, err := b.send(append(calls, b.last...), size)
	for _, item := range batch {
		item.err = err
		for range item.calls {
			if err == nil {
				item.results = append(item.results, results[places[0]])
			}
			places = places[1:]
		}
		close(item.done)
	}
}

// send does not use a caller's context, since one caller's end must not end
// the others' calls; the client has a deadline of its own.
func (b *Batcher) send(calls []Call, size int) ([]Result, error) {
	if limit := b.client.RequestLimit(); size > limit {
		return nil, &TooLargeError{Size: size, Limit: limit}
	}
	results, err := b.client.Do(b.client.ctx, calls...)
	if err != nil {
		return nil, err
	}
	if len(b.last) > 0 {
		b.onLast(results[len(results)-1].Err)
	}
	return results, nil
}
