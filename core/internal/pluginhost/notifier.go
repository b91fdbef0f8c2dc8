package pluginhost

import "sync"

// notifier calls Options.OnChange from one goroutine, so that it is never
// called concurrently nor by somebody who holds a lock. Changes of the same
// instance that come faster than they are taken are told once.
type notifier struct {
	fn   func(id string)
	wake chan struct{}
	quit chan struct{}
	done chan struct{}

	mu      sync.Mutex // guards pending
	pending []string
}

func newNotifier(fn func(string)) *notifier {
	n := &notifier{fn: fn, wake: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{})}
	go n.run()
	return n
}

// changed never blocks.
func (n *notifier) changed(id string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, p := range n.pending {
		if p == id {
			return
		}
	}
	n.pending = append(n.pending, id)
	select {
	case n.wake <- struct{}{}:
	default:
	}
}

func (n *notifier) run() {
	defer close(n.done)
	for {
		select {
		case <-n.wake:
			n.deliver()
		case <-n.quit:
			n.deliver()
			return
		}
	}
}

func (n *notifier) deliver() {
	n.mu.Lock()
	ids := n.pending
	n.pending = nil
	n.mu.Unlock()
	if n.fn == nil {
		return
	}
	for _, id := range ids {
		n.fn(id)
	}
}

// close delivers what is pending and ends.
func (n *notifier) close() {
	close(n.quit)
	<-n.done
}
