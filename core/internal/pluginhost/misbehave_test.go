package pluginhost

import (
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

func event(path string) fsnotify.Event { return fsnotify.Event{Name: path, Op: fsnotify.Write} }

func TestAPluginOfTheVersionBeforeWorks(t *testing.T) {
	r := newRig(t, testTuning(), "before-last")
	if p := r.Plugins()[0]; p.Err != nil || !p.Active {
		t.Fatalf("found %+v", p)
	}
	in := r.startReady("before-last")
	works(t, in)
	err := in.Driver().(downloader.Pauser).Pause(t.Context(), downloader.Ref{JobID: "a"})
	if !errs.Is(err, errs.NotOffered) {
		t.Errorf("Pause, which that version did not have, answers %v", err)
	}
}

func TestLiesOfAPlugin(t *testing.T) {
	r := newRig(t, testTuning(), "liar", "good")
	liar, good := r.startReady("liar"), r.startReady("good")
	for _, tt := range []struct {
		name, id string
		want     func(got []downloader.Status, err error) bool
	}{
		{"a job that nobody asked for is left out", "others", func(got []downloader.Status, err error) bool {
			return err == nil && len(got) == 1 && got[0].JobID == "others"
		}},
		{"negative numbers become none", "negative", func(got []downloader.Status, err error) bool {
			s := got[0]
			return err == nil && s.TotalBytes == 0 && s.DoneBytes == 0 && s.DownloadRate == 0 && s.Peers == 0 && s.Files[0].Size == 0
		}},
		{"a finished file outside of the job's folder fails the job", "outside", func(got []downloader.Status, err error) bool {
			return err == nil && got[0].Phase == downloader.PhaseFailed && errs.Is(got[0].Err, errs.UnsafeFile)
		}},
		{"a state that nobody knows is unknown", "phase", func(got []downloader.Status, err error) bool {
			return err == nil && got[0].Phase == downloader.PhaseUnknown
		}},
		{"over a million files fail the job", "files", func(got []downloader.Status, err error) bool {
			return err == nil && got[0].Phase == downloader.PhaseFailed && errs.Is(got[0].Err, errs.UnsafeFile)
		}},
		{"two answers for one job are one", "twice", func(got []downloader.Status, err error) bool { return err == nil && len(got) == 1 }},
		{"no answer for a job is none", "nothing", func(got []downloader.Status, err error) bool { return err == nil && len(got) == 0 }},
		{"text that is not UTF-8 fails the call", "latin1", func(_ []downloader.Status, err error) bool {
			return err != nil && errs.CodeOf(err) != ""
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := liar.Driver().Check(t.Context(), []downloader.Ref{{JobID: tt.id}})
			if !tt.want(got, err) {
				t.Errorf("got %.300v, %v", got, err)
			}
			works(t, liar)
			works(t, good)
		})
	}
}

func TestDescriptionThatIsTooLargeIsRefused(t *testing.T) {
	r := newRig(t, testTuning(), "huge", "good")
	for _, p := range r.Plugins() {
		if p.Name == "huge" && !errs.Is(p.Err, errs.PluginIncompatible) {
			t.Errorf("found %v", p.Err)
		}
	}
	works(t, r.startReady("good"))
}

func TestAFloodOfEventsIsSlowedDown(t *testing.T) {
	tune := testTuning()
	tune.streamRate = 100 * messageCost
	r := newRig(t, tune, "flood", "good")
	flood, good := r.startReady("flood"), r.startReady("good")
	got := make(chan struct{}, 10_000)
	began := time.Now()
	go func() {
		_ = flood.Driver().(downloader.Watcher).Watch(t.Context(), func([]downloader.Status) { got <- struct{}{} })
	}()
	eventually(t, func() bool { return len(got) > 150 }, says("events"))
	if took := time.Since(began); took < 300*time.Millisecond {
		t.Errorf("150 events came within %v", took)
	}
	works(t, flood)
	works(t, good)
}

func TestAFloodOfOutputIsSlowedDown(t *testing.T) {
	tune := testTuning()
	tune.outputRate = 256 << 10
	r := newRig(t, tune, "good")
	in := r.startReady("good")
	began := time.Now()
	mustDo(t, in, "flood 20000") // some 800 KiB
	if took := time.Since(began); took < time.Second {
		t.Errorf("it was read within %v", took)
	}
	works(t, in)
}

func TestALeakEndsTheProcessThatLeaks(t *testing.T) {
	r := newRigWith(t, testTuning(), Options{MemoryLimit: 200 << 20}, "good")
	in := r.startReady("good")
	pid := in.Status().PID
	mustDo(t, in, "leak")
	r.awaitRestart(in, pid)
	r.awaitLog("200 MiB", "[WARN]")
	works(t, in)
	eventually(t, func() bool { return isGone(pid) }, says("end of the process"))
}

func TestAPluginThatCrashesAgainAndAgainDoesNotTroubleAnother(t *testing.T) {
	r := newRig(t, testTuning(), "good", "poor")
	in, other := r.startReady("good"), r.startReady("poor")
	pid := other.Status().PID
	load := startLoad(t, other)
	for range 10 {
		dying := r.await(in, StateRunning).PID
		mustDo(t, in, "later")
		r.awaitRestart(in, dying)
		works(t, in)
	}
	load.end(t)
	if s := other.Status(); s.PID != pid || s.State != StateRunning {
		t.Errorf("the other one: %+v", s)
	}
}

func TestNothingGrowsOverCallsAndRestarts(t *testing.T) {
	r := newRig(t, testTuning(), "good")
	in := r.startReady("good")
	round := func() {
		for range 50 {
			works(t, in)
			_, _ = do(t, in, "fail")
		}
		pid := in.Status().PID
		must(t, syscall.Kill(pid, syscall.SIGKILL))
		r.awaitRestart(in, pid)
	}
	round()
	before := usage(t)
	for range 20 {
		round()
	}
	r.assertUsage(before)
}

// use is what a process holds.
type use struct{ descriptors, goroutines int }

func usage(t *testing.T) use {
	t.Helper()
	return use{len(entries(t, "/proc/self/fd")), runtime.NumGoroutine()}
}

// assertUsage waits until hardly more is held than before.
func (r *rig) assertUsage(before use) {
	r.t.Helper()
	var now use
	eventually(r.t, func() bool {
		now = usage(r.t)
		return now.descriptors <= before.descriptors+2 && now.goroutines <= before.goroutines+4
	}, func() string {
		return strings.Join([]string{
			"descriptors", strconv.Itoa(before.descriptors), "to", strconv.Itoa(now.descriptors),
			"goroutines", strconv.Itoa(before.goroutines), "to", strconv.Itoa(now.goroutines),
		}, " ")
	})
}
