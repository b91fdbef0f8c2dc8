package tasks

import (
	"context"
	"time"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/sdk/errs"
)

// sources are the tasks whose torrent or metalink file has to be fetched, in
// the order in which they came. The service's mutex guards it.
type sources struct {
	tasks map[core.TaskID]*fetching
	// pending wait for their turn, stalled for their node.
	pending, stalled []*fetching
	added            chan struct{} // holds one token while pending is worth a look
}

// fetching is one of them.
type fetching struct {
	id    core.TaskID
	node  core.NodeID // "" is any
	tries int
	// waits is why nothing moves just now; nil while it is its turn, or will be soon.
	waits *core.Waiting
	// dropped reports that nobody wants the answer any more.
	dropped bool
	cancel  context.CancelFunc
}

func newSources() *sources {
	return &sources{tasks: map[core.TaskID]*fetching{}, added: make(chan struct{}, 1)}
}

func (l *sources) add(id core.TaskID) {
	f := &fetching{id: id}
	l.tasks[id] = f
	l.push(f)
}

func (l *sources) push(f *fetching) {
	f.waits = nil
	l.pending = append(l.pending, f)
	select {
	case l.added <- struct{}{}:
	default:
	}
}

// remove drops a task, and ends what is under way for it.
func (l *sources) remove(id core.TaskID) {
	f := l.tasks[id]
	if f == nil {
		return
	}
	delete(l.tasks, id)
	f.dropped = true
	if f.cancel != nil {
		f.cancel()
	}
}

// next takes the first one that waits for its turn; nil without any.
func (l *sources) next() *fetching {
	for len(l.pending) > 0 {
		f := l.pending[0]
		l.pending[0], l.pending = nil, l.pending[1:]
		if !f.dropped {
			return f
		}
	}
	return nil
}

// again makes it a task's turn after a pause, and reports whether it had one.
func (l *sources) again(id core.TaskID) bool {
	f := l.tasks[id]
	if f == nil {
		return false
	}
	l.push(f)
	return true
}

// stall keeps a task until its node is online.
func (l *sources) stall(f *fetching) {
	f.waits = nodeOffline()
	l.stalled = append(l.stalled, f)
}

// resume makes it the turn of those whose node is online.
func (l *sources) resume(online []core.NodeID) {
	if len(l.stalled) == 0 || len(online) == 0 {
		return
	}
	is := map[core.NodeID]bool{"": true}
	for _, id := range online {
		is[id] = true
	}
	kept := l.stalled[:0]
	for _, f := range l.stalled {
		switch {
		case f.dropped:
		case is[f.node]:
			l.push(f)
		default:
			kept = append(kept, f)
		}
	}
	clear(l.stalled[len(kept):])
	l.stalled = kept
}

// pause notes a try that failed, and returns how long to wait for the next.
func (f *fetching) pause(err error) time.Duration {
	f.tries++
	f.waits = &core.Waiting{
		Code:    core.WaitingForSource,
		Message: "The torrent or metalink file could not be fetched, and is tried again: " + errs.MessageOf(err),
	}
	return fetchPause << (f.tries - 1)
}

// why says what a task waits for.
func (l *sources) why(id core.TaskID) *core.Waiting {
	if f := l.tasks[id]; f != nil && f.waits != nil {
		return f.waits
	}
	return &core.Waiting{Code: core.WaitingForSource, Message: "A node fetches the torrent or metalink file."}
}

func nodeOffline() *core.Waiting {
	return &core.Waiting{Code: errs.NodeOffline, Message: "The node that shall fetch the torrent or metalink file is offline."}
}
