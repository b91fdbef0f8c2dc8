package pluginhost

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

// load calls an instance from many goroutines until it is ended, and counts
// what failed.
type load struct {
	stop  context.CancelFunc
	wg    sync.WaitGroup
	calls atomic.Int64
	mu    sync.Mutex // guards errs
	errs  []error
}

func startLoad(t *testing.T, in *Instance) *load {
	ctx, cancel := context.WithCancel(t.Context())
	l := &load{stop: cancel}
	for i := range 8 {
		l.wg.Go(func() {
			for ctx.Err() == nil {
				uri := ""
				if i == 0 {
					uri = "linger"
				}
				_, err := in.Driver().Add(t.Context(), downloader.AddRequest{JobID: "j", Dir: "/d", Source: downloader.Source{Kind: downloader.SourceHTTP, URI: uri}})
				_, err2 := in.Driver().Check(t.Context(), []downloader.Ref{{JobID: "a"}})
				l.calls.Add(1)
				if err := errors.Join(err, err2); err != nil {
					l.mu.Lock()
					l.errs = append(l.errs, err)
					l.mu.Unlock()
				}
			}
		})
	}
	return l
}

// end waits for a few more calls, ends the load and returns the first failure.
func (l *load) end(t *testing.T) {
	t.Helper()
	seen := l.calls.Load()
	eventually(t, func() bool { return l.calls.Load() > seen+20 }, says("more calls"))
	l.stop()
	l.wg.Wait()
	if len(l.errs) > 0 {
		t.Errorf("%d of %d calls failed, the first with %v", len(l.errs), l.calls.Load(), l.errs[0])
	}
}

func TestAnUpgradeIsNoticedByNobody(t *testing.T) {
	for _, plugin := range []string{"good", "managed"} {
		t.Run(plugin, func(t *testing.T) {
			r := newRig(t, testTuning(), plugin)
			in := r.startReady(plugin)
			first := in.Status()
			events := make(chan downloader.Status, 100)
			watchCtx, endWatch := context.WithCancel(t.Context())
			watched := make(chan error, 1)
			go func() {
				watched <- in.Driver().(downloader.Watcher).Watch(watchCtx, func(s []downloader.Status) { events <- s[0] })
			}()
			load := startLoad(t, in)
			for _, version := range []string{"1.3.0", "1.4.0", "1.5.0"} {
				r.upgrade(plugin, version)
				must(t, r.Rescan(t.Context()))
				eventually(t, func() bool { return in.Status().Version == version && in.Status().State == StateRunning },
					func() string { return version + "\n" + r.logs.String() })
			}
			load.end(t)
			if s := in.Status(); s.PID == first.PID || s.Restarts != 0 || s.Err != nil || s.UpgradeErr != nil {
				t.Errorf("afterwards: %+v", s)
			}
			go func() { _, _ = do(t, in, "event") }()
			if s := <-events; s.JobID != "job" {
				t.Errorf("the watch brings %+v", s)
			}
			endWatch()
			if err := <-watched; !errs.Is(err, errs.Canceled) {
				t.Errorf("the watch ends with %v", err)
			}
			eventually(t, func() bool { return isGone(first.PID) }, says("end of the first process"))
			eventually(t, func() bool { return len(lines(t, r.dir, "state", "id-"+plugin, "closed")) == 3 }, says("all three drivers closed"))
			eventually(t, func() bool { return len(entries(t, filepath.Join(r.dir, "run"))) == 2 }, says("one process's directory"))
		})
	}
}

func TestTwoProcessesOfAManagedPluginNeverRunTogether(t *testing.T) {
	r := newRig(t, testTuning(), "managed")
	in := r.startReady("managed")
	pid, err := strconv.Atoi(mustDo(t, in, "pid"))
	must(t, err)
	r.upgrade("managed", "1.3.0")
	must(t, r.Rescan(t.Context()))
	eventually(t, func() bool {
		if in.Status().Version != "1.3.0" {
			return false
		}
		if !isGone(pid) {
			t.Fatal("the new one runs beside the old one")
		}
		return true
	}, says("the upgrade"))
}

func TestCallsUnderWayOutliveTheUpgrade(t *testing.T) {
	r := newRig(t, testTuning(), "good")
	in := r.startReady("good")
	pid := in.Status().PID
	ended := make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		_, err := in.Driver().Add(ctx, downloader.AddRequest{JobID: "j", Source: downloader.Source{URI: "wait"}})
		ended <- err
	}()
	eventually(t, func() bool { return len(in.slots) == 1 }, says("a call under way"))
	r.upgrade("good", "1.3.0")
	must(t, r.Rescan(t.Context()))
	r.awaitRestart(in, pid)
	works(t, in)
	if isGone(pid) {
		t.Fatal("the old process did not wait for its call")
	}
	cancel()
	if err := <-ended; !errs.Is(err, errs.Canceled) {
		t.Errorf("the call ends with %v", err)
	}
	eventually(t, func() bool { return isGone(pid) }, says("end of the old process"))
}

func TestCallThatDoesNotEndIsCutAtLast(t *testing.T) {
	tune := testTuning()
	tune.retireGrace, tune.drainGrace = 50*time.Millisecond, 50*time.Millisecond
	r := newRig(t, tune, "good")
	in := r.startReady("good")
	pid := in.Status().PID
	ended := make(chan error, 1)
	go func() {
		_, err := do(t, in, "wait")
		ended <- err
	}()
	eventually(t, func() bool { return len(in.slots) == 1 }, says("a call under way"))
	r.upgrade("good", "1.3.0")
	must(t, r.Rescan(t.Context()))
	if err := <-ended; !errs.Is(err, errs.PluginStarting) {
		t.Errorf("the call ends with %v", err)
	}
	eventually(t, func() bool { return isGone(pid) }, says("end of the old process"))
	works(t, in)
}

func TestAnUpgradeThatFailsLeavesTheOldOne(t *testing.T) {
	for _, tt := range []struct {
		plugin string
		stays  bool
	}{{"good", true}, {"managed", false}} {
		t.Run(tt.plugin, func(t *testing.T) {
			r := newRig(t, testTuning(), tt.plugin)
			newer := filepath.Join(r.plugins, tt.plugin, "2.0.0", filePrefix+tt.plugin)
			in := r.start(tt.plugin, `{"refuses":"2.0.0"}`)
			first := r.await(in, StateRunning)
			load := startLoad(t, in)

			r.upgrade(tt.plugin, "2.0.0")
			must(t, os.MkdirAll(filepath.Dir(newer), 0o755))
			must(t, os.Rename(r.path(tt.plugin), newer))
			r.install(tt.plugin)
			must(t, r.Rescan(t.Context()))
			eventually(t, func() bool { return in.Status().UpgradeErr != nil }, func() string { return r.logs.String() })
			s := r.await(in, StateRunning)
			if !errs.Is(s.UpgradeErr, errs.DownloaderError) || s.Version != "1.2.3" || (s.PID == first.PID) != tt.stays {
				t.Errorf("with the bad one: %+v", s)
			}
			load.end(t)

			must(t, os.Remove(newer))
			must(t, r.Rescan(t.Context()))
			eventually(t, func() bool { return in.Status().UpgradeErr == nil }, says("the failure to be forgotten"))
			works(t, in)
		})
	}
}

func TestAFailedUpgradeIsTriedAgain(t *testing.T) {
	r := newRig(t, testTuning(), "good")
	in := r.start("good", `{"refuses":"2.0.0"}`)
	r.await(in, StateRunning)
	r.upgrade("good", "2.0.0")
	must(t, r.Rescan(t.Context()))
	eventually(t, func() bool { return len(lines(t, r.dir, "state", "id-good", "configured")) > 4 }, says("more tries"))
	r.upgrade("good", "2.0.1")
	must(t, r.Rescan(t.Context()))
	eventually(t, func() bool { return in.Status().Version == "2.0.1" }, func() string { return r.logs.String() })
	if s := in.Status(); s.UpgradeErr != nil || s.State != StateRunning {
		t.Errorf("afterwards: %+v", s)
	}
}

func TestABrokenFileInPlaceOfARunningPluginChangesNothing(t *testing.T) {
	r := newRig(t, testTuning(), "good")
	in := r.startReady("good")
	pid := in.Status().PID
	must(t, os.Remove(r.path("good")))
	must(t, os.WriteFile(r.path("good"), []byte("half a pro"), 0o755))
	must(t, r.Rescan(t.Context()))
	works(t, in)
	if s := in.Status(); s.PID != pid || s.State != StateRunning {
		t.Errorf("now %+v", s)
	}
	if p := r.Plugins()[0]; !errs.Is(p.Err, errs.PluginIncompatible) {
		t.Errorf("the catalogue has %+v", p)
	}
}

func TestNothingGrowsOverUpgrades(t *testing.T) {
	r := newRig(t, testTuning(), "good")
	in := r.startReady("good")
	upgrade := func(i int) {
		pid := in.Status().PID
		r.upgrade("good", "2.0."+strconv.Itoa(i))
		must(t, r.Rescan(t.Context()))
		r.awaitRestart(in, pid)
		eventually(t, func() bool { return isGone(pid) }, says("end of the old process"))
	}
	upgrade(0)
	before := usage(t)
	for i := range 5 {
		upgrade(i + 1)
	}
	r.assertUsage(before)
}

func TestAScriptIsAPlugin(t *testing.T) {
	r := newRig(t, testTuning())
	// The script and what it runs have different files, but the name that the plugin looks for.
	bin := filepath.Join(r.dir, "bin")
	must(t, os.Mkdir(bin, 0o755))
	must(t, os.Link(builtPlugin, filepath.Join(bin, filePrefix+"good")))
	script := "#!/bin/sh\nexec " + filepath.Join(bin, filePrefix+"good") + "\n"
	must(t, os.WriteFile(r.path("good"), []byte(script), 0o755))
	must(t, r.Rescan(t.Context()))
	in := r.startReady("good")
	works(t, in)
	pid := in.Status().PID

	must(t, os.WriteFile(r.path("good"), []byte(script+"# changed\n"), 0o755))
	must(t, syscall.Kill(pid, syscall.SIGKILL))
	if s := r.await(in, StateFailed); !errs.Is(s.Err, errs.PluginUntrusted) {
		t.Errorf("a script that was changed: %v", s.Err)
	}
	must(t, r.Rescan(t.Context()))
	r.awaitRestart(in, pid)
	works(t, in)
}
