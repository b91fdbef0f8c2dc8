package driver

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/haul-dl/haul/internal/lab"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

func TestADaemonThatWasKilledIsToldAgainWhatItForgot(t *testing.T) {
	t.Parallel()
	b := newBench(t, lab.SlowRate(1<<20))
	req := b.request(torrentSource(b.swarm.Torrent("slowmulti")))
	req.Files, req.Limits.DownloadRate = []int{0, 1}, 2_000_000
	r := b.add(req)
	r.await(downloader.PhaseDownloading)
	// A stop makes the daemon write down what it knows.
	if err := b.driver.Pause(t.Context(), r.ref); err != nil {
		t.Fatal(err)
	}
	if err := b.driver.Resume(t.Context(), r.ref); err != nil {
		t.Fatal(err)
	}
	r.await(downloader.PhaseDownloading)
	if err := b.driver.SelectFiles(t.Context(), r.ref, []int{1}); err != nil {
		t.Fatal(err)
	}
	if err := b.driver.SetLimits(t.Context(), r.ref, downloader.Limits{DownloadRate: 3_000_000}); err != nil {
		t.Fatal(err)
	}
	b.daemon.Kill9()
	b.daemon.Restart()
	r.awaitThat("one file to be wanted", func(s downloader.Status) bool {
		return s.Phase == downloader.PhaseDownloading && s.TotalBytes == 8<<20
	})
	r.assertFields(map[string]any{"downloadLimit": 3000.0, "downloadLimited": true, "seedRatioMode": 1.0, "seedRatioLimit": 0.0})
}

func TestATorrentWhosePlaceTheDaemonForgotIsAddedAgain(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	tor := b.swarm.Torrent("webmulti")
	bystander := b.addTorrent("dead")
	bystander.order("torrent-set-location", map[string]any{"location": filepath.Join(b.daemon.Dir, "elsewhere"), "move": false})
	eventually(t, "the bystander to be elsewhere", func() bool { return bystander.check().Phase == downloader.PhaseFailed })
	b.daemon.Restart() // an orderly end writes that down
	req := b.request(torrentSource(tor))
	r := b.add(req)
	b.daemon.Kill9()
	b.daemon.Restart()
	if s := r.check(); s.Phase != downloader.PhaseGone {
		t.Fatalf("it is %+v", s)
	}
	// Whoever begins to add it again does not have to have looked before.
	b.add(req)
	b.daemon.Kill9()
	b.daemon.Restart()
	r = b.add(req)
	r.assertFiles(r.await(downloader.PhaseComplete), tor)
	if s := bystander.check(); !errs.Is(s.Err, errs.MovedAway) {
		t.Errorf("what was moved is %+v", s)
	}
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
