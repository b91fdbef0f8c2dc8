package tasks

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/store"
	"github.com/haul-dl/haul/sdk/errs"
)

// firstRemoval and lastRemoval bound the pause between two tries to remove the
// files of one task that came late.
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

// removals are those that are tried again, with when they are due.
type removals map[core.TaskID]removal

type removal struct {
	pause time.Duration
	at    time.Time
}

// failed puts off the next try for a task.
func (r removals) failed(id core.TaskID) {
	pause := min(max(firstRemoval, 2*r[id].pause), lastRemoval)
	r[id] = removal{pause, time.Now().Add(pause)}
}

// next returns when the first one is due, nil where there is none.
func (r removals) next() <-chan time.Time {
	var first time.Time
	for _, w := range r {
		if first.IsZero() || w.at.Before(first) {
			first = w.at
		}
	}
	if first.IsZero() {
		return nil
	}
	return time.After(time.Until(first))
}

// removeLoop removes them as they come, and tries again what could not be removed.
func (s *Service) removeLoop(ctx context.Context) {
	waiting := removals{}
	for {
		again := (<-chan time.Time)(nil)
		tasks, err := s.store.TasksToClear(ctx)
		if err == nil {
			waiting = s.removeLate(ctx, tasks, waiting)
			again = waiting.next()
		} else if ctx.Err() == nil {
			s.log.Error("read which files have to go", "err", err)
			again = time.After(firstRemoval)
		}
		select {
		case <-ctx.Done():
			return
		case <-s.late.wakeup:
		case <-again:
		}
	}
}

// removeLate tries those that are due, and returns those that stay. While a
// storage does not answer, its others wait for the next try without one of theirs.
func (s *Service) removeLate(ctx context.Context, tasks []core.Task, before removals) removals {
	stay, down := removals{}, map[core.StorageID]time.Time{}
	for i := range tasks {
		t := &tasks[i]
		was := before[t.ID]
		if until, isDown := down[t.Destination.Storage]; isDown && was.at.Before(until) {
			was.at = until
		}
		stay[t.ID] = was
		if time.Now().Before(was.at) {
			continue
		}
		err := s.clearFiles(ctx, t)
		switch {
		case ctx.Err() != nil:
			return stay
		case err == nil:
			delete(stay, t.ID)
			continue
		}
		stay.failed(t.ID)
		if isDown(err) {
			down[t.Destination.Storage] = stay[t.ID].at
		}
		s.log.Warn("files of a deleted task stay, this is tried again", "task", t.ID, "err", err)
	}
	return stay
}

// isDown reports whether an error concerns a storage as a whole.
func isDown(err error) bool {
	switch errs.CodeOf(err) {
	case errs.StorageUnreachable, errs.StorageAuthFailed, errs.NodeOffline:
		return true
	}
	return false
}

// clearFiles removes what it can, and notes that: what gets the name of a removed
// file later is not of this task.
func (s *Service) clearFiles(ctx context.Context, late *core.Task) error {
	left, failed := s.deleteFiles(ctx, late)
	removed := core.WithoutFiles(late.Files, left)
	if len(removed) == 0 {
		return failed
	}
	return errors.Join(failed, s.store.Update(ctx, func(tx *store.Tx) error {
		t, err := tx.Task(late.ID)
		if err != nil {
			return err
		}
		t.ForgetFiles(removed)
		return tx.PutTask(t)
	}))
}
