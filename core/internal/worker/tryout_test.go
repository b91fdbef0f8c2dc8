package worker

import (
	"context"
	"testing"
	"time"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/worker/folderprobe"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
	"github.com/haul-dl/haul/sdk/plugintest/scripted"
)

func TestATestProvesTheSharedFolder(t *testing.T) {
	w := newWorld(t, scripted.Options{Load: true, Sources: []downloader.SourceKind{downloader.SourceHTTP}})
	r := w.start()
	r.send(w.full())
	r.waitHealth(core.HealthOK)
	elsewhere := wantedDownloader()
	elsewhere.PathMap = []core.PathMapping{{Daemon: t.TempDir(), Node: w.dir}}
	uncovered := wantedDownloader()
	uncovered.PathMap = []core.PathMapping{{Daemon: "/downloads", Node: "/elsewhere"}}
	for name, tt := range map[string]struct {
		d    core.DesiredDownloader
		last string
		code errs.Code
	}{
		"all well":                            {wantedDownloader(), folderprobe.CheckMovable, ""},
		"the path map leads elsewhere":        {elsewhere, folderprobe.CheckShared, errs.PathNotShared},
		"the path map does not have the jobs": {uncovered, folderprobe.CheckShared, errs.PathNotShared},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := r.session.TestDownloader(t.Context(), tt.d)
			if err != nil {
				t.Fatal(err)
			}
			last := got.Checks[len(got.Checks)-1]
			if last.Name != tt.last || errs.CodeOf(last.Err) != tt.code {
				t.Errorf("got %+v", got)
			}
			w.assertNoDirs()
		})
	}
	if len(r.jobs) > 0 {
		t.Errorf("core hears of the tests' jobs: %+v", r.jobs)
	}
}

func TestANodeThatStopsEndsItsTestsCleanly(t *testing.T) {
	w := newWorld(t, scripted.Options{Sources: []downloader.SourceKind{downloader.SourceHTTP}}) // its jobs stand still
	r := w.start()
	r.send(w.full())
	r.waitHealth(core.HealthOK)
	ended := make(chan error, 1)
	go func() {
		_, err := r.session.TestDownloader(context.Background(), wantedDownloader())
		ended <- err
	}()
	for deadline := time.Now().Add(10 * time.Second); len(w.plugin.Jobs()) == 0; <-time.After(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the test's job is not added")
		}
	}
	began := time.Now()
	r.stop()
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %s", took)
	}
	<-ended
	if left := w.plugin.Jobs(); len(left) > 0 {
		t.Errorf("jobs stay at the daemon: %v", left)
	}
	w.assertNoDirs()
}
