package driver

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/haul-dl/haul/internal/lab"
	"github.com/haul-dl/haul/sdk/downloader"
)

func TestADaemonThatWasKilledIsToldAgainWhatItForgot(t *testing.T) {
	t.Parallel()
	b := newBench(t, lab.SlowRate(1<<20))
	req := b.request(torrentSource(b.swarm.Torrent("slowmulti")))
	req.Files, req.Limits.DownloadRate = []int{0, 1}, 2_000_000
	r := b.add(req)
	r.await(downloader.PhaseDownloading)
	paused := b.request(torrentSource(b.swarm.Torrent("dead")))
	paused.Paused = true
	stopped := b.add(paused)
	stopped.await(downloader.PhasePaused)
	if err := b.driver.Resume(t.Context(), stopped.ref); err != nil {
		t.Fatal(err)
	}
	stopped.await(downloader.PhaseDownloading)
	if err := b.driver.SelectFiles(t.Context(), r.ref, []int{1}); err != nil {
		t.Fatal(err)
	}
	if err := b.driver.SetLimits(t.Context(), r.ref, downloader.Limits{DownloadRate: 3_000_000}); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"downloadLimit": 3000.0, "downloadLimited": true, "seedRatioMode": 1.0, "seedRatioLimit": 0.0}
	told := func(r *running) bool {
		r.check()
		for name, value := range want {
			if r.field(name) != value {
				return false
			}
		}
		return len(b.listed()) == 2
	}

	b.daemon.Kill9()
	b.daemon.Restart()
	eventually(t, "the daemon to be told again", func() bool { return told(r) })
	r.awaitThat("one file to be wanted", func(s downloader.Status) bool { return s.TotalBytes == 8<<20 })
	stopped.await(downloader.PhaseDownloading)

	// A plugin that has begun after the daemon was killed knows the Ref alone.
	b.driver = newDriver(t, settingsOf(b.daemon))
	b.daemon.Kill9()
	b.daemon.Restart()
	want = map[string]any{"downloadLimited": true, "seedRatioMode": 1.0, "seedRatioLimit": 0.0}
	again := &running{bench: b, ref: r.ref, dir: r.dir}
	eventually(t, "the daemon to be told again by the next plugin", func() bool { stopped.check(); return told(again) })
}

func TestJobsGoOnOverRestarts(t *testing.T) {
	t.Parallel()
	b := newBench(t, lab.SlowRate(2<<20))
	tor := b.swarm.Torrent("slowmulti")
	r := b.add(b.request(magnetSource(tor)))
	r.awaitThat("data", func(s downloader.Status) bool { return s.DoneBytes > 0 })
	b.daemon.Stop()
	if got, err := b.driver.Check(t.Context(), []downloader.Ref{r.ref}); err == nil {
		t.Errorf("no daemon, and yet %+v", got)
	}
	b.daemon.Restart()
	r.awaitThat("it to go on", func(s downloader.Status) bool { return s.DownloadRate > 0 })
	b.daemon.Kill9()
	b.daemon.Restart()
	b.driver = newDriver(t, settingsOf(b.daemon))
	r.assertFiles(r.await(downloader.PhaseComplete), tor)
}

func TestADaemonThatLosesItsJobs(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	r := b.addTorrent("dead")
	r.await(downloader.PhaseDownloading)
	b.daemon.Stop()
	config := filepath.Join(filepath.Dir(b.daemon.Dir), "config")
	for _, dir := range []string{"torrents", "resume"} {
		if err := os.RemoveAll(filepath.Join(config, dir)); err != nil {
			t.Fatal(err)
		}
	}
	b.daemon.Restart()
	eventually(t, "the job to be gone", func() bool {
		got, err := b.driver.Check(t.Context(), []downloader.Ref{r.ref})
		return err == nil && got[0].Phase == downloader.PhaseGone
	})
	b.add(r.req).await(downloader.PhaseDownloading)
}
