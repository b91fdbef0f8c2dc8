package worker

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
	"github.com/haul-dl/haul/sdk/plugintest/scripted"
)

// orderly is a driver that takes every order, and writes them down.
type orderly struct {
	downloader.Driver
	daemon *scripted.Plugin

	mu     sync.Mutex // guards all below
	orders []string
	adds   []downloader.AddRequest
	// lose makes the daemon ignore so many orders.
	lose int
	err  error
}

func (o *orderly) Add(ctx context.Context, req downloader.AddRequest) (downloader.Ref, error) {
	o.mu.Lock()
	o.adds = append(o.adds, req)
	o.mu.Unlock()
	ref, err := o.Driver.Add(ctx, req)
	if err == nil && req.Paused {
		o.daemon.Set(req.JobID, func(s *downloader.Status) { s.Phase = downloader.PhasePaused })
	}
	return ref, err
}

func (o *orderly) take(order string, ref downloader.Ref, change func(*downloader.Status)) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.orders = append(o.orders, order)
	switch {
	case o.err != nil:
		return o.err
	case o.lose > 0:
		o.lose--
	case change != nil:
		o.daemon.Set(ref.JobID, change)
	}
	return nil
}

func (o *orderly) Pause(_ context.Context, ref downloader.Ref) error {
	return o.take("pause", ref, func(s *downloader.Status) { s.Phase = downloader.PhasePaused })
}

func (o *orderly) Resume(_ context.Context, ref downloader.Ref) error {
	return o.take("resume", ref, func(s *downloader.Status) { s.Phase = downloader.PhaseDownloading })
}

func (o *orderly) SelectFiles(_ context.Context, ref downloader.Ref, files []int) error {
	return o.take("select "+fmt.Sprint(files), ref, func(s *downloader.Status) {
		s.Files = slices.Clone(s.Files) // the node has the old ones
		for i := range s.Files {
			s.Files[i].Skipped = !slices.Contains(files, i)
		}
	})
}

func (o *orderly) SetLimits(_ context.Context, ref downloader.Ref, l downloader.Limits) error {
	return o.take(fmt.Sprint("limit ", l.DownloadRate), ref, nil)
}

func (o *orderly) list() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.orders)
}

func (o *orderly) lastAdd() downloader.AddRequest {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.adds[len(o.adds)-1]
}

// orderlyWorld is a world whose downloader takes orders.
func orderlyWorld(t *testing.T) (*world, *orderly) {
	t.Helper()
	w := newWorld(t, scripted.Options{})
	o := &orderly{daemon: w.plugin}
	w.wrap = func(d downloader.Driver) downloader.Driver {
		o.Driver = d
		return o
	}
	return w, o
}

// change sends a newer revision of a job.
func (r *running) change(w *world, d *core.DesiredJob, f func(*core.DesiredJob)) {
	r.t.Helper()
	f(d)
	d.Revision++
	o := w.full(*d)
	o.Full = false
	r.send(o)
}

func TestAPauseIsGivenToTheDownloaderAndAResumeEndsIt(t *testing.T) {
	t.Parallel()
	w, o := orderlyWorld(t)
	r := w.start()
	job := newJob()
	r.send(w.full(job))
	r.waitPhase(job.ID, core.JobDownloading)
	r.change(w, &job, func(d *core.DesiredJob) { d.Wish = core.JobPause })
	if got := r.waitPhase(job.ID, core.JobPaused); got.Waiting != nil {
		t.Errorf("a job that is paused by wish waits for %+v", got.Waiting)
	}
	r.change(w, &job, func(d *core.DesiredJob) { d.Wish, d.Resumes = core.JobRun, d.Resumes+1 })
	r.waitPhase(job.ID, core.JobDownloading)
	if got := o.list(); !slices.Equal(got, []string{"pause", "resume"}) {
		t.Errorf("orders: %v", got)
	}
}

func TestAPausedJobIsAddedPausedAndStaysSoAfterARestart(t *testing.T) {
	t.Parallel()
	w, o := orderlyWorld(t)
	r := w.start()
	job := newJob()
	job.Wish = core.JobPause
	job.Options, job.Limits = json.RawMessage(`{"split":4}`), downloader.Limits{DownloadRate: 1000}
	r.send(w.full(job))
	r.waitPhase(job.ID, core.JobPaused)
	add := o.lastAdd()
	if !add.Paused || string(add.Options) != `{"split":4}` || add.Limits.DownloadRate != 1000 {
		t.Errorf("added with %+v", add)
	}
	r.stop()
	r = w.start()
	r.waitPhase(job.ID, core.JobPaused)
	if got := o.list(); len(got) != 0 {
		t.Errorf("orders: %v", got)
	}
}

func TestAnOrderThatTheDaemonLostIsRepeated(t *testing.T) {
	t.Parallel()
	w, o := orderlyWorld(t)
	o.lose = 1
	r := w.start()
	job := newJob()
	r.send(w.full(job))
	r.waitPhase(job.ID, core.JobDownloading)
	r.change(w, &job, func(d *core.DesiredJob) { d.Wish = core.JobPause })
	r.waitFor("the pause to be waited for", func() bool {
		j := r.jobs[job.ID]
		return j.Waiting != nil && j.Waiting.Code == core.WaitingForPause
	})
	r.waitPhase(job.ID, core.JobPaused)
	if got := o.list(); !slices.Equal(got, []string{"pause", "pause"}) {
		t.Errorf("orders: %v", got)
	}
}

func TestAJobThatSomebodyStoppedAtTheDaemonStaysStoppedUntilItIsResumed(t *testing.T) {
	t.Parallel()
	w, o := orderlyWorld(t)
	r := w.start()
	job := newJob()
	r.send(w.full(job))
	r.waitPhase(job.ID, core.JobDownloading)
	w.plugin.Set(string(job.ID), func(s *downloader.Status) { s.Phase = downloader.PhasePaused })
	r.waitFor("the reason", func() bool {
		j := r.jobs[job.ID]
		d := j.Delivery(job.Deliveries[0].Task)
		return d != nil && d.Phase == core.JobPaused && d.Waiting != nil && d.Waiting.Code == core.WaitingForResume
	})
	r.stop()
	r = w.start()
	r.waitPhase(job.ID, core.JobPaused)
	if got := o.list(); len(got) != 0 {
		t.Errorf("orders: %v", got)
	}
	r.change(w, &job, func(d *core.DesiredJob) { d.Resumes++ })
	r.waitPhase(job.ID, core.JobDownloading)
}

// A daemon that dies, as in a power cut, may come back with what it was told
// before: that is no one's wish.
func TestAJobThatIsStoppedSinceTheDaemonWasAwayGoesOn(t *testing.T) {
	t.Parallel()
	w, o := orderlyWorld(t)
	r := w.start()
	job := newJob()
	r.send(w.full(job))
	r.waitPhase(job.ID, core.JobDownloading)
	w.plugin.Fail(scripted.OpCheck, errs.New(errs.DownloaderUnreachable, "The daemon is down."))
	r.waitFor("the trouble", func() bool {
		j := r.jobs[job.ID]
		return j.Waiting != nil && j.Waiting.Code == errs.DownloaderUnreachable
	})
	w.plugin.Set(string(job.ID), func(s *downloader.Status) { s.Phase = downloader.PhasePaused })
	w.plugin.Fail(scripted.OpCheck, nil)
	r.waitPhase(job.ID, core.JobPaused)
	r.waitPhase(job.ID, core.JobDownloading)
	if got := o.list(); !slices.Equal(got, []string{"resume"}) {
		t.Errorf("orders: %v", got)
	}
}

func TestLimitsChangeWhileAJobRuns(t *testing.T) {
	t.Parallel()
	w, o := orderlyWorld(t)
	r := w.start()
	job := newJob()
	r.send(w.full(job))
	r.waitPhase(job.ID, core.JobDownloading)
	r.change(w, &job, func(d *core.DesiredJob) { d.Limits.DownloadRate = 5000 })
	waitOrders(t, o, "limit 5000")
	r.change(w, &job, func(d *core.DesiredJob) { d.Limits.DownloadRate = 0 })
	waitOrders(t, o, "limit 5000", "limit 0")
}

func waitOrders(t *testing.T, o *orderly, want ...string) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for !slices.Equal(o.list(), want) {
		if time.Now().After(deadline) {
			t.Fatalf("orders %v, want %v", o.list(), want)
		}
		<-time.After(5 * time.Millisecond)
	}
}

// magnetJob wants the second of three files.
func magnetJob() core.DesiredJob {
	job := newJob()
	job.Source = core.TaskSource{Kind: downloader.SourceMagnet, URI: "magnet:?xt=urn:btih:0123456789abcdef0123456789abcdef01234567"}
	job.Deliveries[0].Selection = core.Selection{Indexes: []int{1}}
	return job
}

func threeFiles() []downloader.File {
	return []downloader.File{{Index: 0, Path: "t/a"}, {Index: 1, Path: "t/b"}, {Index: 2, Path: "t/c"}}
}

func TestFilesOfAMagnetLinkAreSelectedWhenItsMetadataIsThereAndItGoesOn(t *testing.T) {
	t.Parallel()
	w, o := orderlyWorld(t)
	r := w.start()
	job := magnetJob()
	r.send(w.full(job))
	r.waitAdded(job.ID)
	if got := o.lastAdd().Files; !slices.Equal(got, []int{1}) {
		t.Errorf("added with files %v", got)
	}
	w.plugin.Set(string(job.ID), func(s *downloader.Status) { s.Phase = downloader.PhaseMetadata })
	r.waitPhase(job.ID, core.JobMetadata)
	w.plugin.Set(string(job.ID), func(s *downloader.Status) {
		s.Phase, s.Files, s.TotalBytes = downloader.PhasePaused, threeFiles(), 3
	})
	r.waitPhase(job.ID, core.JobDownloading)
	if got := o.list(); !slices.Equal(got, []string{"select [1]", "resume"}) {
		t.Errorf("orders: %v", got)
	}
}

func TestATorrentThatIsCompleteBeforeItsFilesAreSelectedDeliversTheWantedAlone(t *testing.T) {
	t.Parallel()
	w, o := orderlyWorld(t)
	r := w.start()
	job := magnetJob()
	r.send(w.full(job))
	r.waitAdded(job.ID)
	if err := w.plugin.Finish(string(job.ID), map[string][]byte{"a": []byte("A"), "b": []byte("B"), "c": []byte("C")}); err != nil {
		t.Fatal(err)
	}
	r.waitPhase(job.ID, core.JobDone)
	w.assertFiles(map[string]string{"b": "B"})
	if got := o.list(); !slices.Equal(got, []string{"select [1]"}) {
		t.Errorf("orders: %v", got)
	}
}

func TestASelectionCanBeWidenedToAllFilesAgain(t *testing.T) {
	t.Parallel()
	w, o := orderlyWorld(t)
	r := w.start()
	job := magnetJob()
	r.send(w.full(job))
	r.waitAdded(job.ID)
	w.plugin.Set(string(job.ID), func(s *downloader.Status) { s.Files, s.TotalBytes = threeFiles(), 3 })
	waitOrders(t, o, "select [1]")
	r.change(w, &job, func(d *core.DesiredJob) { d.Deliveries[0].Selection = core.Selection{} })
	waitOrders(t, o, "select [1]", "select [0 1 2]")
}

func TestAFileThatTheTorrentDoesNotHaveFailsTheJob(t *testing.T) {
	t.Parallel()
	w, o := orderlyWorld(t)
	o.err = errs.New(errs.InvalidRequest, "The torrent has no file 1.")
	r := w.start()
	job := magnetJob()
	r.send(w.full(job))
	r.waitAdded(job.ID)
	w.plugin.Set(string(job.ID), func(s *downloader.Status) { s.TotalBytes = 3 })
	if got := r.waitPhase(job.ID, core.JobFailed); got.Failure == nil || got.Failure.Code != errs.InvalidRequest {
		t.Errorf("failure: %+v", got.Failure)
	}
}

func TestTheDaemonIsToldItsOwnNameOfTheFolder(t *testing.T) {
	t.Parallel()
	w, o := orderlyWorld(t)
	r := w.start()
	job := newJob()
	orders := w.full(job)
	orders.Downloaders[0].PathMap = []core.PathMapping{{Daemon: "/downloads", Node: filepath.Join(w.dir, "jobs")}}
	r.send(orders)
	r.waitPhase(job.ID, core.JobDownloading)
	if got, want := o.lastAdd().Dir, "/downloads/"+string(job.ID)+"/data"; got != want {
		t.Errorf("added with %s, want %s", got, want)
	}
}

func TestAPathMapThatLacksTheFolderIsTold(t *testing.T) {
	t.Parallel()
	w, _ := orderlyWorld(t)
	r := w.start()
	job := newJob()
	orders := w.full(job)
	orders.Downloaders[0].PathMap = []core.PathMapping{{Daemon: "/downloads", Node: "/elsewhere"}}
	r.send(orders)
	r.waitFor("the reason", func() bool {
		j := r.jobs[job.ID]
		return j.Waiting != nil && j.Waiting.Code == errs.PathNotShared
	})
}
