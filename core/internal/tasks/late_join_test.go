package tasks

import (
	"os"
	"testing"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/store"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

// joinInStore gives a paused task the job of another one, as a service does that
// has not come to remember it yet.
func (w *world) joinInStore(id core.TaskID, to core.JobID) {
	w.t.Helper()
	err := w.store.Update(w.t.Context(), func(tx *store.Tx) error {
		t, err := tx.Task(id)
		if err != nil {
			return err
		}
		job, err := tx.Job(to)
		if err != nil {
			return err
		}
		t.Resume(w.now())
		job.Join(core.Delivery{Task: t.ID, Owner: t.Owner, Storage: t.Destination.Storage, Attempt: t.Attempt})
		t.Start(job, w.now())
		if err := tx.PutJob(job); err != nil {
			return err
		}
		return tx.PutTask(t)
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

func TestATaskThatJoinsWhileTheEndIsStoredIsNotLost(t *testing.T) {
	w := newWorld(t)
	w.ask(w.alice, nil)
	first := w.reported(core.JobSeeding)
	id := w.ask(w.bob, func(r *core.NewTask) { r.Paused = true })
	w.joinInStore(id, first.ID)
	w.report(first, core.JobDone, func(o *core.ObservedJob) { o.Deliveries[0].Done = true })
	if own := w.started(); own.ID == first.ID || own.Deliveries[0].Task != id {
		t.Errorf("got %+v", own)
	}
}

func TestHowAJobEndsIsNothingToATaskThatCameTooLate(t *testing.T) {
	for _, end := range []core.JobPhase{core.JobFailed, core.JobRemoved} {
		w := newWorld(t)
		w.ask(w.alice, nil)
		first := w.reported(core.JobDownloading)
		id := w.ask(w.bob, nil)
		w.started()
		w.report(first, end, func(o *core.ObservedJob) {
			o.Failure = &core.Failure{Code: errs.Stalled, Message: "No data came for a day."}
		})
		if own := w.started(); own.ID == first.ID || own.Deliveries[0].Task != id {
			t.Errorf("%s: got %+v", end, own)
		}
		if v := w.get(w.bob, id); v.State != core.StateStarting || v.Error != nil {
			t.Errorf("%s: %s, %+v", end, v.State, v.Error)
		}
	}
}

func TestWhoIsNotLetInSeesNothingOfTheJob(t *testing.T) {
	w := newWorld(t)
	w.ask(w.alice, nil)
	first := w.reported(core.JobDownloaded)
	id := w.ask(w.bob, nil)
	joined := w.started()
	w.reg.set(func(a *answers) { a.files = []downloader.File{{Path: "a", Size: 100, DoneBytes: 100}} })
	lone := w.get(w.bob, id)
	see := func(when string) {
		t.Helper()
		v := w.get(w.bob, id)
		if v.Name != lone.Name || v.Progress != (core.Progress{}) || v.Delivery != (core.DeliveryProgress{}) {
			t.Errorf("%s: %q %+v %+v", when, v.Name, v.Progress, v.Delivery)
		}
		if files, err := w.service.Files(w.bob, id); err != nil || len(files) > 0 {
			t.Errorf("%s: files %+v, %v", when, files, err)
		}
		if _, err := w.service.Update(w.bob, id, &core.TaskChange{Selection: &core.Selection{Indexes: []int{7}}}); err != nil {
			t.Errorf("%s: a selection is held against another's files: %v", when, err)
		}
	}
	see("before the node knows")
	for _, revision := range []int64{first.Revision, joined.Revision} {
		w.report(joined, core.JobDownloaded, func(o *core.ObservedJob) {
			o.Revision, o.Name, o.FileCount = revision, "Film", 1
			o.Progress = core.Progress{TotalBytes: 100, DoneBytes: 100, DownloadRate: 7, Peers: 3}
			o.Delivery(id).Phase, o.Delivery(id).Refused = core.JobAdding, true
			o.Delivery(id).Progress = core.DeliveryProgress{TotalBytes: 100, FilesTotal: 1}
		})
		see("refused")
	}
}

func TestACompletedTaskThatLoadsAgainNeedsNotWaitForTheSeedingOfOthers(t *testing.T) {
	w := newWorld(t)
	if err := os.MkdirAll(w.reg.storage.Root, 0o755); err != nil {
		t.Fatal(err)
	}
	job, alices, bobs := w.shared()
	seeding := func(o *core.ObservedJob) {
		o.Delivery(alices).Done = true
		if d := o.Delivery(bobs); d != nil {
			d.Phase, d.Done, d.Files = core.JobDelivered, true, []core.DeliveredFile{{Path: "gone", Size: 3}}
		}
	}
	w.report(job, core.JobSeeding, seeding)
	left := w.started()
	if v := w.get(w.bob, bobs); v.State != core.StateCompleted || left.Delivery(bobs) != nil {
		t.Fatalf("%s in %+v", v.State, left)
	}
	stale := *left
	stale.Deliveries = job.Deliveries // the node tells on of what it has delivered
	w.report(&stale, core.JobSeeding, seeding)
	if _, err := w.service.Recheck(w.bob, bobs); err != nil {
		t.Fatal(err)
	}
	again := w.started()
	if again.ID != job.ID || again.Delivery(bobs) == nil {
		t.Fatalf("loads again in %+v", again)
	}
	w.report(&stale, core.JobSeeding, seeding)
	if v := w.get(w.bob, bobs); v.State != core.StateStarting || v.Files != nil {
		t.Errorf("what was delivered before counts: %s %+v", v.State, v.Files)
	}
	w.report(again, core.JobSeeding, seeding)
	if v := w.get(w.bob, bobs); v.State != core.StateCompleted || len(v.Files) != 1 {
		t.Errorf("loaded again: %s %+v", v.State, v.Files)
	}
}

func TestADestinationThatIsChangedTooLateIsCorrected(t *testing.T) {
	w := newWorld(t)
	id := w.ask(w.alice, func(r *core.NewTask) { r.Destination.Path = "films" })
	w.reported(core.JobDelivering)
	if _, err := w.service.Update(w.alice, id, &core.TaskChange{Destination: &core.NewDestination{Path: "series/new"}}); err != nil {
		t.Fatal(err)
	}
	job := w.started()
	w.report(job, core.JobDone, func(o *core.ObservedJob) {
		d := o.Delivery(id)
		d.Done, d.Storage, d.Path = true, w.reg.storage.ID, "alice/films"
		d.Files = []core.DeliveredFile{{Path: "a", Size: 3}}
	})
	v := w.get(w.alice, id)
	if v.State != core.StateCompleted || v.Destination.Path != "films" || v.Destination.Storage != w.reg.storage.ID {
		t.Errorf("%s at %+v", v.State, v.Destination)
	}
	if events := told(w.alice, t, w, id); events[len(events)-1].Message == "" || events[len(events)-2].Kind != core.HistoryEventOf {
		t.Errorf("nobody is told: %+v", events)
	}
}
