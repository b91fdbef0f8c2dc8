package worker

import (
	"bytes"
	"context"
	"slices"
	"testing"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/store"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
	"github.com/haul-dl/haul/sdk/plugintest/scripted"
)

func TestSettingsAndOptionsAreSealedInTheJournal(t *testing.T) {
	w, driver := orderlyWorld(t)
	r := w.start()
	job := newJob()
	job.Options = []byte(`{"http-passwd":"hunter2"}`)
	r.send(w.full(job))
	r.waitAdded(job.ID)
	r.stop()
	res, err := w.kv.Range(context.Background(), store.RangeRequest{})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range res.Entries {
		if bytes.Contains(e.Value, []byte("hunter2")) {
			t.Errorf("%s holds the secret", e.Key)
		}
	}
	again := w.start()
	again.waitHealth(core.HealthOK)
	if got := string(w.plugin.Config().Settings); got != `{"secret":"hunter2"}` {
		t.Errorf("after a restart the settings are %s", got)
	}
	w.plugin.Forget(string(job.ID))
	again.waitFor("another Add", func() bool {
		driver.mu.Lock()
		defer driver.mu.Unlock()
		return len(driver.adds) == 2
	})
	if got := string(driver.lastAdd().Options); got != string(job.Options) {
		t.Errorf("after a restart the job's options are %s", got)
	}
}

func TestDownloadersFollowTheirOrders(t *testing.T) {
	w := newWorld(t, scripted.Options{})
	r := w.start()
	job := newJob()
	r.send(w.full(job))
	r.waitAdded(job.ID)
	d := wantedDownloader()

	d.Revision, d.Settings = 2, []byte(`{"secret":"new"}`)
	r.send(&core.Orders{Downloaders: []core.DesiredDownloader{d}})
	r.waitFor("the new settings", func() bool { return string(w.plugin.Config().Settings) == string(d.Settings) })

	d.Revision, d.Enabled = 3, false
	r.send(&core.Orders{Downloaders: []core.DesiredDownloader{d}})
	r.waitHealth(core.HealthDisabled)
	r.waitFor("the job to wait", func() bool {
		o := r.jobs[job.ID]
		return o.Waiting != nil && o.Waiting.Code == errs.DownloaderDisabled
	})

	d.Revision, d.Enabled = 4, true
	r.send(&core.Orders{Downloaders: []core.DesiredDownloader{d}})
	r.waitHealth(core.HealthOK)
	w.finish(job.ID, "a.bin", "A")
	r.waitPhase(job.ID, core.JobDone)

	lost := newJob()
	r.send(&core.Orders{Jobs: []core.DesiredJob{lost}})
	r.waitAdded(lost.ID)
	r.send(&core.Orders{RemovedDownloaders: []core.DownloaderID{d.ID}})
	if o := r.waitPhase(lost.ID, core.JobFailed); o.Failure.Code != errs.DownloaderMissing {
		t.Errorf("%+v", o.Failure)
	}
	if keys := w.keys(keyDownloader); len(keys) != 0 {
		t.Errorf("the journal holds %v", keys)
	}
	r.waitFor("what its driver has kept to be removed", func() bool {
		r.host.mu.Lock()
		defer r.host.mu.Unlock()
		return slices.Equal(r.host.discarded, []string{string(d.ID)})
	})
}

func TestDownloadersAreTestedWhereTheyRun(t *testing.T) {
	w := newWorld(t, scripted.Options{Sources: []downloader.SourceKind{downloader.SourceMetalink}})
	r := w.start()
	r.send(w.full())
	r.waitHealth(core.HealthOK)
	if v := r.health().Version; v != "1.0.0" {
		t.Errorf("version %q", v)
	}
	result, err := r.session.TestDownloader(context.Background(), wantedDownloader())
	if err != nil || result.Version != "1.0.0" || r.host.tried.Load() != 0 {
		t.Errorf("the running one: %+v %v, tried out %d", result, err, r.host.tried.Load())
	}
	changed := wantedDownloader()
	changed.Settings = []byte(`{}`)
	if result, err = r.session.TestDownloader(context.Background(), changed); err != nil || result.Version != "1.0.0" || r.host.tried.Load() != 1 {
		t.Errorf("changed settings: %+v %v", result, err)
	}
	changed.Plugin = "nobody"
	result, err = r.session.TestDownloader(context.Background(), changed)
	if err != nil || result.OK() || !errs.Is(result.Checks[0].Err, errs.PluginMissing) {
		t.Errorf("a missing plugin: %+v %v", result, err)
	}
	if plugins, err := r.session.RescanPlugins(context.Background()); err != nil || len(plugins) != 1 {
		t.Errorf("%v %v", plugins, err)
	}
}

func TestANewSessionEndsTheOldOneAndBeginsWithEverything(t *testing.T) {
	w := newWorld(t, scripted.Options{})
	r := w.start()
	job := newJob()
	r.send(w.full(job))
	r.waitAdded(job.ID)
	s, err := r.Link().Connect(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	report, err := s.Receive(context.Background())
	if err != nil || !report.Full || len(report.Jobs) != 1 || report.Downloaders == nil || report.Plugins == nil {
		t.Errorf("%+v %v", report, err)
	}
	if _, err := r.session.Receive(context.Background()); !errs.Is(err, errs.NodeOffline) {
		t.Errorf("the old session: %v", err)
	}
}
