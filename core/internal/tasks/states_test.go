package tasks

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/schedule"
	"github.com/haul-dl/haul/sdk/errs"
)

// phaseOf is the phase of a job that has its task in a state.
var phaseOf = map[core.TaskState]core.JobPhase{
	core.StateMetadata: core.JobMetadata, core.StateDownloading: core.JobDownloading,
	core.StateTransferring: core.JobDelivering, core.StateHeld: core.JobHeld, core.StateSeeding: core.JobSeeding,
	core.StateCompleted: core.JobDone, core.StateFailed: core.JobFailed,
}

// in makes a task that is in a state, and its job as it is stored; nil where it
// has none.
func (w *world) in(state core.TaskState) (core.TaskID, *core.Job) {
	w.t.Helper()
	if state == core.StateQueued {
		w.reg.change(func(c *schedule.Candidate) {
			c.Trouble = &core.Waiting{Code: errs.DownloaderUnreachable, Message: "Down."}
		})
		id := w.ask(w.alice, nil)
		w.idle()
		return id, nil
	}
	w.reg.change(func(c *schedule.Candidate) { c.Trouble = nil })
	id := w.ask(w.alice, nil)
	job := w.started()
	switch state {
	case core.StateStarting:
	case core.StatePaused, core.StateCanceled:
		call, phase := w.service.Pause, core.JobPaused
		if state == core.StateCanceled {
			call, phase = w.service.Cancel, core.JobRemoved
		}
		w.act(call, id)
		job = w.started()
		w.report(job, phase, nil)
	default:
		w.report(job, phaseOf[state], func(o *core.ObservedJob) {
			d := &o.Deliveries[0]
			if d.Done = state == core.StateSeeding || state == core.StateCompleted; d.Done {
				d.Files = []core.DeliveredFile{{Path: "f", Size: 1}}
			}
			if state == core.StateHeld || state == core.StateFailed {
				d.Failure = &core.Failure{Code: errs.OutOfSpace, Message: "Full."}
			}
		})
	}
	if v := w.get(w.alice, id); v.State != state {
		w.t.Fatalf("the task is %s, want %s", v.State, state)
	}
	return id, job
}

func TestEveryWishInEveryState(t *testing.T) {
	type wishes map[string]errs.Code
	const ok, wrong = errs.Code(""), errs.WrongState
	want := map[core.TaskState]wishes{
		core.StateQueued:       {"pause": ok, "resume": ok, "cancel": ok, "retry": wrong, "recheck": wrong, "move": ok, "seed": ok, "files": ok},
		core.StateStarting:     {"pause": ok, "resume": ok, "cancel": ok, "retry": wrong, "recheck": ok, "move": ok, "seed": ok, "files": ok},
		core.StateMetadata:     {"pause": ok, "resume": ok, "cancel": ok, "retry": wrong, "recheck": ok, "move": ok, "seed": ok, "files": ok},
		core.StateDownloading:  {"pause": ok, "resume": ok, "cancel": ok, "retry": wrong, "recheck": ok, "move": ok, "seed": ok, "files": ok},
		core.StatePaused:       {"pause": ok, "resume": ok, "cancel": ok, "retry": ok, "recheck": ok, "move": ok, "seed": ok, "files": ok},
		core.StateTransferring: {"pause": wrong, "resume": wrong, "cancel": ok, "retry": wrong, "recheck": ok, "move": ok, "seed": ok, "files": wrong},
		core.StateHeld:         {"pause": wrong, "resume": wrong, "cancel": ok, "retry": ok, "recheck": ok, "move": ok, "seed": ok, "files": wrong},
		core.StateSeeding:      {"pause": wrong, "resume": wrong, "cancel": ok, "retry": wrong, "recheck": ok, "move": wrong, "seed": ok, "files": wrong},
		core.StateCompleted:    {"pause": wrong, "resume": wrong, "cancel": wrong, "retry": wrong, "recheck": ok, "move": wrong, "seed": wrong, "files": wrong},
		core.StateFailed:       {"pause": wrong, "resume": wrong, "cancel": wrong, "retry": ok, "recheck": ok, "move": ok, "seed": ok, "files": ok},
		core.StateCanceled:     {"pause": wrong, "resume": wrong, "cancel": wrong, "retry": ok, "recheck": ok, "move": ok, "seed": ok, "files": ok},
	}
	update := func(c core.TaskChange) func(*world, context.Context, core.TaskID) error {
		return func(w *world, ctx context.Context, id core.TaskID) error {
			_, err := w.service.Update(ctx, id, &c)
			return err
		}
	}
	selection := only(0)
	calls := map[string]func(*world, context.Context, core.TaskID) error{
		"pause": func(w *world, ctx context.Context, id core.TaskID) error {
			_, err := w.service.Pause(ctx, id)
			return err
		},
		"resume": func(w *world, ctx context.Context, id core.TaskID) error {
			_, err := w.service.Resume(ctx, id)
			return err
		},
		"cancel": func(w *world, ctx context.Context, id core.TaskID) error {
			_, err := w.service.Cancel(ctx, id)
			return err
		},
		"retry": func(w *world, ctx context.Context, id core.TaskID) error { _, err := w.retry(ctx, id); return err },
		"recheck": func(w *world, ctx context.Context, id core.TaskID) error {
			_, err := w.service.Recheck(ctx, id)
			return err
		},
		"move":  update(core.TaskChange{Destination: &core.NewDestination{Path: "else"}}),
		"seed":  update(core.TaskChange{Seed: &core.SeedChange{Policy: &core.SeedPolicy{Enabled: true}}}),
		"files": update(core.TaskChange{Selection: &selection}),
	}
	for state, expected := range want {
		for name, code := range expected {
			t.Run(name+" when "+string(state), func(t *testing.T) {
				w := newWorld(t)
				if err := os.MkdirAll(w.reg.storage.Root, 0o755); err != nil {
					t.Fatal(err)
				}
				id, _ := w.in(state)
				err := calls[name](w, w.alice, id)
				if errs.CodeOf(err) != code {
					t.Errorf("got %v", err)
				}
				w.service.Stop() // or something starts between two looks
				w.consistent()
			})
		}
	}
	if len(want) != len(core.TaskStates) {
		t.Errorf("%d states of %d", len(want), len(core.TaskStates))
	}
}

func TestATaskCanBeDeletedInEveryState(t *testing.T) {
	for _, state := range core.TaskStates {
		for _, withData := range []bool{false, true} {
			w := newWorld(t)
			if err := os.MkdirAll(filepath.Join(w.reg.storage.Root, "alice"), 0o755); err != nil {
				t.Fatal(err)
			}
			id, job := w.in(state)
			if err := w.service.Delete(w.alice, id, withData); err != nil {
				t.Errorf("%s: %v", state, err)
				continue
			}
			if _, err := w.service.Get(w.alice, id); !errs.Is(err, errs.NotFound) {
				t.Errorf("%s: it is still there: %v", state, err)
			}
			if job != nil && !state.Ended() {
				if job = w.started(); job.Wish != core.JobRemove {
					t.Errorf("%s: the node is told %+v", state, job)
				}
				w.report(job, core.JobRemoved, nil)
			}
			w.consistent()
			w.restart()
			w.idle()
			w.consistent()
			if stored, err := w.store.Task(t.Context(), id); err != nil || !stored.State.Ended() {
				t.Errorf("%s: in the end %+v, %v", state, stored, err)
			}
		}
	}
}

func TestTheHistoryTellsWhatHappenedWhenAndWhy(t *testing.T) {
	w := newWorld(t)
	id := w.ask(w.alice, nil)
	w.reported(core.JobDownloading)
	w.act(w.service.Pause, id)
	w.act(w.service.Pause, id) // changes nothing
	job := w.started()
	w.report(job, core.JobPaused, nil)
	if _, err := w.service.Resume(w.admin, id); err != nil {
		t.Fatal(err)
	}
	job = w.started()
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	log := []core.JobEvent{{Seq: 1, At: at, Code: core.EventLost, Message: "Lost."}}
	for range 2 {
		w.report(job, core.JobDownloading, func(o *core.ObservedJob) { o.Deliveries[0].Log = log })
	}
	log = append(log, core.JobEvent{Seq: 2, At: at, Code: core.EventDelivered, Message: "Copied: another file system."})
	w.report(job, core.JobDone, func(o *core.ObservedJob) { o.Deliveries[0].Log, o.Deliveries[0].Done = log, true })
	w.restart()
	events, err := w.service.History(w.alice, id)
	if err != nil {
		t.Fatal(err)
	}
	want := []core.HistoryEvent{
		{Kind: core.HistoryCreated, By: "alice"},
		{Kind: core.HistoryState, State: core.StateStarting},
		{Kind: core.HistoryState, State: core.StateDownloading},
		{Kind: core.HistoryWish, By: "alice"},
		{Kind: core.HistoryState, State: core.StatePaused},
		{Kind: core.HistoryWish, By: "admin"},
		{Kind: core.HistoryEventOf, Code: core.EventLost},
		{Kind: core.HistoryState, State: core.StateDownloading},
		{Kind: core.HistoryEventOf, Code: core.EventDelivered},
		{Kind: core.HistoryState, State: core.StateCompleted},
	}
	if len(events) != len(want) {
		t.Fatalf("got %d entries: %+v", len(events), events)
	}
	for i, ev := range events {
		if ev.Seq != i || ev.Kind != want[i].Kind || ev.State != want[i].State || ev.By != want[i].By || ev.Code != want[i].Code || ev.Message == "" || ev.At.IsZero() {
			t.Errorf("entry %d: %+v, want %+v", i, ev, want[i])
		}
	}
	if !events[8].At.Equal(at) {
		t.Errorf("the node's own time is lost: %+v", events[8])
	}
}
