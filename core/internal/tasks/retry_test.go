package tasks

import (
	"os"
	"testing"
	"time"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/schedule"
	"github.com/haul-dl/haul/sdk/errs"
)

func retrying(t *testing.T, limit int) *world {
	t.Helper()
	w := newWorld(t)
	w.retries = limit
	w.restart()
	return w
}

func mayPass(o *core.ObservedJob) {
	o.Failure = &core.Failure{Code: errs.SourceUnreachable, Message: "Nobody answers.", Retryable: true}
}

func TestAFailureThatMayPassIsTriedAgainAFewTimes(t *testing.T) {
	w := retrying(t, 2)
	id := w.create(w.alice, "http://h/1")[0].ID
	for n, pause := range []time.Duration{3 * time.Second, 9 * time.Second} {
		w.report(w.started(), core.JobFailed, mayPass)
		v := w.get(w.alice, id)
		if v.State != core.StateQueued || v.Retries.Used != n+1 || v.Attempt != n+2 || v.Waiting == nil || v.Waiting.Code != core.WaitingForRetry || v.Error == nil {
			t.Fatalf("after failure %d: %+v, waiting %+v", n+1, v.Task, v.Waiting)
		}
		if in := v.Retries.NextAt.Sub(w.now()); in <= 0 || in > pause {
			t.Errorf("the next try is in %s, want %s", in, pause)
		}
		w.restart()
		w.idle()
		w.later(pause + time.Second)
	}
	w.report(w.started(), core.JobFailed, mayPass)
	v := w.get(w.alice, id)
	if v.State != core.StateFailed || v.Retries.NextAt != nil {
		t.Fatalf("with its budget spent: %+v", v.Task)
	}
	w.later(time.Hour)
	w.idle()
	if v = w.act(w.retry, id); v.Retries.Used != 0 || v.Retries.Limit != 2 {
		t.Errorf("somebody's own retry: %+v", v.Retries)
	}
}

func TestAFailureThatCannotPassIsNotTriedAgain(t *testing.T) {
	w := retrying(t, 3)
	id := w.create(w.alice, "http://h/1")[0].ID
	w.report(w.started(), core.JobFailed, func(o *core.ObservedJob) { o.Failure = &core.Failure{Code: errs.SourceNotFound} })
	if v := w.get(w.alice, id); v.State != core.StateFailed {
		t.Errorf("got %s", v.State)
	}
}

func TestWhoDoesNotWantToWaitForTheNextTryNeedsNot(t *testing.T) {
	w := retrying(t, 3)
	w.reg.change(func(c *schedule.Candidate) { c.MaxActive = 100 })
	failed := func() core.TaskID {
		id := w.create(w.alice, "http://h/1")[0].ID
		w.report(w.started(), core.JobFailed, mayPass)
		return id
	}
	id := failed()
	if v := w.act(w.retry, id); v.Retries.NextAt != nil || v.Attempt != 2 {
		t.Errorf("tried at once: %+v", v.Task)
	}
	w.started()
	id = failed()
	w.act(w.service.Resume, id)
	w.started()
	id = failed()
	if v := w.act(w.service.Cancel, id); v.State != core.StateCanceled || v.Retries.NextAt != nil {
		t.Errorf("canceled: %+v", v.Task)
	}
	id = failed()
	if v := w.act(w.service.Pause, id); v.State != core.StatePaused || v.Retries.NextAt != nil {
		t.Errorf("paused: %+v", v.Task)
	}
	id = failed()
	if err := w.service.Delete(w.alice, id, true); err != nil {
		t.Error(err)
	}
	w.later(time.Hour)
	w.idle()
}

func TestAHeldDeliveryIsTriedAgainByFileAndElsewhere(t *testing.T) {
	w := newWorld(t)
	id := w.asked(w.alice, testMagnet, core.Selection{})
	job := w.started()
	held := func(o *core.ObservedJob) {
		o.FileCount = 3
		o.Deliveries[0].Failure = &core.Failure{Code: errs.OutOfSpace, Message: "Full."}
		o.Deliveries[0].Files = []core.DeliveredFile{{Index: 0, Path: "a", Size: 1}}
	}
	w.report(job, core.JobHeld, held)
	for name, tt := range map[string]struct {
		files []int
		field string
	}{
		"a negative one": {[]int{-1}, "files[0]"}, "one twice": {[]int{1, 1}, "files[1]"}, "one too many": {[]int{0, 3}, "files[1]"},
	} {
		_, err := w.service.Retry(w.alice, id, core.RetryOptions{Files: tt.files})
		if code, field := refusal(t, err); code != errs.InvalidRequest || field != tt.field {
			t.Errorf("%s: %s for %q", name, code, field)
		}
	}
	if _, err := w.service.Retry(w.alice, id, core.RetryOptions{Files: []int{2, 1}}); err != nil {
		t.Fatal(err)
	}
	next := w.started()
	if d := next.Deliveries[0]; d.Attempt != 2 || len(d.Only) != 2 || d.Only[0] != 1 {
		t.Errorf("by file: %+v", d)
	}
	if _, err := w.service.Retry(w.alice, id, core.RetryOptions{Destination: &core.NewDestination{Path: "../x"}}); !errs.Is(err, errs.InvalidDestination) {
		t.Errorf("outside: %v", err)
	}
	if _, err := w.service.Retry(w.alice, id, core.RetryOptions{Destination: &core.NewDestination{Path: "else"}}); err != nil {
		t.Fatal(err)
	}
	next = w.started()
	if d := next.Deliveries[0]; d.Attempt <= 2 || d.Only != nil || d.Path != "alice/else" || d.Storage != w.reg.storage.ID {
		t.Errorf("elsewhere: %+v", d)
	}
	if v := w.get(w.alice, id); v.Destination.Path != "else" || len(v.Files) != 0 {
		t.Errorf("shown: %+v", v.Task)
	}
}

func TestARecheckLoadsAgainWhatIsGone(t *testing.T) {
	w := newWorld(t)
	w.reg.set(func(a *answers) { a.fetch = sends(threeFiles()) })
	if err := os.MkdirAll(w.reg.storage.Root, 0o755); err != nil {
		t.Fatal(err)
	}
	finish := func(id core.TaskID) {
		job := w.started()
		w.report(job, core.JobDone, func(o *core.ObservedJob) {
			o.Deliveries[0].Done, o.Deliveries[0].Files = true, []core.DeliveredFile{{Path: "gone", Size: 3}, {Index: 1, Path: "skipped", Size: 3, Skipped: true}}
		})
		if v := w.get(w.alice, id); v.State != core.StateCompleted {
			t.Fatalf("got %+v", v.Task)
		}
	}
	byURL := w.asked(w.alice, torrentURL, core.Selection{})
	finish(byURL)
	v := w.act(w.service.Recheck, byURL)
	if v.State != core.StateQueued || v.Attempt != 2 || v.Files != nil {
		t.Errorf("gone: %+v", v.Task)
	}
	finish(byURL)
	uploaded, err := w.service.Create(w.alice, &core.NewTask{Sources: []core.NewSource{{URI: "t", Content: threeFiles()}}})
	if err != nil {
		t.Fatal(err)
	}
	finish(uploaded[0].ID)
	if _, err := w.service.Recheck(w.alice, uploaded[0].ID); !errs.Is(err, errs.WrongState) || errs.HintOf(err) == "" {
		t.Errorf("an uploaded torrent: %v", err)
	}
	magnet := w.asked(w.alice, testMagnet, core.Selection{})
	job := w.reported(core.JobDownloading)
	w.act(w.service.Recheck, magnet)
	if next := w.started(); next.ID != job.ID || next.Rechecks != 1 || next.Revision <= job.Revision {
		t.Errorf("a running one: %+v", next)
	}
}
