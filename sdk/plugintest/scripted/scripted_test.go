package scripted_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
	"github.com/haul-dl/haul/sdk/plugintest/scripted"
)

func start(t *testing.T, opts scripted.Options) (*scripted.Plugin, downloader.Driver, context.Context) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	t.Cleanup(cancel)
	p := scripted.New(opts)
	d, err := p.Configure(ctx, downloader.Config{DownloaderID: "d"})
	must(t, err)
	return p, d, ctx
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func check(t *testing.T, d downloader.Driver, ref downloader.Ref) downloader.Status {
	t.Helper()
	statuses, err := d.Check(t.Context(), []downloader.Ref{ref})
	must(t, err)
	if len(statuses) != 1 {
		t.Fatalf("got %d statuses", len(statuses))
	}
	return statuses[0]
}

func TestAJobMovesAsTheTestWants(t *testing.T) {
	p, d, ctx := start(t, scripted.Options{})
	dir := t.TempDir()
	ref, err := d.Add(ctx, downloader.AddRequest{JobID: "j", Dir: dir})
	must(t, err)
	again, err := d.Add(ctx, downloader.AddRequest{JobID: "j", Dir: dir})
	must(t, err)
	if j, _ := p.Job("j"); j.Adds != 2 || string(again.Opaque) != string(ref.Opaque) {
		t.Errorf("added %d times, refs %v and %v", j.Adds, ref, again)
	}
	if got := check(t, d, ref).Phase; got != downloader.PhaseDownloading {
		t.Errorf("a new job is %s", got)
	}
	must(t, p.Finish("j", map[string][]byte{"a/b.txt": []byte("12345")}))
	if got := check(t, d, ref); got.Phase != downloader.PhaseComplete || got.DoneBytes != 5 || got.Files[0].Path != "a/b.txt" {
		t.Errorf("a finished job is %+v", got)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "a", "b.txt")); err != nil || string(b) != "12345" {
		t.Errorf("its file is %q, %v", b, err)
	}
	p.Forget("j")
	if got := check(t, d, ref).Phase; got != downloader.PhaseGone {
		t.Errorf("a lost job is %s", got)
	}
}

func TestAutomaticJobsAreCompleteAtOnce(t *testing.T) {
	_, d, ctx := start(t, scripted.Options{Auto: func(downloader.AddRequest) map[string][]byte {
		return map[string][]byte{"f": make([]byte, 100)}
	}})
	ref, err := d.Add(ctx, downloader.AddRequest{JobID: "j", Dir: t.TempDir()})
	must(t, err)
	if got := check(t, d, ref); got.Phase != downloader.PhaseComplete || got.TotalBytes != 100 {
		t.Errorf("got %+v", got)
	}
}

func TestCallsFailAndHangAsTheTestWants(t *testing.T) {
	p, d, ctx := start(t, scripted.Options{})
	p.Fail(scripted.OpAdd, errs.New(errs.DownloaderUnreachable, "away"))
	if _, err := d.Add(ctx, downloader.AddRequest{JobID: "j"}); !errs.Is(err, errs.DownloaderUnreachable) {
		t.Errorf("failing call: %v", err)
	}
	p.Fail(scripted.OpAdd, nil)
	release := p.Block(scripted.OpAdd)
	hung, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := d.Add(hung, downloader.AddRequest{JobID: "j"}); !errors.Is(err, context.Canceled) {
		t.Errorf("hanging call: %v", err)
	}
	release()
	_, err := d.Add(ctx, downloader.AddRequest{JobID: "j"})
	must(t, err)
	if got := p.Calls(scripted.OpAdd); got != 3 {
		t.Errorf("counted %d calls", got)
	}
}

func TestWatchTellsEachChange(t *testing.T) {
	p, d, ctx := start(t, scripted.Options{})
	_, err := d.Add(ctx, downloader.AddRequest{JobID: "j"})
	must(t, err)
	ctx, cancel := context.WithCancel(ctx)
	got, ended := make(chan downloader.Status, 10), make(chan error, 1)
	go func() {
		ended <- d.(downloader.Watcher).Watch(ctx, func(statuses []downloader.Status) {
			for _, s := range statuses {
				got <- s
			}
		})
	}()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for p.Watchers() == 0 {
		<-tick.C
	}
	p.Set("j", func(s *downloader.Status) { s.Phase = downloader.PhasePaused })
	if s := <-got; s.JobID != "j" || s.Phase != downloader.PhasePaused {
		t.Errorf("got %+v", s)
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("Watch ended with %v", err)
	}
}

func TestJobsOutliveTheirDriver(t *testing.T) {
	p, d, ctx := start(t, scripted.Options{})
	ref, err := d.Add(ctx, downloader.AddRequest{JobID: "j"})
	must(t, err)
	must(t, d.(downloader.Closer).Close(ctx))
	next, err := p.Configure(ctx, downloader.Config{DownloaderID: "d"})
	must(t, err)
	jobs, err := next.(downloader.Lister).List(ctx)
	must(t, err)
	if len(jobs) != 1 || jobs[0].Ref.JobID != "j" {
		t.Errorf("got %+v", jobs)
	}
	must(t, next.Remove(ctx, ref, true))
	must(t, next.Remove(ctx, ref, false))
	if j, _ := p.Job("j"); !j.Removed || !j.DataDeleted || len(p.Jobs()) != 0 {
		t.Errorf("after Remove: %+v, %v", j, p.Jobs())
	}
}
