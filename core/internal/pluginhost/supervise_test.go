package pluginhost

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

func TestPanicFailsTheCallAndTheNextOnesWork(t *testing.T) {
	r := newRig(t, testTuning(), "good")
	in := r.startReady("good")
	first := in.Status()
	_, err := do(t, in, "panic")
	if !errs.Is(err, errs.PluginCrashed) || !strings.Contains(errs.MessageOf(err), "exit status 2") {
		t.Errorf("the call fails with %v", err)
	}
	if s := r.awaitRestart(in, first.PID); s.Restarts != 1 || s.Version != "1.2.3" {
		t.Errorf("after the restart: %+v", s)
	}
	works(t, in)
	r.awaitLog("[ERROR]", "panic: boom")
	r.awaitLog("[ERROR]", "goroutine ")
	if got := lines(t, r.dir, "state", "id-good", "configured"); len(got) != 2 || got[0] != got[1] {
		t.Errorf("configured with %q", got)
	}
}

func TestPluginThatDiesAfterBeingReadyIsStartedForEver(t *testing.T) {
	r := newRig(t, testTuning(), "good")
	in := r.start("good", `{"mode":"short"}`)
	eventually(t, func() bool { return in.Status().Restarts > 2*defaultTuning().restart.maxStarts },
		func() string { return r.logs.String() })
}

func TestPluginThatCannotStartIsGivenUp(t *testing.T) {
	for _, tt := range []struct{ name, plugin, settings string }{
		{"at its start", "exits", `{}`},
		{"while it is configured", "good", `{"mode":"exit"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, testTuning(), tt.plugin)
			in := r.start(tt.plugin, tt.settings)
			s := r.await(in, StateFailed)
			if !errs.Is(s.Err, errs.PluginCrashed) || s.Restarts != 4 || s.PID != 0 {
				t.Errorf("gave up with %+v", s)
			}
			if _, err := do(t, in, ""); !errs.Is(err, errs.PluginCrashed) {
				t.Errorf("a call fails with %v", err)
			}
		})
	}
}

func TestStartThatTheKernelKillsIsTriedForEver(t *testing.T) {
	r := newRig(t, testTuning(), "killed")
	in := r.start("killed", `{}`)
	eventually(t, func() bool { return in.Status().Restarts > 2*defaultTuning().restart.maxStarts },
		func() string { return r.logs.String() })
}

func TestWrongSettingsAreNotTriedAgain(t *testing.T) {
	r := newRig(t, testTuning(), "good")
	in := r.start("good", `{"mode":"invalid"}`)
	s := r.await(in, StateFailed)
	e, ok := errors.AsType[*errs.Error](s.Err)
	if !ok || e.Code != errs.InvalidSettings || len(e.Fields) != 1 || e.Fields[0].Name != "address" {
		t.Errorf("failed with %#v", s.Err)
	}
	if _, err := do(t, in, ""); !errs.Is(err, errs.InvalidSettings) {
		t.Errorf("a call fails with %v", err)
	}
	must(t, r.Rescan(t.Context())) // the same binary: no reason to try
	must(t, in.Close(t.Context()))
	if got := lines(t, r.dir, "state", "id-good", "configured"); len(got) != 1 {
		t.Errorf("configured %d times", len(got))
	}
}

func TestConfigureErrorThatMayPassIsTriedAgain(t *testing.T) {
	r := newRig(t, testTuning(), "good")
	in := r.start("good", `{"mode":"busy"}`)
	eventually(t, func() bool { return in.Status().Restarts > 6 }, says("more tries"))
	if s := r.await(in, StateBackingOff); !errs.Is(s.Err, errs.DownloaderError) {
		t.Errorf("backs off with %v", s.Err)
	}
}

func TestCallsFailAtOnceWithoutAProcess(t *testing.T) {
	r := newRig(t, testTuning())
	in := r.start("absent", `{}`)
	r.await(in, StateFailed)
	_, isTester := in.Driver().(downloader.Tester)
	_, isLister := in.Driver().(downloader.Lister)
	if !isTester || !isLister {
		t.Fatal("the driver does not offer everything")
	}
	calls := map[string]error{}
	_, calls["add"] = do(t, in, "")
	_, calls["check"] = in.Driver().Check(t.Context(), nil)
	calls["remove"] = in.Driver().Remove(t.Context(), downloader.Ref{}, false)
	_, calls["test"] = in.Driver().(downloader.Tester).Test(t.Context())
	_, calls["list"] = in.Driver().(downloader.Lister).List(t.Context())
	calls["watch"] = in.Driver().(downloader.Watcher).Watch(t.Context(), nil)
	for op, err := range calls {
		if !errs.Is(err, errs.PluginMissing) {
			t.Errorf("%s fails with %v", op, err)
		}
	}
	must(t, in.Close(t.Context()))
	if _, err := do(t, in, ""); !errs.Is(err, errs.Unavailable) {
		t.Errorf("after Close a call fails with %v", err)
	}
}

func TestInstalledPluginRevivesAnInstanceThatHadGivenUp(t *testing.T) {
	r := newRig(t, testTuning())
	in := r.start("good", `{}`)
	r.await(in, StateFailed)
	r.install("good")
	must(t, r.Rescan(t.Context()))
	r.await(in, StateRunning)
	works(t, in)
}

func TestReplacedPluginTakesOverAfterARescan(t *testing.T) {
	r := newRig(t, testTuning(), "good")
	in := r.startReady("good")
	pid := in.Status().PID
	r.replace("good", builtPlugin)
	must(t, r.Rescan(t.Context()))
	r.awaitRestart(in, pid)
	works(t, in)
	if got := lines(t, r.dir, "state", "id-good", "closed"); len(got) != 1 {
		t.Error("the old one was not drained")
	}
}

func TestWhatADriverKeptGoesWithItsDownloader(t *testing.T) {
	r := newRig(t, testTuning(), "good")
	in := r.startReady("good")
	kept := filepath.Join(r.dir, "state", "id-good")
	if err := r.Discard("id-good"); !errs.Is(err, errs.InUse) {
		t.Errorf("while it runs: %v", err)
	}
	must(t, in.Close(t.Context()))
	must(t, r.Discard("id-good"))
	if _, err := os.Stat(kept); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s is still there: %v", kept, err)
	}
	for _, id := range []string{"", ".", "..", "../x", "a/b", "/"} {
		if err := r.Discard(id); !errs.Is(err, errs.InvalidRequest) {
			t.Errorf("%q: %v", id, err)
		}
	}
}

func TestCallWithoutDeadlineGetsOne(t *testing.T) {
	tune := testTuning()
	tune.addTimeout = 50 * time.Millisecond
	r := newRig(t, tune, "good")
	in := r.startReady("good")
	if _, err := do(t, in, "wait"); !errs.Is(err, errs.DeadlineExceeded) {
		t.Errorf("the call fails with %v", err)
	}
	works(t, in)
}

func TestCallsAtOnceAreLimited(t *testing.T) {
	tune := testTuning()
	tune.concurrency = 2
	r := newRig(t, tune, "good")
	in := r.startReady("good")
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 2)
	for range 2 {
		go func() {
			_, err := in.Driver().Add(ctx, downloader.AddRequest{JobID: "j", Source: downloader.Source{URI: "wait"}})
			ended <- err
		}()
	}
	eventually(t, func() bool { return len(in.slots) == 2 }, says("two calls under way"))
	short, cancelShort := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancelShort()
	if _, err := in.Driver().Check(short, nil); !errs.Is(err, errs.DeadlineExceeded) {
		t.Errorf("the third call fails with %v", err)
	}
	cancel()
	for range 2 {
		if err := <-ended; !errs.Is(err, errs.Canceled) {
			t.Errorf("a canceled call fails with %v", err)
		}
	}
	works(t, in)
}

func TestErrorsOfTheDriverKeepTheirCode(t *testing.T) {
	r := newRig(t, testTuning(), "good")
	in := r.startReady("good")
	_, err := do(t, in, "fail")
	if !errs.Is(err, errs.DownloaderUnreachable) || errs.MessageOf(err) != "nobody there" {
		t.Errorf("the call fails with %v", err)
	}
	if _, err := in.Driver().(downloader.Lister).List(t.Context()); !errs.Is(err, errs.NotOffered) {
		t.Errorf("List fails with %v", err)
	}
}

func TestWatchEndsWithItsProcess(t *testing.T) {
	r := newRig(t, testTuning(), "good")
	in := r.startReady("good")
	events, ended := make(chan downloader.Status), make(chan error, 1)
	go func() {
		ended <- in.Driver().(downloader.Watcher).Watch(t.Context(), func(s []downloader.Status) { events <- s[0] })
	}()
	mustDo(t, in, "event")
	if s := <-events; s.JobID != "job" || s.Phase != downloader.PhaseComplete {
		t.Errorf("event %+v", s)
	}
	_, _ = do(t, in, "exit")
	if err := <-ended; !errs.Is(err, errs.PluginCrashed) {
		t.Errorf("Watch ends with %v", err)
	}
}

func TestSecondOpenOfAnIDIsRefused(t *testing.T) {
	r := newRig(t, testTuning(), "good")
	in := r.startReady("good")
	second := r.start("good", `{}`)
	if s := second.Status(); s.State != StateFailed || !errs.Is(s.Err, errs.InUse) {
		t.Errorf("second: %+v", s)
	}
	must(t, second.Close(t.Context()))
	works(t, in)
	must(t, in.Close(t.Context()))
	works(t, r.startReady("good"))
}

func TestChangesAreTold(t *testing.T) {
	r := newRig(t, testTuning(), "good")
	in := r.startReady("good")
	eventually(t, func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.changes > 0
	}, says("OnChange"))
	if s := in.Status(); s.Since.IsZero() || s.PID == 0 || s.Version != "1.2.3" || s.Err != nil {
		t.Errorf("status %+v", s)
	}
}

// testUnsaved asks a driver that is lent for a test.
func (r *rig) testUnsaved(ctx context.Context, spec Spec) (result downloader.TestResult, err error) {
	err = r.TryOut(ctx, spec, func(ctx context.Context, d downloader.Driver) (err error) {
		tester, ok := d.(downloader.Tester)
		if !ok {
			return errNotOffered()
		}
		result, err = tester.Test(ctx)
		return err
	})
	return result, err
}

func TestTryOut(t *testing.T) {
	r := newRig(t, testTuning(), "good", "poor", "exits")
	tests := []struct {
		name, plugin, settings string
		want                   errs.Code
	}{
		{"good settings give the plugin's result", "good", `{}`, ""},
		{"wrong settings give Configure's error", "good", `{"mode":"invalid"}`, errs.InvalidSettings},
		{"a plugin that dies has crashed", "good", `{"mode":"exit"}`, errs.PluginCrashed},
		{"a plugin without Test does not offer it", "poor", `{}`, errs.NotOffered},
		{"a plugin that is not there is missing", "absent", `{}`, errs.PluginMissing},
		{"a plugin that does not start has crashed", "exits", `{}`, errs.PluginCrashed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			result, err := r.testUnsaved(t.Context(), Spec{ID: "x", Plugin: tt.plugin, Settings: []byte(tt.settings)})
			if errs.CodeOf(err) != tt.want {
				t.Fatalf("got %v", err)
			}
			if err == nil && (result.Version != "9" || !result.OK()) {
				t.Errorf("result %+v", result)
			}
			if left := entries(t, filepath.Join(r.dir, "state")); len(left) > 0 {
				t.Errorf("it leaves state %v", left)
			}
			if left := entries(t, filepath.Join(r.dir, "run")); len(left) != 1 {
				t.Errorf("it leaves %v", left)
			}
		})
	}
}

func TestCloseDoesNotWaitForATryOut(t *testing.T) {
	r := newRig(t, testTuning(), "good")
	ended := make(chan error, 1)
	go func() {
		_, err := r.testUnsaved(t.Context(), Spec{ID: "x", Plugin: "good", Settings: []byte(`{"mode":"slow"}`)})
		ended <- err
	}()
	eventually(t, func() bool {
		found, err := filepath.Glob(filepath.Join(r.dir, "run", "p-*", "state", "configured"))
		return err == nil && len(found) == 1
	}, says("the plugin is being configured"))
	began := time.Now()
	must(t, r.Close(t.Context()))
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("Close took %s", took)
	}
	if err := <-ended; !errs.Is(err, errs.Canceled) {
		t.Errorf("TryOut ends with %v", err)
	}
	if _, err := r.testUnsaved(t.Context(), Spec{Plugin: "good"}); !errs.Is(err, errs.Unavailable) {
		t.Errorf("after Close TryOut answers %v", err)
	}
}

func lines(t *testing.T, path ...string) []string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(path...))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	must(t, err)
	return strings.Split(strings.TrimSpace(string(b)), "\n")
}
