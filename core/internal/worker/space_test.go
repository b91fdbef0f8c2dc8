package worker

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

const mib = int64(1) << 20

// disk is a file system that a test fills.
type disk struct {
	mu    sync.Mutex // guards all below
	free  int64
	err   error
	looks int
}

// The disk has 1000 MiB, of which 40 MiB shall stay free.
const (
	diskTotal = 1000 * mib
	diskMark  = 40 * mib
)

func (d *disk) measure(string) (free, total int64, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.looks++
	return d.free, diskTotal, d.err
}

func (d *disk) set(free int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.free = free
}

func (d *disk) looked() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.looks
}

// onDisk runs a node whose downloads go to a disk with so much free.
func onDisk(t *testing.T, free int64, fn func(t *testing.T, w *world, o *orderly, d *disk)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w, o := orderlyWorld(t)
		d := &disk{free: free}
		w.capabilities = []downloader.Capability{downloader.CapabilityPause}
		w.change = func(o *Options) { o.MinFree, o.FreeSpace = diskMark, d.measure }
		fn(t, w, o, d)
	})
}

// rest lets the bubble's time pass.
func rest(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// torrentOf returns a job for an uploaded torrent of one file.
func torrentOf(size int64) core.DesiredJob {
	const piece = 64 << 20
	job := newJob()
	job.Source = core.TaskSource{Kind: downloader.SourceTorrent, URI: "a.torrent", Uploaded: true}
	pieces := strings.Repeat("01234567890123456789", int((size+piece-1)/piece))
	job.Content = fmt.Appendf(nil, "d4:infod6:lengthi%de4:name5:a.bin12:piece lengthi%de6:pieces%d:%see", size, piece, len(pieces), pieces)
	return job
}

// loading makes the daemon say how far a job is.
func (w *world) loading(id core.JobID, done, total int64) {
	w.plugin.Set(string(id), func(s *downloader.Status) { s.DoneBytes, s.TotalBytes = done, total })
}

// waitsForSpace checks that a job waits, and for how much.
func (r *running) waitsForSpace(id core.JobID, want string) {
	r.t.Helper()
	o := r.job(id)
	d := o.Deliveries[0]
	if d.Waiting == nil || d.Waiting.Code != core.WaitingForSpace || !strings.Contains(d.Waiting.Message, want) {
		r.t.Errorf("waits for %+v, want %s with %q", d.Waiting, core.WaitingForSpace, want)
	}
	if d.Phase == core.JobPaused {
		r.t.Error("the task looks as if somebody had paused it")
	}
}

func (r *running) waitsNot(id core.JobID) {
	r.t.Helper()
	if w := r.job(id).Deliveries[0].Waiting; w != nil && w.Code == core.WaitingForSpace {
		r.t.Errorf("waits for %+v", w)
	}
}

func atDaemon(w *world, id core.JobID) bool {
	_, known := w.plugin.Job(string(id))
	return known
}

func TestADownloadBeginsOnlyWhereItFits(t *testing.T) {
	onDisk(t, 300*mib, func(t *testing.T, w *world, _ *orderly, d *disk) {
		r := w.start()
		defer r.stop()
		first, large, small, unknown := torrentOf(200*mib), torrentOf(150*mib), torrentOf(50*mib), newJob()
		r.send(w.full(first, large, small, unknown))
		rest(5 * time.Second)
		if !atDaemon(w, first.ID) || !atDaemon(w, small.ID) || !atDaemon(w, unknown.ID) {
			t.Error("what fits, or has no size yet, was not added")
		}
		if atDaemon(w, large.ID) {
			t.Error("the large one was added: 300 MiB are free, 40 stay so, and 250 are promised")
		}
		r.waitsForSpace(large.ID, "140 MiB more")
		r.waitsNot(first.ID)

		// What the others load was promised to them: nothing changes for the large one.
		w.loading(first.ID, 100*mib, 200*mib)
		d.set(200 * mib)
		rest(5 * time.Second)
		r.waitsForSpace(large.ID, "140 MiB more")

		d.set(340 * mib)
		rest(5 * time.Second)
		if !atDaemon(w, large.ID) {
			t.Error("the large one was not added when there was room")
		}
		r.waitsNot(large.ID)
	})
}

func TestWhatTheWholeDiskCannotHoldFailsAtOnce(t *testing.T) {
	onDisk(t, 900*mib, func(t *testing.T, w *world, _ *orderly, _ *disk) {
		r := w.start()
		defer r.stop()
		known, learnt := torrentOf(2000*mib), newJob()
		r.send(w.full(known, learnt))
		rest(3 * time.Second)
		if atDaemon(w, known.ID) {
			t.Error("it was added")
		}
		w.loading(learnt.ID, 0, 2000*mib)
		rest(5 * time.Second)
		for _, id := range []core.JobID{known.ID, learnt.ID} {
			o := r.job(id)
			if o.Phase != core.JobFailed || o.Failure.Code != errs.OutOfSpace || o.Failure.Retryable || !strings.Contains(o.Failure.Message, "2.0 GiB") {
				t.Errorf("%v %+v", o.Phase, o.Failure)
			}
		}
	})
}

func TestASizeThatIsLearntLaterPausesTheJobUntilThereIsRoom(t *testing.T) {
	onDisk(t, 300*mib, func(t *testing.T, w *world, o *orderly, d *disk) {
		r := w.start()
		defer r.stop()
		old, young := newJob(), newJob()
		r.send(w.full(old, young))
		rest(3 * time.Second)
		w.loading(old.ID, 0, 200*mib)
		w.loading(young.ID, 10*mib, 150*mib)
		rest(5 * time.Second)
		if got := o.list(); !slices.Equal(got, []string{"pause"}) {
			t.Fatalf("orders %v", got)
		}
		r.waitsNot(old.ID)
		r.waitsForSpace(young.ID, "80.0 MiB more")
		d.set(400 * mib)
		rest(5 * time.Second)
		if got := o.list(); !slices.Equal(got, []string{"pause", "resume"}) {
			t.Fatalf("orders %v", got)
		}
		r.waitsNot(young.ID)
		var told []errs.Code
		for _, e := range r.job(young.ID).Deliveries[0].Log {
			told = append(told, e.Code)
		}
		if !slices.Equal(told, []errs.Code{core.EventSpace, core.EventSpace}) {
			t.Errorf("told %v", told)
		}
	})
}

func TestAFullDiskPausesEverythingUntilTwiceTheMarkIsFree(t *testing.T) {
	onDisk(t, 500*mib, func(t *testing.T, w *world, o *orderly, d *disk) {
		r := w.start()
		defer r.stop()
		jobs := manyJobs(3)
		r.send(w.full(jobs...))
		rest(3 * time.Second)
		for _, j := range jobs {
			w.loading(j.ID, 5*mib, 10*mib)
		}
		rest(3 * time.Second)

		d.set(diskMark - mib) // somebody else has filled it
		rest(6 * time.Second)
		if got := o.list(); !slices.Equal(got, []string{"pause", "pause", "pause"}) {
			t.Fatalf("orders %v", got)
		}
		more := newJob()
		r.send(&core.Orders{Jobs: []core.DesiredJob{more}})
		rest(10 * time.Second)
		if atDaemon(w, more.ID) {
			t.Error("another one was added")
		}
		for _, j := range append(jobs, more) {
			r.waitsForSpace(j.ID, "41.0 MiB more are free")
		}
		commits := w.kv.commits.Load()
		rest(time.Minute)
		if n := w.kv.commits.Load() - commits; n > 0 {
			t.Errorf("%d commits for waiting", n)
		}

		d.set(2*diskMark - 1)
		rest(6 * time.Second)
		if len(o.list()) != 3 {
			t.Errorf("went on too early: %v", o.list())
		}
		d.set(2 * diskMark)
		rest(10 * time.Second)
		if got := o.list()[3:]; !slices.Equal(got, []string{"resume", "resume", "resume"}) {
			t.Errorf("orders %v", got)
		}
		if !atDaemon(w, more.ID) {
			t.Error("the one that waited was not added")
		}
		for _, j := range jobs {
			w.finish(j.ID, string(j.ID), "A")
			rest(3 * time.Second)
			if o := r.job(j.ID); o.Phase != core.JobDone {
				t.Errorf("%v", o.Phase)
			}
		}
	})
}

func TestWhoPausesATaskThatWaitsForSpaceFindsItPaused(t *testing.T) {
	onDisk(t, 500*mib, func(t *testing.T, w *world, o *orderly, d *disk) {
		r := w.start()
		defer r.stop()
		job := newJob()
		r.send(w.full(job))
		rest(3 * time.Second)
		d.set(mib)
		rest(6 * time.Second)
		r.change(w, &job, func(j *core.DesiredJob) { j.Wish = core.JobPause })
		d.set(500 * mib)
		rest(6 * time.Second)
		if got := r.job(job.ID); got.Phase != core.JobPaused || got.Waiting != nil {
			t.Errorf("%v, waits for %+v", got.Phase, got.Waiting)
		}
		if got := o.list(); !slices.Equal(got, []string{"pause"}) {
			t.Errorf("orders %v", got)
		}
		d.set(mib)
		r.change(w, &job, func(j *core.DesiredJob) { j.Wish, j.Resumes = core.JobRun, 1 })
		rest(6 * time.Second)
		r.waitsForSpace(job.ID, "nearly full")
		d.set(500 * mib)
		rest(6 * time.Second)
		if got := o.list(); !slices.Equal(got, []string{"pause", "resume"}) {
			t.Errorf("orders %v", got)
		}
	})
}

func TestAJobThatWaitsForSpaceStaysSoOverARestart(t *testing.T) {
	onDisk(t, 500*mib, func(t *testing.T, w *world, o *orderly, d *disk) {
		r := w.start()
		job, waits := newJob(), torrentOf(900*mib)
		r.send(w.full(job, waits))
		rest(3 * time.Second)
		w.loading(job.ID, 0, 10*mib)
		d.set(mib)
		rest(6 * time.Second)
		r.stop()
		r = w.start()
		r.send(w.full(job, waits))
		rest(10 * time.Second)
		r.waitsForSpace(job.ID, "nearly full")
		r.waitsForSpace(waits.ID, "nearly full")
		r.stop()
		d.set(950 * mib)
		r = w.start()
		defer r.stop()
		r.send(w.full(job, waits))
		rest(10 * time.Second)
		if got := o.list(); !slices.Equal(got, []string{"pause", "resume"}) {
			t.Errorf("orders %v", got)
		}
		if !atDaemon(w, waits.ID) {
			t.Error("the one that waited was not added")
		}
		if log := r.job(job.ID).Deliveries[0].Log; len(log) != 2 {
			t.Errorf("told %+v", log)
		}
	})
}

func TestADownloaderThatCannotPauseIsGivenNothingMore(t *testing.T) {
	onDisk(t, 500*mib, func(t *testing.T, w *world, o *orderly, d *disk) {
		w.capabilities = nil
		r := w.start()
		defer r.stop()
		job, more := newJob(), newJob()
		r.send(w.full(job))
		rest(3 * time.Second)
		w.loading(job.ID, 0, 900*mib)
		d.set(mib)
		rest(6 * time.Second)
		r.send(&core.Orders{Jobs: []core.DesiredJob{more}})
		rest(6 * time.Second)
		if atDaemon(w, more.ID) || len(o.list()) > 0 {
			t.Errorf("another one was added, or orders were given: %v", o.list())
		}
		r.waitsNot(job.ID)
		r.waitsForSpace(more.ID, "nearly full")
	})
}

func TestWhatADownloaderHasTakenOfTheDiskIsNotReservedAgain(t *testing.T) {
	onDisk(t, 105*mib, func(t *testing.T, w *world, _ *orderly, d *disk) {
		r := w.start()
		defer r.stop()
		taken, next := torrentOf(30*mib), torrentOf(10*mib)
		r.send(w.full(taken))
		rest(3 * time.Second)
		// The daemon takes the space at once, as many do.
		file := filepath.Join(w.dir, "jobs", string(taken.ID), dataName, "a.bin")
		if err := os.WriteFile(file, make([]byte, 30*mib), 0o600); err != nil {
			t.Fatal(err)
		}
		w.loading(taken.ID, 0, 30*mib)
		d.set(75 * mib)
		r.send(&core.Orders{Jobs: []core.DesiredJob{next}})
		rest(10 * time.Second)
		if !atDaemon(w, next.ID) {
			t.Errorf("waits for %+v", r.job(next.ID).Waiting)
		}
	})
}

func TestWhereFreeSpaceCannotBeMeasuredNothingIsHeldBack(t *testing.T) {
	onDisk(t, 0, func(t *testing.T, w *world, _ *orderly, d *disk) {
		d.err = errors.ErrUnsupported
		r := w.start()
		defer r.stop()
		job := torrentOf(2000 * mib)
		r.send(w.full(job))
		rest(5 * time.Second)
		if !atDaemon(w, job.ID) {
			t.Error("it was not added")
		}
	})
}

func TestTheDiskIsMeasuredWhileSomethingLoadsAlone(t *testing.T) {
	onDisk(t, 500*mib, func(t *testing.T, w *world, _ *orderly, d *disk) {
		registry := prometheus.NewRegistry()
		change := w.change
		w.change = func(o *Options) { change(o); o.Registerer = registry }
		r := w.start()
		defer r.stop()
		job := torrentOf(100 * mib)
		r.send(w.full(job))
		rest(20 * time.Second)
		if n := d.looked(); n < 9 || n > 12 {
			t.Errorf("%d looks in 20 s", n)
		}
		want := `
# HELP haul_node_free_bytes Free space of the file system that downloads go to.
# TYPE haul_node_free_bytes gauge
haul_node_free_bytes 5.24288e+08
# HELP haul_node_reserved_bytes What the running downloads will still take of it.
# TYPE haul_node_reserved_bytes gauge
haul_node_reserved_bytes 1.048576e+08
# HELP haul_node_space_paused Downloads that wait or were paused for want of free space.
# TYPE haul_node_space_paused gauge
haul_node_space_paused 0
`
		if err := testutil.GatherAndCompare(registry, strings.NewReader(want), "haul_node_free_bytes", "haul_node_reserved_bytes", "haul_node_space_paused"); err != nil {
			t.Error(err)
		}
		w.finish(job.ID, "a.bin", "A")
		rest(10 * time.Second)
		before := d.looked()
		rest(time.Hour)
		if n := d.looked() - before; n > 0 {
			t.Errorf("%d looks while nothing loads", n)
		}
	})
}

func TestSizesAndTimesAreToldInWords(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 1536: "1.5 KiB", 200 * mib: "200 MiB", 5 << 40: "5.0 TiB"} {
		if got := sizeWords(n); got != want {
			t.Errorf("%d is %q, want %q", n, got, want)
		}
	}
	for d, want := range map[time.Duration]string{
		30 * time.Minute: "30 minutes", 24 * time.Hour: "24 hours", 7 * 24 * time.Hour: "7 days", time.Hour: "1 hour",
		90 * time.Second: "90 seconds", time.Second: "1 second", 90 * time.Minute: "90 minutes", time.Minute: "1 minute", 36 * time.Hour: "36 hours",
	} {
		if got := timeWords(d); got != want {
			t.Errorf("%s is %q, want %q", d, got, want)
		}
	}
}
