package tasks

import (
	"context"
	"slices"
	"time"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/store"
	"github.com/haul-dl/haul/sdk/errs"
)

// firstRemoval and lastRemoval bound the pause between two tries to remove files
// that came late.
const (
	firstRemoval = time.Minute
	lastRemoval  = time.Hour
)

// lateFiles wakes who removes the files that arrived after their tasks were
// deleted with their data. A storage may take its time over that, for which no
// report shall wait; which they are is stored.
type lateFiles struct{ wakeup chan struct{} } // it holds one token

func newLateFiles() *lateFiles { return &lateFiles{wakeup: make(chan struct{}, 1)} }

func (l *lateFiles) wake() {
	select {
	case l.wakeup <- struct{}{}:
	default:
	}
}

// wakeFor wakes where files of one of some changed tasks have to go.
func (l *lateFiles) wakeFor(moved []outcome) {
	if slices.ContainsFunc(moved, func(m outcome) bool { return m.task.FilesMustGo() }) {
		l.wake()
	}
}

// removeLoop removes them as they come, and tries again what could not be removed.
func (s *Service) removeLoop(ctx context.Context) {
	for pause := firstRemoval; ; {
		var again <-chan time.Time
		if s.removeLate(ctx) {
			again = time.After(pause)
		}
		select {
		case <-ctx.Done():
			return
		case <-s.late.wakeup:
			pause = firstRemoval
		case <-again:
			pause = min(2*pause, lastRemoval)
		}
	}
}

// removeLate reports whether files stay.
func (s *Service) removeLate(ctx context.Context) (stay bool) {
	tasks, err := s.store.TasksToClear(ctx)
	if err != nil {
		s.log.Error("read which files have to go", "err", err)
		return true
	}
	for i := range tasks {
		if err := s.clearFiles(ctx, &tasks[i]); err != nil && ctx.Err() == nil {
			s.log.Warn("files of a deleted task stay, this is tried again", "task", tasks[i].ID, "code", errs.CodeOf(err))
			stay = true
		}
	}
	return stay
}

func (s *Service) clearFiles(ctx context.Context, late *core.Task) error {
	if err := s.deleteFiles(ctx, late); err != nil {
		return err
	}
	return s.store.Update(ctx, func(tx *store.Tx) error {
		t, err := tx.Task(late.ID)
		if err != nil || !slices.Equal(t.Files, late.Files) {
			return err
		}
		t.Files = nil
		return tx.PutTask(t)
	})
}
