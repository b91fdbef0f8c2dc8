package tasks

import (
	"context"
	"errors"
	"os"
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

// removals are those that failed, with when they are due again.
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
		waiting = s.removeLate(ctx, waiting)
		select {
		case <-ctx.Done():
			return
		case <-s.late.wakeup:
		case <-waiting.next():
		}
	}
}

// removeLate tries those that are due, and returns those that stay. Those of a
// storage that does not answer are put off together.
func (s *Service) removeLate(ctx context.Context, before removals) removals {
	stay, down := removals{}, map[core.StorageID]bool{}
	tasks, err := s.store.TasksToClear(ctx)
	if err != nil && ctx.Err() == nil {
		s.log.Error("read which files have to go", "err", err)
		return before
	}
	for i := range tasks {
		t := &tasks[i]
		stay[t.ID] = before[t.ID]
		if time.Now().Before(stay[t.ID].at) {
			continue
		}
		if down[t.Destination.Storage] {
			stay.failed(t.ID)
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
		down[t.Destination.Storage] = !errs.Is(err, errs.DestinationReadOnly)
		s.log.Warn("files of a deleted task stay, this is tried again", "task", t.ID, "err", err)
	}
	return stay
}

// clearFiles removes what it can, and notes that: what comes by the name of a
// removed file later is not of this task.
func (s *Service) clearFiles(ctx context.Context, late *core.Task) error {
	left, failed := s.deleteFiles(ctx, late)
	if errors.Is(failed, errFolderGone) {
		if failed = s.missesHome(ctx, late); failed == nil {
			left = nil
		}
	}
	if len(left) == len(ownFiles(late)) && failed != nil {
		return failed
	}
	err := s.store.Update(ctx, func(tx *store.Tx) error {
		t, err := tx.Task(late.ID)
		if err != nil {
			return err
		}
		t.ForgetFiles(core.WithoutFiles(late.Files, left))
		return tx.PutTask(t)
	})
	return errors.Join(failed, err)
}

// missesHome fails where not even the owner's home is at a task's storage: that
// is not mounted then, or not all of it is there. A folder alone somebody may
// have removed.
func (s *Service) missesHome(ctx context.Context, t *core.Task) error {
	storage, err := s.registry.Storage(string(t.Destination.Storage))
	if errs.Is(err, errs.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	owner, err := s.store.User(ctx, t.Owner)
	if errs.Is(err, errs.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(storage.Root)
	if err != nil {
		return err
	}
	defer root.Close()
	_, err = root.Stat(owner.Home())
	return err
}
