package tasks

import (
	"context"
	"slices"
	"testing"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/schedule"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

// act pauses, resumes and so on, and must succeed.
func (w *world) act(call func(context.Context, core.TaskID) (*core.TaskView, error), id core.TaskID) *core.TaskView {
	w.t.Helper()
	v, err := call(w.alice, id)
	if err != nil {
		w.t.Fatal(err)
	}
	return v
}

func (w *world) retry(ctx context.Context, id core.TaskID) (*core.TaskView, error) {
	return w.service.Retry(ctx, id, core.RetryOptions{})
}

// idle checks that no job is started.
func (w *world) idle() {
	w.t.Helper()
	if err := w.service.admit(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	select {
	case id := <-w.reg.dispatched:
		w.t.Fatalf("job %s was started", id)
	default:
	}
}

// reported is a job that its downloader does something with.
func (w *world) reported(phase core.JobPhase) *core.Job {
	w.t.Helper()
	job := w.started()
	w.report(job, phase, nil)
	return job
}

func TestAQueuedTaskIsPausedAtOnceAndKeepsItsPlace(t *testing.T) {
	w := newWorld(t)
	w.reg.change(func(c *schedule.Candidate) { c.MaxActive = 1 })
	tasks := w.create(w.alice, "http://h/1", "http://h/2", "http://h/3")
	first := w.reported(core.JobDownloading)
	v := w.act(w.service.Pause, tasks[1].ID)
	if v.State != core.StatePaused || v.Wish != core.WishPause || v.Job != "" || v.Waiting != nil {
		t.Fatalf("paused: %+v", v)
	}
	w.act(w.service.Pause, tasks[1].ID) // once more changes nothing
	w.restart()
	w.report(first, core.JobDownloaded, nil)
	if third := w.started(); third.Deliveries[0].Task != tasks[2].ID {
		t.Fatal("the one behind it does not start")
	} else {
		w.report(third, core.JobDownloading, nil)
		fourth := w.create(w.alice, "http://h/4")[0]
		v = w.act(w.service.Resume, tasks[1].ID)
		if v.State != core.StateQueued || v.Wish != core.WishRun || v.Waiting == nil {
			t.Errorf("resumed: %+v", v)
		}
		w.report(third, core.JobDownloaded, nil)
		if next := w.started(); next.Deliveries[0].Task != tasks[1].ID {
			t.Errorf("it comes behind %s, which is newer", fourth.ID)
		}
	}
}

func TestATaskMayBeCreatedPaused(t *testing.T) {
	w := newWorld(t)
	tasks, err := w.service.Create(w.alice, &core.NewTask{Sources: []core.NewSource{{URI: "http://h/1"}}, Paused: true})
	if err != nil || tasks[0].State != core.StatePaused || tasks[0].Wish != core.WishPause || tasks[0].Waiting != nil {
		t.Fatalf("%+v, %v", tasks, err)
	}
	w.idle()
	w.restart()
	w.idle()
	w.act(w.service.Resume, tasks[0].ID)
	if job := w.started(); job.Wish != core.JobRun {
		t.Errorf("job %+v", job)
	}
}

func TestARunningTaskIsPausedWhenItsNodeSaysSo(t *testing.T) {
	w := newWorld(t)
	id := w.create(w.alice, "magnet:?xt=urn:btih:dd8255ecdc7ca55fb0bbf81323d87062db1f6d1c")[0].ID
	job := w.reported(core.JobDownloading)
	v := w.act(w.service.Pause, id)
	if v.State != core.StateDownloading || v.Wish != core.WishPause || v.Waiting == nil || v.Waiting.Code != core.WaitingForPause {
		t.Fatalf("until then: %+v", v)
	}
	ordered := w.started()
	if ordered.Wish != core.JobPause || ordered.Revision <= job.Revision {
		t.Fatalf("the node is told %+v", ordered)
	}
	w.report(ordered, core.JobPaused, nil)
	if v = w.get(w.alice, id); v.State != core.StatePaused || v.Waiting != nil {
		t.Fatalf("paused: %+v", v)
	}
	v = w.act(w.service.Resume, id)
	if v.Wish != core.WishRun || v.Resumes != 1 || v.Waiting == nil || v.Waiting.Code != core.WaitingForNode {
		t.Fatalf("resumed: %+v", v)
	}
	ordered = w.started()
	if ordered.Wish != core.JobRun || ordered.Resumes != 1 {
		t.Fatalf("the node is told %+v", ordered)
	}
	w.report(ordered, core.JobDownloading, nil)
	if v = w.get(w.alice, id); v.State != core.StateDownloading || v.Waiting != nil {
		t.Errorf("going on: %+v", v)
	}
}

func TestATaskThatWasStoppedAtTheDownloaderGoesOnWhenResumed(t *testing.T) {
	w := newWorld(t)
	id := w.create(w.alice, "http://h/1")[0].ID
	job := w.reported(core.JobDownloading)
	w.report(job, core.JobPaused, func(o *core.ObservedJob) { o.Waiting = &core.Waiting{Code: core.WaitingForResume} })
	if v := w.get(w.alice, id); v.State != core.StatePaused || v.Wish != core.WishRun || v.Waiting == nil || v.Waiting.Code != core.WaitingForResume {
		t.Fatalf("stopped: %+v", v)
	}
	if active := w.service.ActiveJobs()[job.Downloader]; active != 1 {
		t.Errorf("it lost its place: %d", active)
	}
	w.act(w.service.Resume, id)
	if ordered := w.started(); ordered.Wish != core.JobRun || ordered.Resumes != 1 {
		t.Errorf("the node is told %+v", ordered)
	}
}

func TestAPausedJobGivesItsPlaceToOthers(t *testing.T) {
	w := newWorld(t)
	w.reg.change(func(c *schedule.Candidate) { c.MaxActive = 1 })
	tasks := w.create(w.alice, "http://h/1", "http://h/2", "http://h/3")
	w.reported(core.JobDownloading)
	w.act(w.service.Pause, tasks[0].ID)
	ordered := w.started()
	w.idle() // it still runs
	w.report(ordered, core.JobPaused, nil)
	second := w.reported(core.JobDownloading)
	if second.Deliveries[0].Task != tasks[1].ID {
		t.Fatal("the next one does not start")
	}
	w.act(w.service.Resume, tasks[0].ID)
	w.started() // the order to go on
	if active := w.service.ActiveJobs()[second.Downloader]; active != 2 {
		t.Errorf("%d places are taken, want 2: what is resumed goes on at once", active)
	}
	w.report(second, core.JobDownloaded, nil)
	w.idle() // the resumed one has the place
}

func TestWhatCannotBePausedSaysWhy(t *testing.T) {
	w := newWorld(t)
	states := map[core.JobPhase]core.TaskState{
		core.JobDelivering: core.StateTransferring, core.JobHeld: core.StateHeld, core.JobFailed: core.StateFailed, core.JobSeeding: core.StateSeeding,
	}
	for phase, state := range states {
		id := w.create(w.alice, "http://h/x")[0].ID
		job := w.started()
		w.report(job, phase, func(o *core.ObservedJob) {
			o.Deliveries[0].Done = phase == core.JobSeeding
			if phase == core.JobHeld {
				o.Deliveries[0].Failure = &core.Failure{Code: errs.OutOfSpace}
			}
		})
		if v := w.get(w.alice, id); v.State != state {
			t.Fatalf("%s: the task is %s", phase, v.State)
		}
		if _, err := w.service.Pause(w.alice, id); !errs.Is(err, errs.WrongState) {
			t.Errorf("pause when %s: %v", state, err)
		}
		if _, err := w.service.Resume(w.alice, id); !errs.Is(err, errs.WrongState) {
			t.Errorf("resume when %s: %v", state, err)
		}
	}
	id := w.create(w.alice, "http://h/x")[0].ID
	w.reported(core.JobDownloading)
	w.act(w.service.Cancel, id)
	if _, err := w.service.Pause(w.alice, id); !errs.Is(err, errs.WrongState) {
		t.Errorf("pause while it is canceled: %v", err)
	}
}

func TestADownloaderThatCannotPauseSaysSoUnlessTheTaskIsQueued(t *testing.T) {
	w := newWorld(t)
	w.reg.change(func(c *schedule.Candidate) { c.MaxActive, c.Capabilities = 1, nil })
	tasks := w.create(w.alice, "http://h/1", "http://h/2")
	job := w.reported(core.JobDownloading)
	if _, err := w.service.Pause(w.alice, tasks[0].ID); !errs.Is(err, errs.NotOffered) || errs.HintOf(err) == "" {
		t.Errorf("a running one: %v", err)
	}
	if v := w.act(w.service.Resume, tasks[0].ID); v.Resumes != 0 {
		t.Errorf("a running one is told to resume: %+v", v)
	}
	if v := w.act(w.service.Pause, tasks[1].ID); v.State != core.StatePaused {
		t.Errorf("a queued one: %+v", v)
	}
	if stored, err := w.store.Job(t.Context(), job.ID); err != nil || stored.Wish != core.JobRun || stored.Revision != 1 {
		t.Errorf("the job: %+v, %v", stored, err)
	}
}

func TestAPausedTaskCanBeCanceledDeletedAndRetried(t *testing.T) {
	w := newWorld(t)
	paused := func() core.TaskID {
		tasks, err := w.service.Create(w.alice, &core.NewTask{Sources: []core.NewSource{{URI: "http://h/1"}}, Paused: true})
		if err != nil {
			t.Fatal(err)
		}
		return tasks[0].ID
	}
	if v := w.act(w.service.Cancel, paused()); v.State != core.StateCanceled {
		t.Errorf("canceled: %+v", v)
	} else if v = w.act(w.retry, v.ID); v.State == core.StatePaused || v.Wish != core.WishRun {
		t.Errorf("tried again: %+v", v)
	}
	w.reported(core.JobDownloading)
	if err := w.service.Delete(w.alice, paused(), true); err != nil {
		t.Error(err)
	}
	w.idle()
	id := paused()
	if v := w.act(w.retry, id); v.Wish != core.WishRun || v.Attempt != 1 {
		t.Errorf("tried at once: %+v", v)
	}
	job := w.reported(core.JobDownloading)
	w.act(w.service.Pause, id)
	w.report(w.started(), core.JobPaused, nil)
	w.act(w.service.Cancel, id)
	if ordered := w.started(); ordered.ID != job.ID || ordered.Wish != core.JobRemove {
		t.Errorf("the node is told %+v", ordered)
	}
	w.report(job, core.JobRemoved, nil)
	if v := w.get(w.alice, id); v.State != core.StateCanceled {
		t.Errorf("in the end: %+v", v)
	}
}

func TestAnActionGoesThroughAllTasks(t *testing.T) {
	w := newWorld(t)
	w.reg.change(func(c *schedule.Candidate) { c.MaxActive = 1 })
	tasks := w.create(w.alice, "http://h/1", "http://h/2", "http://h/3")
	w.reported(core.JobDownloading)
	foreign := w.create(w.bob, "http://h/4")[0].ID
	w.act(w.service.Cancel, tasks[2].ID)
	unknown := core.NewID[core.TaskID]()
	ids := []core.TaskID{tasks[2].ID, tasks[0].ID, foreign, unknown, tasks[1].ID}
	results, err := w.service.Act(w.alice, core.ActionPause, ids)
	if err != nil || len(results) != len(ids) {
		t.Fatalf("%+v, %v", results, err)
	}
	want := []errs.Code{errs.WrongState, "", errs.NotFound, errs.NotFound, ""}
	for i, r := range results {
		if r.ID != ids[i] || errs.CodeOf(r.Err) != want[i] || (r.Task != nil) != (r.Err == nil) {
			t.Errorf("result %d: %+v", i, r)
		}
	}
	if results[1].Task.Waiting.Code != core.WaitingForPause || results[4].Task.State != core.StatePaused {
		t.Errorf("got %+v and %+v", results[1].Task, results[4].Task)
	}
	if ordered := w.started(); ordered.Wish != core.JobPause {
		t.Errorf("the node is told %+v", ordered)
	}
	if results, err = w.service.Act(w.alice, core.ActionDelete, []core.TaskID{tasks[1].ID, tasks[1].ID}); err != nil || results[0].Err != nil || results[0].Task != nil || !errs.Is(results[1].Err, errs.NotFound) {
		t.Errorf("%+v, %v", results, err)
	}
	for action, ids := range map[core.TaskAction][]core.TaskID{
		"explode": {foreign}, core.ActionPause: nil, core.ActionRetry: slices.Repeat([]core.TaskID{foreign}, core.MaxActionTasks+1),
	} {
		if _, err := w.service.Act(w.alice, action, ids); !errs.Is(err, errs.InvalidRequest) {
			t.Errorf("%s of %d: %v", action, len(ids), err)
		}
	}
}

func TestAThousandTasksAreOneWrite(t *testing.T) {
	w := newWorld(t)
	w.reg.change(func(c *schedule.Candidate) {
		c.Trouble = &core.Waiting{Code: errs.DownloaderUnreachable}
		c.Sources = []downloader.SourceKind{downloader.SourceHTTP}
	})
	var ids []core.TaskID
	for _, v := range w.create(w.alice, slices.Repeat([]string{"http://h/1"}, core.MaxActionTasks)...) {
		ids = append(ids, v.ID)
	}
	for _, action := range []core.TaskAction{core.ActionPause, core.ActionResume, core.ActionCancel, core.ActionRetry, core.ActionDelete} {
		results, err := w.service.Act(w.alice, action, ids)
		if err != nil || slices.ContainsFunc(results, func(r core.TaskResult) bool { return r.Err != nil }) {
			t.Fatalf("%s: %v, %+v", action, err, results[0])
		}
	}
}
