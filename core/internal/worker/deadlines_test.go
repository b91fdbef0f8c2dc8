package worker

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

// wallClock is a clock that somebody sets anew.
type wallClock struct {
	mu  sync.Mutex // guards off
	off time.Duration
}

func (c *wallClock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.off)
}

func (c *wallClock) jump(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.off += d
}

// late is a world whose jobs have deadlines.
type late struct {
	*world
	*running
	t     *testing.T
	o     *orderly
	clock *wallClock
	job   core.DesiredJob
}

// withDeadlines runs a node with one job.
func withDeadlines(t *testing.T, job core.DesiredJob, limits core.Deadlines, fn func(l *late)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w, o := orderlyWorld(t)
		w.capabilities = []downloader.Capability{downloader.CapabilityPause}
		clock := &wallClock{}
		w.change = func(o *Options) { o.Clock = clock.now }
		job.Deadlines = limits
		l := &late{world: w, t: t, o: o, clock: clock, job: job}
		l.begin()
		fn(l)
		l.stop()
	})
}

// begin starts the node, and tells it what core wants.
func (l *late) begin() {
	l.running = l.start()
	o := l.full(l.job)
	o.Downloaders[0].PollInterval = int(look / time.Second)
	l.send(o)
	rest(2 * look)
}

// look is how often the daemon is asked here.
const look = 20 * time.Second

// down ends the node, and starts it again after a while.
func (l *late) down(d time.Duration) {
	l.stop()
	time.Sleep(d)
	l.begin()
}

// say makes the daemon tell something of the job.
func (l *late) say(change func(*downloader.Status)) {
	l.plugin.Set(string(l.job.ID), change)
	rest(look)
}

func (l *late) phase(p downloader.Phase) { l.say(func(s *downloader.Status) { s.Phase = p }) }

func (l *late) bytes(n int64) {
	l.say(func(s *downloader.Status) { s.DoneBytes, s.TotalBytes = s.DoneBytes+n, 100*mib })
}

func (l *late) alive(when string) {
	l.t.Helper()
	if o := l.running.job(l.job.ID); o.Failure != nil || o.Phase.Ended() {
		l.t.Fatalf("%s it has ended: %v %+v", when, o.Phase, o.Failure)
	}
}

// failed checks that the job has failed, and what that says.
func (l *late) failed(code errs.Code, words ...string) {
	l.t.Helper()
	o := l.running.job(l.job.ID)
	if o.Phase != core.JobFailed || o.Failure.Code != code {
		l.t.Fatalf("%v %+v, want %s", o.Phase, o.Failure, code)
	}
	for _, w := range words {
		if !strings.Contains(o.Failure.Message, w) {
			l.t.Errorf("%q does not say %q", o.Failure.Message, w)
		}
	}
}

func TestAStallEndsADownloadThatGetsNoByte(t *testing.T) {
	const (
		left  = 90 * time.Minute
		limit = 6 * time.Hour
		most  = limit - left // of it
	)
	limits := core.Deadlines{Stall: limit}
	cases := []struct {
		name string
		// live is what happens; it must not fail before the end of it.
		live func(l *late)
		// after is how long it then has.
		after time.Duration
	}{
		{"nothing at all", func(*late) {}, limit},
		{"a byte begins it anew", func(l *late) {
			rest(most)
			l.bytes(1)
		}, limit},
		{"bytes that come by and by keep it going", func(l *late) {
			for range 5 {
				rest(most)
				l.bytes(1)
			}
		}, limit},
		{"a rate is bytes, too", func(l *late) {
			rest(most)
			l.say(func(s *downloader.Status) { s.DownloadRate = 10 })
			l.say(func(s *downloader.Status) { s.DownloadRate = 0 })
		}, limit},
		{"uploads are no bytes", func(l *late) {
			rest(most)
			l.say(func(s *downloader.Status) { s.UploadedBytes = 1 << 30 })
		}, left},
		{"what is verified was there before", func(l *late) {
			rest(most)
			l.phase(downloader.PhaseChecking)
			l.say(func(s *downloader.Status) { s.DoneBytes = 50 * mib })
			l.phase(downloader.PhaseDownloading)
		}, left},
		{"a pause does not count", func(l *late) {
			rest(most)
			l.running.change(l.world, &l.job, func(j *core.DesiredJob) { j.Wish = core.JobPause })
			rest(6 * time.Hour)
			l.running.change(l.world, &l.job, func(j *core.DesiredJob) { j.Wish, j.Resumes = core.JobRun, 1 })
		}, left},
		{"a pause by hand at the daemon does not count", func(l *late) {
			rest(most)
			l.phase(downloader.PhasePaused)
			rest(6 * time.Hour)
			l.phase(downloader.PhaseDownloading)
		}, left},
		{"the daemon's own queue does not count", func(l *late) {
			rest(most)
			l.phase(downloader.PhaseQueued)
			rest(6 * time.Hour)
			l.phase(downloader.PhaseDownloading)
		}, left},
		{"a downloader in trouble does not count", func(l *late) {
			rest(most)
			l.plugin.Fail("check", errs.New(errs.DownloaderUnreachable, "down"))
			rest(6 * time.Hour)
			l.plugin.Fail("check", nil)
			rest(2 * time.Minute)
		}, left},
		{"a restart does not begin it anew", func(l *late) {
			rest(most)
			l.down(time.Minute)
		}, left},
		{"who was down has a chance first", func(l *late) {
			rest(most)
			l.down(100 * time.Hour)
		}, time.Hour},
		{"a pause before a restart does not count", func(l *late) {
			rest(most)
			l.running.change(l.world, &l.job, func(j *core.DesiredJob) { j.Wish = core.JobPause })
			rest(time.Hour)
			l.down(100 * time.Hour)
			rest(6 * time.Hour)
			l.running.change(l.world, &l.job, func(j *core.DesiredJob) { j.Wish, j.Resumes = core.JobRun, 1 })
		}, left},
		{"a byte before a restart begins it anew", func(l *late) {
			rest(most)
			l.bytes(1)
			rest(10 * time.Minute)
			l.down(time.Minute)
		}, limit},
		{"a clock that jumps forward does not count", func(l *late) {
			rest(most)
			l.clock.jump(1000 * time.Hour)
			rest(20 * time.Minute)
		}, left - 20*time.Minute},
		{"nor over a restart", func(l *late) {
			rest(most)
			l.clock.jump(1000 * time.Hour)
			rest(time.Minute)
			l.down(time.Minute)
		}, left},
		{"a clock that jumps back does not prolong it", func(l *late) {
			rest(most)
			l.clock.jump(-1000 * time.Hour)
			rest(time.Minute)
			l.down(time.Minute)
		}, left},
		{"a clock that was set back while the node was down is no harm", func(l *late) {
			rest(most)
			l.stop()
			l.clock.jump(-1000 * time.Hour)
			l.begin()
		}, limit},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			withDeadlines(t, newJob(), limits, func(l *late) {
				c.live(l)
				l.alive("before")
				rest(c.after - 10*time.Minute)
				l.alive("at the end")
				rest(20 * time.Minute)
				l.failed(errs.Stalled, "No data came for 6 hours.")
			})
		})
	}
}

func TestMetadataHasADeadlineOfItsOwn(t *testing.T) {
	limits := core.Deadlines{Metadata: 30 * time.Minute}
	cases := []struct {
		name string
		live func(l *late)
		left time.Duration // 0 is for ever
	}{
		{"nobody has it", func(l *late) {
			l.say(func(s *downloader.Status) { s.Peers, s.Seeds = 3, 1 })
		}, 30 * time.Minute},
		{"it came", func(l *late) { l.phase(downloader.PhaseDownloading) }, 0},
		{"it came, and the daemon lost the job", func(l *late) {
			l.phase(downloader.PhaseDownloading)
			rest(time.Hour)
			l.plugin.Forget(string(l.job.ID))
			rest(2 * look)
			l.phase(downloader.PhaseMetadata)
		}, 30 * time.Minute},
		{"a downloader in trouble does not count", func(l *late) {
			rest(20 * time.Minute)
			l.plugin.Fail("check", errs.New(errs.DownloaderUnreachable, "down"))
			rest(3 * time.Hour)
			l.plugin.Fail("check", nil)
			rest(time.Minute)
		}, 10 * time.Minute},
		{"a pause does not count", func(l *late) {
			rest(20 * time.Minute)
			l.phase(downloader.PhasePaused)
			rest(3 * time.Hour)
			l.phase(downloader.PhaseMetadata)
		}, 10 * time.Minute},
		{"a restart does not begin it anew", func(l *late) {
			rest(20 * time.Minute)
			l.down(0)
		}, 10 * time.Minute},
		{"who was down has a chance first", func(l *late) {
			rest(20 * time.Minute)
			l.down(10 * time.Hour)
		}, 30 * time.Minute / 4},
		{"a clock that jumps does not count", func(l *late) {
			rest(20 * time.Minute)
			l.clock.jump(100 * time.Hour)
			rest(3 * time.Second)
			l.down(0)
		}, 10 * time.Minute},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			withDeadlines(t, magnetJob(), limits, func(l *late) {
				l.phase(downloader.PhaseMetadata)
				c.live(l)
				l.alive("before")
				if c.left == 0 {
					rest(2 * time.Hour)
					l.alive("in the end")
					return
				}
				rest(c.left - time.Minute)
				l.alive("at the end")
				rest(2 * time.Minute)
				l.failed(errs.MetadataTimeout, "within 30 minutes", "peers")
			})
		})
	}
}

func TestTheWholeDownloadHasADeadline(t *testing.T) {
	limits := core.Deadlines{Total: 12 * time.Hour}
	cases := []struct {
		name string
		live func(l *late)
		left time.Duration // 0 is for ever
	}{
		{"bytes are no excuse", func(l *late) {
			for range 8 {
				rest(time.Hour)
				l.bytes(1)
			}
		}, 4 * time.Hour},
		{"pauses and restarts count", func(l *late) {
			l.running.change(l.world, &l.job, func(j *core.DesiredJob) { j.Wish = core.JobPause })
			l.down(8 * time.Hour)
		}, 4 * time.Hour},
		{"a clock that jumps does not count", func(l *late) {
			l.clock.jump(1000 * time.Hour)
			rest(5 * time.Hour)
			l.down(0)
		}, 7 * time.Hour},
		{"what is loaded is safe", func(l *late) {
			l.storageGone(l)
			l.finish(l.job.ID, "a.bin", "A")
		}, 0},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			withDeadlines(t, newJob(), limits, func(l *late) {
				c.live(l)
				l.alive("before")
				if c.left == 0 {
					rest(14 * time.Hour)
					l.alive("in the end")
					return
				}
				rest(c.left - 10*time.Minute)
				l.alive("at the end")
				rest(20 * time.Minute)
				l.failed(errs.TotalTimeout, "within 12 hours")
			})
		})
	}
}

// storageGone takes the storage away, so that nothing can be delivered.
func (w *world) storageGone(l *late) {
	o := w.full(l.job)
	o.Storages = nil
	l.send(o)
}

func TestWithoutDeadlinesNothingEnds(t *testing.T) {
	withDeadlines(t, magnetJob(), core.Deadlines{}, func(l *late) {
		l.phase(downloader.PhaseMetadata)
		rest(40 * time.Hour)
		l.alive("in the end")
	})
}

func TestAJobThatLoadsWritesNothing(t *testing.T) {
	withDeadlines(t, newJob(), core.Deadlines{Stall: 24 * time.Hour, Metadata: time.Hour, Total: 1000 * time.Hour}, func(l *late) {
		l.bytes(1)
		before := l.kv.commits.Load()
		for range 20 {
			rest(30 * time.Minute)
			l.bytes(1)
		}
		if n := l.kv.commits.Load() - before; n > 0 {
			l.t.Errorf("%d commits for progress", n)
		}
		if n := len(l.timers); n > 10 {
			l.t.Errorf("%d timers for one job", n)
		}
		rest(3 * time.Hour)
		if n := l.kv.commits.Load() - before; n != 1 {
			l.t.Errorf("%d commits for a stall, want one", n)
		}
		l.bytes(1)
		if n := l.kv.commits.Load() - before; n != 2 {
			l.t.Errorf("%d commits when it ended, want one more", n)
		}
	})
}

func TestAJobThatWaitsForSpaceDoesNotStall(t *testing.T) {
	d := &disk{free: 500 * mib}
	withDeadlines(t, newJob(), core.Deadlines{Stall: 4 * time.Hour}, func(l *late) {
		l.stop()
		l.world.change = func(o *Options) { o.Clock, o.MinFree, o.FreeSpace = l.clock.now, diskMark, d.measure }
		l.begin()
		rest(2 * time.Hour)
		d.set(mib)
		rest(10 * time.Hour)
		l.alive("without space")
		if got := l.o.list(); !slices.Equal(got, []string{"pause"}) {
			l.t.Errorf("orders %v", got)
		}
		d.set(500 * mib)
		rest(90 * time.Minute)
		l.alive("with space again")
		rest(time.Hour)
		l.failed(errs.Stalled)
	})
}
