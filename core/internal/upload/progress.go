package upload

import (
	"sync"

	"github.com/haul-dl/haul/core/internal/delivery"
)

// progress adds up what is at the storage, and tells while all files wait for
// their turn.
type progress struct {
	hooks delivery.Hooks

	mu    sync.Mutex // guards what follows, and keeps the reports in order
	done  int64
	files int
	// running and waiting are the files that have a slot, or want one.
	running, waiting int
	told             bool
}

func (p *progress) add(bytes int64, files int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done, p.files = p.done+bytes, p.files+files
	if p.hooks.Progress != nil && (bytes != 0 || files != 0) {
		p.hooks.Progress(p.done, p.files)
	}
}

// turn changes how many files have or want a slot.
func (p *progress) turn(running, waiting int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.running, p.waiting = p.running+running, p.waiting+waiting
	if waits := p.waiting > 0 && p.running == 0; waits != p.told {
		p.told = waits
		if p.hooks.Waiting != nil {
			p.hooks.Waiting(waits)
		}
	}
}

// meter counts one try of one file: what it said is taken back when it failed.
type meter struct {
	all  *progress
	size int64

	mu    sync.Mutex // guards what follows
	done  int64
	ended bool
}

// set takes what a storage says, which is not trusted.
func (m *meter) set(done int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ended {
		return
	}
	done = min(max(done, 0), m.size)
	m.all.add(done-m.done, 0)
	m.done = done
}

func (m *meter) end(ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ended = true
	if ok {
		m.all.add(m.size-m.done, 1)
		return
	}
	m.all.add(-m.done, 0)
}
