package tasks

import (
	"math"
	"testing"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/schedule"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

func TestWhatIsWrongWithARequestIsSaidByField(t *testing.T) {
	w := newWorld(t)
	magnet, torrent := core.NewSource{URI: testMagnet}, core.NewSource{URI: "t", Content: threeFiles()}
	tests := []struct {
		name  string
		req   core.NewTask
		code  errs.Code
		field string
	}{
		{"a policy that is none", core.NewTask{Sources: []core.NewSource{magnet}, OnConflict: "explode"}, errs.InvalidRequest, "on_conflict"},
		{"a negative ratio", core.NewTask{Sources: []core.NewSource{magnet}, Seed: &core.SeedPolicy{Ratio: -1}}, errs.InvalidRequest, "seed.ratio"},
		{"a ratio that is no number", core.NewTask{Sources: []core.NewSource{magnet}, Seed: &core.SeedPolicy{Ratio: math.NaN()}}, errs.InvalidRequest, "seed.ratio"},
		{"a huge ratio", core.NewTask{Sources: []core.NewSource{magnet}, Seed: &core.SeedPolicy{Ratio: 10_001}}, errs.InvalidRequest, "seed.ratio"},
		{"a negative time", core.NewTask{Sources: []core.NewSource{magnet}, Seed: &core.SeedPolicy{TimeSeconds: -1}}, errs.InvalidRequest, "seed.time_seconds"},
		{"a time without end", core.NewTask{Sources: []core.NewSource{magnet}, Seed: &core.SeedPolicy{IdleSeconds: math.MaxInt64}}, errs.InvalidRequest, "seed.idle_seconds"},
		{"a pattern that matches nothing", core.NewTask{Sources: []core.NewSource{torrent}, Selection: core.Selection{Patterns: []string{"*.mkv"}}}, errs.NoFilesSelected, "files"},
		{"a size that no file has", core.NewTask{Sources: []core.NewSource{torrent}, Selection: core.Selection{MinSize: 6}}, errs.NoFilesSelected, "files"},
		{"a pattern that excludes a web address", core.NewTask{Sources: []core.NewSource{{URI: "http://h/a.mp4"}}, Selection: core.Selection{Patterns: []string{"!*.mp4"}}}, errs.NoFilesSelected, "files"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := w.service.Create(w.alice, &tt.req)
			if code, field := refusal(t, err); code != tt.code || field != tt.field {
				t.Errorf("got %s for %q", code, field)
			}
		})
	}
	w.idle()
}

func TestPatternsAndSizesAreHeldAgainstATorrent(t *testing.T) {
	w := newWorld(t)
	want := core.Selection{Patterns: []string{"!c"}, MinSize: 4}
	v, err := w.service.Create(w.alice, &core.NewTask{Sources: []core.NewSource{{URI: "t", Content: threeFiles()}}, Selection: want})
	if err != nil || !v[0].Selection.Equal(want) || v[0].TotalBytes != 4 {
		t.Fatalf("%+v, %v", v, err)
	}
	if job := w.started(); !job.Deliveries[0].Selection.Equal(want) || job.ContentOf != v[0].ID {
		t.Errorf("job %+v", job)
	}
	files, err := w.service.Files(w.alice, v[0].ID)
	if err != nil || len(files) != 3 || files[0].Wanted || !files[1].Wanted || files[2].Wanted || files[1].Path != "set/b" {
		t.Errorf("files %+v, %v", files, err)
	}
}

func TestATakenNameIsRefusedAtOnceWhereTheOwnerSaysSo(t *testing.T) {
	w := newWorld(t)
	w.reg.set(func(a *answers) { a.taken = []string{"1"} })
	req := &core.NewTask{Sources: []core.NewSource{{URI: "http://h/0", Field: "sources[0]"}, {URI: "http://h/1", Field: "sources[1]"}}, OnConflict: core.ConflictFail}
	_, err := w.service.Create(w.alice, req)
	if code, field := refusal(t, err); code != errs.DestinationExists || field != "sources[1]" {
		t.Errorf("got %s for %q", code, field)
	}
	req.OnConflict = core.ConflictSkip
	if v, err := w.service.Create(w.alice, req); err != nil || v[0].OnConflict != core.ConflictSkip {
		t.Errorf("skip: %v", err)
	}
	if job := w.started(); job.Deliveries[0].OnConflict != core.ConflictSkip {
		t.Errorf("job %+v", job)
	}
	req.OnConflict = core.ConflictFail
	w.reg.set(func(a *answers) { a.offline = true })
	if _, err := w.service.Create(w.alice, req); err != nil {
		t.Errorf("without a node: %v", err)
	}
}

func TestAStorageThatIsNoFolderIsAskedThroughItsNode(t *testing.T) {
	w := newWorld(t)
	w.reg.storage.Kind = "s3"
	id := w.create(w.alice, "http://h/1")[0].ID
	w.report(w.started(), core.JobDone, func(o *core.ObservedJob) {
		o.Deliveries[0].Done = true
		o.Deliveries[0].Files = []core.DeliveredFile{{Path: "a", Size: 3}, {Index: 1, Path: "b", Size: 3, Skipped: true}}
	})
	if _, err := w.service.OpenFile(w.alice, id, 0); !errs.Is(err, errs.NotOffered) || errs.HintOf(err) == "" {
		t.Errorf("open: %v", err)
	}
	if _, err := w.service.OpenFile(w.alice, id, 1); !errs.Is(err, errs.NotDelivered) {
		t.Errorf("open a skipped one: %v", err)
	}
	files, err := w.service.Files(w.alice, id)
	if err != nil || len(files) != 2 || !files[0].Delivered || files[1].Delivered || !files[1].Skipped {
		t.Errorf("files %+v, %v", files, err)
	}
	w.reg.set(func(a *answers) { a.taken = []string{"a"} })
	if v := w.act(w.service.Recheck, id); v.State != core.StateCompleted {
		t.Errorf("all are there: %s", v.State)
	}
	w.reg.set(func(a *answers) { a.offline = true })
	if _, err := w.service.Recheck(w.alice, id); !errs.Is(err, errs.NodeOffline) {
		t.Errorf("nobody can look: %v", err)
	}
	w.reg.set(func(a *answers) { a.offline, a.taken = false, nil })
	if other := w.get(w.alice, id); other.State != core.StateCompleted {
		t.Errorf("and now it is %s", other.State)
	}
	if err := w.service.Delete(w.alice, id, true); err != nil {
		t.Fatal(err)
	}
	if len(w.reg.removed) != 1 || w.reg.removed[0].Path != "a" {
		t.Errorf("removed %+v", w.reg.removed)
	}
}

func TestTheFilesOfASharedJobAreShownAsOnesOwn(t *testing.T) {
	w := newWorld(t)
	job, alices, bobs := w.shared()
	w.reg.set(func(a *answers) {
		a.files = []downloader.File{{Index: 0, Path: "s/a", Size: 3, DoneBytes: 3}, {Index: 1, Path: "s/b", Size: 4, DoneBytes: 2}, {Index: 2, Path: "s/c", Size: 5, DoneBytes: 1}}
	})
	files, err := w.service.Files(w.bob, bobs)
	if err != nil || len(files) != 3 || files[0].Wanted || files[0].DoneBytes != 0 || files[1].DoneBytes != 2 || files[2].DoneBytes != 1 {
		t.Errorf("bob's: %+v, %v", files, err)
	}
	w.report(job, core.JobHeld, func(o *core.ObservedJob) {
		d := o.Delivery(alices)
		d.Failure = &core.Failure{Code: errs.OutOfSpace, Message: "Full."}
		d.Files = []core.DeliveredFile{{Index: 0, Path: "s (1)/a", Size: 3}}
		d.Failed = []core.FailedFile{{Index: 1, Failure: d.Failure}}
	})
	files, err = w.service.Files(w.alice, alices)
	if err != nil || !files[0].Delivered || files[0].Path != "s (1)/a" || files[1].Failure == nil || files[2].Wanted || files[2].Failure != nil {
		t.Errorf("alice's: %+v, %v", files, err)
	}
	if _, err := w.service.Update(w.bob, bobs, &core.TaskChange{Selection: &core.Selection{Patterns: []string{"nothing"}}}); !errs.Is(err, errs.WrongState) {
		t.Errorf("a selection when held: %v", err)
	}
	lone := newWorld(t)
	id := lone.ask(lone.alice, nil)
	lone.reported(core.JobDownloading)
	lone.reg.set(func(a *answers) { a.files = w.reg.files })
	if _, err := lone.service.Update(lone.alice, id, &core.TaskChange{Selection: &core.Selection{Patterns: []string{"nothing"}}}); !errs.Is(err, errs.NoFilesSelected) {
		t.Errorf("a selection of nothing: %v", err)
	}
}

func TestAStorageThatIsGoneFailsTheTaskWithAHint(t *testing.T) {
	w := newWorld(t)
	w.reg.change(func(c *schedule.Candidate) { c.Enabled = false })
	id := w.create(w.alice, "http://h/1")[0].ID
	w.reg.storage.ID, w.reg.storage.Name = core.NewID[core.StorageID](), "other"
	w.reg.change(func(c *schedule.Candidate) { c.Enabled = true })
	w.service.Wake()
	v := w.until(w.alice, id, "failed", func(v *core.TaskView) bool { return v.State == core.StateFailed })
	if v.Error.Code != errs.StorageMissing || v.Error.Hint == "" {
		t.Errorf("got %+v", v.Error)
	}
	if _, err := w.service.Retry(w.alice, id, core.RetryOptions{Destination: &core.NewDestination{Storage: "other"}}); err != nil {
		t.Fatal(err)
	}
	if job := w.started(); job.Deliveries[0].Storage != w.reg.storage.ID {
		t.Errorf("job %+v", job)
	}
}
