package tasks

import (
	"context"
	"sync"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/sdk/errs"
)

// lateFiles are the tasks whose files arrived after they were deleted with their
// data. A storage may take its time over removing them, for which no report
// shall wait.
type lateFiles struct {
	mu     sync.Mutex // guards tasks
	tasks  []*core.Task
	wakeup chan struct{} // holds one token while there are any
}

func newLateFiles() *lateFiles { return &lateFiles{wakeup: make(chan struct{}, 1)} }

// add notes those of some changed tasks whose files have to go.
func (l *lateFiles) add(moved []outcome) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range moved {
		if t := moved[i].task; t.DeletedAt != nil && t.DeleteData && len(t.Files) > 0 {
			l.tasks = append(l.tasks, t)
		}
	}
	if len(l.tasks) == 0 {
		return
	}
	select {
	case l.wakeup <- struct{}{}:
	default:
	}
}

func (l *lateFiles) take() []*core.Task {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := l.tasks
	l.tasks = nil
	return out
}

// removeLoop removes them as they come.
func (s *Service) removeLoop(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.late.wakeup:
		}
		for _, t := range s.late.take() {
			if err := s.deleteFiles(ctx, t); err != nil {
				s.log.Warn("files of a deleted task stay", "task", t.ID, "code", errs.CodeOf(err))
			}
		}
	}
}
