package worker

import (
	"fmt"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/sdk/downloader"
)

func TestAStopwatchMeasuresWithBreaksWhateverTheClockSays(t *testing.T) {
	now := time.Now()
	wall := now.Round(0)
	var w stopwatch
	w.start(now, wall)
	if got := w.elapsed(now.Add(time.Hour)); got != time.Hour {
		t.Errorf("%s after an hour", got)
	}
	w.stop(now.Add(time.Hour))
	if got := w.elapsed(now.Add(5 * time.Hour)); got != time.Hour {
		t.Errorf("%s while it stands still", got)
	}
	w.start(now.Add(5*time.Hour), wall.Add(5*time.Hour))
	kept := stopwatch{Spent: w.Spent, Since: w.Since} // what the journal has
	for shift, want := range map[time.Duration]time.Duration{7 * time.Hour: 3 * time.Hour, 5 * time.Hour: time.Hour, -100 * time.Hour: time.Hour} {
		again := kept
		again.takeUp(now, wall.Add(shift))
		if got := again.elapsed(now); got != want {
			t.Errorf("%s when it is taken up at %s, want %s", got, shift, want)
		}
	}
}

func TestAClockThatIsSetAnewMovesEveryStampAlong(t *testing.T) {
	for _, jump := range []time.Duration{1000 * time.Hour, -1000 * time.Hour, 4 * time.Second} {
		t.Run(fmt.Sprint(jump), func(t *testing.T) {
			clock := &wallClock{}
			n := &Node{now: clock.now, log: hclog.NewNullLogger(), state: newState()}
			held := n.now().Add(-time.Hour)
			j := &job{record: record{Job: newJob().Job, Phase: core.JobDownloaded, LoadedAt: &held}}
			j.Deliveries = []*deliveryRecord{{HeldSince: &held, JoinedAt: held}}
			n.jobs[j.Job.ID] = j
			n.guardClock(time.Now())
			clock.jump(jump)
			n.guardClock(time.Now())
			want := jump
			if jump.Abs() < maxDrift {
				want = 0 // a small drift is left until it adds up
			}
			for what, at := range map[string]time.Time{"held": *j.Deliveries[0].HeldSince, "loaded": *j.LoadedAt, "joined": j.Deliveries[0].JoinedAt} {
				if moved := at.Round(0).Sub(held.Round(0)); (moved - want).Abs() > time.Second {
					t.Errorf("%s has moved by %s, want %s", what, moved, want)
				}
			}
			if j.changed != (want != 0) {
				t.Errorf("to be stored: %v", j.changed)
			}
		})
	}
}

// BenchmarkGiveRoom is what the guard of free space costs every two seconds.
func BenchmarkGiveRoom(b *testing.B) {
	n := &Node{now: time.Now, log: hclog.NewNullLogger(), state: newState()}
	n.space.metrics = newSpaceMetrics(nil)
	n.space.known, n.space.free, n.space.total = true, 1<<50, 1<<51
	for range 10_000 {
		j := &job{record: record{Job: newJob().Job, Phase: core.JobQueued, Ref: &downloader.Ref{}}}
		j.status = downloader.Status{Phase: downloader.PhaseDownloading, TotalBytes: 1 << 30}
		n.jobs[j.Job.ID] = j
	}
	for b.Loop() {
		n.giveRoom(time.Now())
	}
}
