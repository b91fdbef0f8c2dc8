package tasks

import (
	"context"
	"reflect"
	"testing"
	"time"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/schedule"
	"github.com/haul-dl/haul/sdk/errs"
	"github.com/haul-dl/haul/sdk/source"
)

// ask makes one task of a magnet link.
func (w *world) ask(ctx context.Context, change func(*core.NewTask)) core.TaskID {
	w.t.Helper()
	req := &core.NewTask{Sources: []core.NewSource{{URI: testMagnet}}}
	if change != nil {
		change(req)
	}
	tasks, err := w.service.Create(ctx, req)
	if err != nil {
		w.t.Fatal(err)
	}
	return tasks[0].ID
}

// shared is one job of two owners' tasks.
func (w *world) shared() (job *core.Job, alices, bobs core.TaskID) {
	w.t.Helper()
	alices = w.ask(w.alice, func(r *core.NewTask) { r.Selection, r.Destination.Path = only(0, 1), "films" })
	job = w.reported(core.JobDownloading)
	bobs = w.ask(w.bob, func(r *core.NewTask) { r.Selection = only(1, 2) })
	joined := w.started()
	if joined.ID != job.ID || len(joined.Deliveries) != 2 {
		w.t.Fatalf("the second task got %+v", joined)
	}
	w.report(joined, core.JobDownloading, nil)
	return joined, alices, bobs
}

func TestTwoOwnersShareOneJobWithOwnWishes(t *testing.T) {
	w := newWorld(t)
	job, alices, bobs := w.shared()
	a, b := job.Delivery(alices), job.Delivery(bobs)
	if a.Path != "alice/films" || b.Path != "bob" || a.Owner == b.Owner || a.Selection.Equal(b.Selection) || job.Wish != core.JobRun {
		t.Fatalf("job %+v", job)
	}
	if active := w.service.ActiveJobs()[job.Downloader]; active != 1 {
		t.Errorf("%d places are taken", active)
	}
	if _, err := w.service.Pause(w.bob, bobs); err != nil {
		t.Fatal(err)
	}
	job = w.started()
	if job.Wish != core.JobRun || !job.Delivery(bobs).Paused || job.Delivery(alices).Paused {
		t.Errorf("paused by one: %+v", job)
	}
	w.report(job, core.JobDownloading, func(o *core.ObservedJob) {
		o.Progress = core.Progress{TotalBytes: 100, DoneBytes: 60, DownloadRate: 9, Peers: 3}
		o.Delivery(bobs).Phase, o.Delivery(bobs).TotalBytes, o.Delivery(bobs).DoneBytes = core.JobPaused, 50, 20
	})
	w.report(job, core.JobDownloading, func(o *core.ObservedJob) {
		o.Progress = core.Progress{TotalBytes: 100, DoneBytes: 90, DownloadRate: 9, Peers: 3}
		o.Delivery(bobs).Phase, o.Delivery(bobs).TotalBytes, o.Delivery(bobs).DoneBytes = core.JobPaused, 50, 45
	})
	if v := w.get(w.bob, bobs); v.State != core.StatePaused || v.Progress != (core.Progress{TotalBytes: 50, DoneBytes: 20}) {
		t.Errorf("the paused one shows that others go on: %s %+v", v.State, v.Progress)
	}
	if v := w.get(w.alice, alices); v.State != core.StateDownloading || v.Progress.DoneBytes != 90 || v.Progress.DownloadRate != 9 {
		t.Errorf("the other one: %s %+v", v.State, v.Progress)
	}
	if _, err := w.service.Cancel(w.bob, bobs); err != nil {
		t.Fatal(err)
	}
	job = w.started()
	if job.Wish != core.JobRun || len(job.Deliveries) != 1 || job.Deliveries[0].Task != alices {
		t.Fatalf("canceled by one: %+v", job)
	}
	w.report(job, core.JobDownloading, nil)
	if v := w.get(w.bob, bobs); v.State != core.StateCanceled {
		t.Errorf("the canceled one is %s", v.State)
	}
	if err := w.service.Delete(w.alice, alices, true); err != nil {
		t.Fatal(err)
	}
	if job = w.started(); job.Wish != core.JobRemove {
		t.Errorf("left by the last: %+v", job)
	}
	if forget := w.report(job, core.JobRemoved, nil); len(forget) != 1 {
		t.Error("the job does not end")
	}
}

func TestTheSecondSeesWhatALoneOneSees(t *testing.T) {
	lone, second := newWorld(t), newWorld(t)
	loneID := lone.ask(lone.bob, nil)
	loneJob := lone.started()
	second.ask(second.alice, nil)
	second.reported(core.JobDownloading)
	secondID := second.ask(second.bob, nil)
	secondJob := second.started()
	same := func(step string) {
		t.Helper()
		a, b := plain(lone.get(lone.bob, loneID)), plain(second.get(second.bob, secondID))
		if !reflect.DeepEqual(a, b) {
			t.Errorf("%s:\nlone   %+v\nsecond %+v", step, a, b)
		}
		ha, hb := told(lone.bob, t, lone, loneID), told(second.bob, t, second, secondID)
		if !reflect.DeepEqual(ha, hb) {
			t.Errorf("%s:\nlone   %v\nsecond %v", step, ha, hb)
		}
	}
	same("started")
	for _, phase := range []core.JobPhase{core.JobMetadata, core.JobDownloading, core.JobDownloaded, core.JobDelivering} {
		lone.report(loneJob, phase, nil)
		second.report(secondJob, phase, nil)
		same(phase.String())
	}
	failed := func(o *core.ObservedJob) {
		for i := range o.Deliveries {
			o.Deliveries[i].Phase, o.Deliveries[i].Failure = core.JobHeld, &core.Failure{Code: errs.OutOfSpace, Message: "Full.", Retryable: true}
		}
	}
	lone.report(loneJob, core.JobHeld, failed)
	second.report(secondJob, core.JobHeld, failed)
	same("held")
}

// plain takes out what differs between any two tasks.
func plain(v *core.TaskView) *core.TaskView {
	v.ID, v.Owner, v.Job, v.Node, v.Downloader, v.Destination.Storage = "", "", "", "", "", ""
	v.CreatedAt, v.StartedAt, v.DownloadedAt, v.JoinedAt = time.Time{}, nil, nil, 0
	return v
}

// told is a history without its times.
func told(ctx context.Context, t *testing.T, w *world, id core.TaskID) []core.HistoryEvent {
	t.Helper()
	events, err := w.service.History(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	for i := range events {
		events[i].At = time.Time{}
	}
	return events
}

func TestWhoComesTooLateIsToldNothingAndGetsAnotherJob(t *testing.T) {
	w := newWorld(t)
	w.ask(w.alice, nil)
	first := w.reported(core.JobDelivering)
	id := w.ask(w.bob, nil)
	w.idle()
	if v := w.get(w.bob, id); v.State != core.StateQueued || v.Waiting == nil || v.Waiting.Code != core.WaitingForSlot {
		t.Errorf("parked: %+v, %+v", v.State, v.Waiting)
	}
	w.restart()
	w.idle()
	w.report(first, core.JobDone, func(o *core.ObservedJob) { o.Deliveries[0].Done = true })
	if own := w.started(); own.ID == first.ID || own.Deliveries[0].Task != id {
		t.Errorf("got %+v", own)
	}
}

func TestWhoHasTheTorrentFileDoesNotDependOnAMagnetLink(t *testing.T) {
	w := newWorld(t)
	torrent, err := source.ParseTorrent(threeFiles())
	if err != nil {
		t.Fatal(err)
	}
	upload := func() core.TaskID {
		t.Helper()
		tasks, err := w.service.Create(w.bob, &core.NewTask{Sources: []core.NewSource{{URI: "t", Content: threeFiles()}}})
		if err != nil {
			t.Fatal(err)
		}
		return tasks[0].ID
	}
	w.create(w.alice, "magnet:?xt=urn:btih:"+torrent.InfoHash)
	dead := w.reported(core.JobMetadata)
	first := upload()
	w.idle()
	if v := w.get(w.bob, first); v.State != core.StateQueued {
		t.Errorf("meanwhile: %s", v.State)
	}
	w.report(dead, core.JobFailed, func(o *core.ObservedJob) {
		o.Failure = &core.Failure{Code: errs.MetadataTimeout, Message: "Nobody sent it.", Retryable: true}
	})
	own := w.started()
	if own.ID == dead.ID || own.ContentOf != first {
		t.Fatalf("its own: %+v", own)
	}
	w.report(own, core.JobDone, func(o *core.ObservedJob) { o.Deliveries[0].Done = true })

	w.create(w.alice, "magnet:?xt=urn:btih:"+torrent.InfoHash)
	alive := w.reported(core.JobMetadata)
	second := upload()
	w.idle()
	w.report(alive, core.JobDownloading, func(o *core.ObservedJob) { o.FileCount = 3 })
	if joined := w.started(); joined.ID != alive.ID || joined.Delivery(second) == nil {
		t.Errorf("joined: %+v", joined)
	}
}

func TestASeedingJobTakesAnotherTask(t *testing.T) {
	w := newWorld(t)
	w.ask(w.alice, nil)
	first := w.reported(core.JobDelivering)
	id := w.ask(w.bob, nil)
	w.idle()
	w.report(first, core.JobSeeding, func(o *core.ObservedJob) { o.Deliveries[0].Done = true })
	joined := w.started()
	if joined.ID != first.ID || joined.Delivery(id) == nil {
		t.Fatalf("got %+v", joined)
	}
	// The node had ended it before it heard of the second task.
	w.report(first, core.JobDone, func(o *core.ObservedJob) { o.Deliveries[0].Done = true })
	if own := w.started(); own.ID == first.ID || own.Deliveries[0].Task != id {
		t.Errorf("got %+v", own)
	}
}

func TestAPausedTaskWhoseJobEndsWithoutItStaysPaused(t *testing.T) {
	w := newWorld(t)
	_, alices, bobs := w.shared()
	if _, err := w.service.Pause(w.bob, bobs); err != nil {
		t.Fatal(err)
	}
	job := w.started()
	w.report(job, core.JobDone, func(o *core.ObservedJob) {
		o.Delivery(alices).Done, o.Delivery(bobs).Refused = true, true
	})
	v := w.get(w.bob, bobs)
	if v.State != core.StatePaused || v.Wish != core.WishPause || v.Job != "" {
		t.Fatalf("got %+v", v)
	}
	w.idle()
	if _, err := w.service.Resume(w.bob, bobs); err != nil {
		t.Fatal(err)
	}
	if own := w.started(); own.ID == job.ID {
		t.Error("it got the ended job")
	}
}

func TestATaskThatFailsAloneLeavesTheJobToTheOthersAndTriesAgain(t *testing.T) {
	w := newWorld(t)
	job, alices, bobs := w.shared()
	w.report(job, core.JobSeeding, func(o *core.ObservedJob) {
		o.Delivery(alices).Done = true
		o.Delivery(bobs).Phase, o.Delivery(bobs).Failure = core.JobFailed, &core.Failure{Code: errs.HoldExpired, Message: "Too long."}
	})
	left := w.started()
	if left.ID != job.ID || len(left.Deliveries) != 1 || left.Delivery(alices) == nil {
		t.Fatalf("the job goes on as %+v", left)
	}
	if v := w.get(w.bob, bobs); v.State != core.StateFailed || v.Error.Code != errs.HoldExpired {
		t.Fatalf("failed: %+v", v)
	}
	if _, err := w.service.Retry(w.bob, bobs, core.RetryOptions{}); err != nil {
		t.Fatal(err)
	}
	w.report(left, core.JobSeeding, func(o *core.ObservedJob) { o.Deliveries[0].Done = true })
	again := w.started()
	if again.ID != job.ID || again.Delivery(bobs) == nil || again.Delivery(bobs).Attempt != 2 {
		t.Errorf("tried again in %+v", again)
	}
}

func TestAChosenDownloaderIsNotLeftForTheJobOfAnother(t *testing.T) {
	w := newWorld(t)
	w.ask(w.alice, nil)
	first := w.reported(core.JobDownloading)
	other := w.reg.candidate
	other.ID, other.Name = core.NewID[core.DownloaderID](), "e"
	w.reg.change(func(*schedule.Candidate) { w.reg.more = []schedule.Candidate{other} })
	open := w.ask(w.bob, nil)
	if job := w.started(); job.ID != first.ID || job.Delivery(open) == nil {
		t.Errorf("left open: %+v", job)
	}
	chosen := w.ask(w.bob, func(r *core.NewTask) { r.Downloader = "e" })
	if job := w.started(); job.ID == first.ID || job.Downloader != other.ID || job.Delivery(chosen) == nil {
		t.Errorf("chosen: %+v", job)
	}
}

func TestNobodyWaitsForAnothersDeliveryWhereAnotherDownloaderHasRoom(t *testing.T) {
	w := newWorld(t)
	other := w.reg.candidate
	w.ask(w.alice, nil)
	held := w.reported(core.JobHeld)
	other.ID, other.Name, other.Weight = core.NewID[core.DownloaderID](), "e", 1
	w.reg.change(func(c *schedule.Candidate) { w.reg.more, c.Weight = []schedule.Candidate{other}, 100 })
	id := w.ask(w.bob, nil)
	if job := w.started(); job.ID == held.ID || job.Downloader != other.ID || job.Delivery(id) == nil {
		t.Errorf("got %+v", job)
	}
}

func TestLimitsAndSeedingAreThoseOfTheTaskItsGroupAndItsDownloader(t *testing.T) {
	w := newWorld(t)
	seeds := func(ratio float64) *core.SeedPolicy { return &core.SeedPolicy{Enabled: true, Ratio: ratio} }
	w.reg.change(func(*schedule.Candidate) { w.reg.seed = seeds(3) })
	w.ask(w.alice, func(r *core.NewTask) { r.Seed, r.Options = seeds(1), []byte(`{"download_limit":10}`) })
	job := w.started()
	if d := job.Deliveries[0]; d.Limits.Seed == nil || d.Limits.Seed.Ratio != 1 || d.Limits.DownloadRate != 10 {
		t.Errorf("its own: %+v", d.Limits)
	}
	bobs := w.ask(w.bob, func(r *core.NewTask) { r.Options = []byte(`{"download_limit":20}`) })
	job = w.started()
	if d := job.Delivery(bobs); d.Limits.Seed == nil || d.Limits.Seed.Ratio != 3 {
		t.Errorf("the downloader's: %+v", d.Limits)
	}
	if job.Limits.DownloadRate != 20 || job.Limits.Seed.Ratio != 3 || job.Deadlines.Stall == 0 || job.Hold == 0 {
		t.Errorf("together: %+v", job)
	}
	if _, err := w.service.Update(w.bob, bobs, &core.TaskChange{Seed: &core.SeedChange{Policy: &core.SeedPolicy{}}}); err != nil {
		t.Fatal(err)
	}
	if job = w.started(); job.Delivery(bobs).Limits.Seed != nil || job.Limits.Seed.Ratio != 1 {
		t.Errorf("switched off by one: %+v", job)
	}
	w.create(w.alice, "http://h/1")
	if job = w.started(); job.Limits.Seed != nil {
		t.Errorf("a web address seeds: %+v", job.Limits)
	}
}
