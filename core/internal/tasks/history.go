package tasks

import (
	"context"
	"fmt"
	"time"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/store"
	"github.com/haul-dl/haul/sdk/errs"
)

// History returns what happened to a task. That it was created is known from
// the task itself.
func (s *Service) History(ctx context.Context, id core.TaskID) ([]core.HistoryEvent, error) {
	t, err := s.mine(ctx, id)
	if err != nil {
		return nil, err
	}
	stored, err := s.store.History(ctx, id)
	if err != nil {
		return nil, err
	}
	created := core.HistoryEvent{
		At: t.CreatedAt, Kind: core.HistoryCreated, Message: "The task was created.",
		By: s.owners.name(ctx, s.store, t.Owner),
	}
	return append([]core.HistoryEvent{created}, stored...), nil
}

// event is something that happened now, and that is neither a wish nor a state.
func (s *Service) event(code errs.Code, format string, args ...any) core.HistoryEvent {
	return core.HistoryEvent{
		At: s.now().UTC(), Kind: core.HistoryEventOf, Code: code, Message: fmt.Sprintf(format, args...),
	}
}

// wish is what somebody asked for now.
func (s *Service) wish(who *core.Identity, message string) core.HistoryEvent {
	return core.HistoryEvent{At: s.now().UTC(), Kind: core.HistoryWish, Message: message, By: who.Name}
}

// noteState tells of a task's state where it is a new one. The caller stores
// the task.
func (s *Service) noteState(tx *store.Tx, t *core.Task, before core.TaskState) error {
	if t.State == before {
		return nil
	}
	ev := core.HistoryEvent{At: s.now().UTC(), Kind: core.HistoryState, State: t.State, Message: stateMessages[t.State]}
	switch {
	case t.State == core.StateQueued && t.Retries.NextAt != nil:
		ev.Code = core.WaitingForRetry
		ev.Message = fmt.Sprintf("haul tries again by itself at %s (retry %d of %d).",
			t.Retries.NextAt.UTC().Format(time.RFC3339), t.Retries.Used, t.Retries.Limit)
	case t.State == core.StateStarting:
		ev.Message = fmt.Sprintf("Handed to downloader %q on node %q.", s.registry.DownloaderName(t.Downloader), s.registry.NodeName(t.Node))
	case t.Error != nil && (t.State == core.StateFailed || t.State == core.StateHeld):
		ev.Code, ev.Message = t.Error.Code, t.Error.Message
	}
	return tx.AppendHistory(t, ev)
}

var stateMessages = map[core.TaskState]string{
	core.StateQueued:       "Waits for a place.",
	core.StateMetadata:     "The torrent's metadata is looked for.",
	core.StateDownloading:  "Loads.",
	core.StatePaused:       "Stopped.",
	core.StateTransferring: "All is loaded; the files go to their destination.",
	core.StateHeld:         "All is loaded, but could not be delivered; the data is kept.",
	core.StateSeeding:      "The files are delivered, and still shared.",
	core.StateCompleted:    "Completed.",
	core.StateFailed:       "Failed.",
	core.StateCanceled:     "Canceled.",
}

// failIn ends a task that cannot get a job, or has it tried again later. The
// caller stores the task.
func (s *Service) failIn(tx *store.Tx, t *core.Task, err error) error {
	before, now := t.State, s.now()
	t.Fail(core.NewFailure(err, now), now)
	return s.noteFailure(tx, t, before)
}

// noteFailure tells of a task's new state; one that has just failed may be tried
// again later. The caller stores the task.
func (s *Service) noteFailure(tx *store.Tx, t *core.Task, before core.TaskState) error {
	if err := s.noteState(tx, t, before); err != nil {
		return err
	}
	before = t.State
	if before == core.StateFailed {
		t.RetryLater(s.now())
	}
	s.obey(t)
	return s.noteState(tx, t, before)
}

// obey carries out what its owner wants of a task that has come back to the
// queue: only one that shall run waits there.
func (s *Service) obey(t *core.Task) {
	if t.State != core.StateQueued {
		return
	}
	switch wish := t.Wish; wish {
	case core.WishPause:
		t.Wish, t.Retries.NextAt = core.WishRun, nil
		t.Pause(s.now())
	case core.WishCancel:
		t.Wish = core.WishRun
		t.Cancel(s.now())
	}
}
