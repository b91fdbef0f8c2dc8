package delivery

import (
	"os"
	"sync"
	"syscall"
)

// dirSyncer makes the names in directories durable. Callers that wait for the
// same directory at the same time share one fsync: while one runs, the others
// gather for the next, which covers all that they did before they came.
type dirSyncer struct {
	mu     sync.Mutex // guards queues and what is in them
	queues map[dirID]*dirQueue
	fsync  func(*os.File) error
}

type dirID struct{ dev, ino uint64 }

// dirQueue is one directory: the round under way, and the one that gathers.
type dirQueue struct{ running, gathering *syncRound }

type syncRound struct {
	done chan struct{}
	err  error // read after done
}

func newDirSyncer() *dirSyncer {
	return &dirSyncer{queues: map[dirID]*dirQueue{}, fsync: (*os.File).Sync}
}

// sync returns when an fsync that began after the call has ended.
func (s *dirSyncer) sync(dir *os.File) error {
	info, err := dir.Stat()
	if err != nil {
		return err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return s.fsync(dir)
	}
	id := dirID{uint64(stat.Dev), stat.Ino} //nolint:unconvert // Dev has another type on other systems
	round, before, leads := s.join(id)
	if !leads {
		<-round.done
		return round.err
	}
	if before != nil {
		<-before.done
	}
	s.begin(id, round)
	round.err = s.fsync(dir)
	s.end(id)
	close(round.done)
	return round.err
}

// join returns the round that gathers, the one that it has to wait for, and
// whether the caller is to run it.
func (s *dirSyncer) join(id dirID) (round, before *syncRound, leads bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.queues[id]
	if q == nil {
		q = &dirQueue{}
		s.queues[id] = q
	}
	if q.gathering != nil {
		return q.gathering, nil, false
	}
	q.gathering = &syncRound{done: make(chan struct{})}
	return q.gathering, q.running, true
}

// begin lets newcomers gather for the next round.
func (s *dirSyncer) begin(id dirID, round *syncRound) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.queues[id]
	q.running, q.gathering = round, nil
}

func (s *dirSyncer) end(id dirID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if q := s.queues[id]; q.gathering == nil {
		delete(s.queues, id)
	}
}
