package driver

import (
	"testing"
	"time"

	"github.com/haul-dl/haul/internal/lab"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

func TestSelectedFilesAlone(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	d := b.driver()
	tor := b.swarm.Torrent("multi")
	t.Run("of a torrent no other byte is loaded", func(t *testing.T) {
		req := b.request("webmulti", false)
		req.Files = []int{1}
		ref := add(t, d, req)
		s := awaitPhase(t, d, ref, downloader.PhaseComplete)
		sameFiles(t, s, req.Dir, b.swarm.Torrent("webmulti"), 1)
		if s.TotalBytes != 500_000 {
			t.Errorf("%d bytes are wanted", s.TotalBytes)
		}
	})
	t.Run("of a magnet link nothing is loaded before the selection", func(t *testing.T) {
		req := b.request("multi", true)
		req.Files = []int{0, 4}
		ref := add(t, d, req)
		s := await(t, d, ref, "the metadata", func(s downloader.Status) bool {
			return s.Phase == downloader.PhasePaused && s.TotalBytes > 0 && len(s.Files) > 0
		})
		if len(s.Files) != len(tor.Files) || s.DoneBytes != 0 {
			t.Errorf("got %+v", s)
		}
		wantCode(t, d.SelectFiles(t.Context(), ref, []int{99}), errs.InvalidRequest)
		for range 2 {
			if err := d.SelectFiles(t.Context(), ref, req.Files); err != nil {
				t.Fatal(err)
			}
		}
		if err := d.Resume(t.Context(), ref); err != nil {
			t.Fatal(err)
		}
		s = awaitPhase(t, d, ref, downloader.PhaseComplete)
		sameFiles(t, s, req.Dir, tor, req.Files...)

		// More of them, when it is complete.
		if err := d.SelectFiles(t.Context(), ref, []int{0, 1, 4}); err != nil {
			t.Fatal(err)
		}
		s = await(t, d, ref, "the larger selection", func(s downloader.Status) bool {
			return s.Phase == downloader.PhaseComplete && s.TotalBytes == 1000+300_000+3<<20
		})
		sameFiles(t, s, req.Dir, tor, 0, 1, 4)
	})
	t.Run("of a paused magnet link", func(t *testing.T) {
		b.swarm.Torrent("slowmulti")
		req := b.request("slowmulti", true)
		req.Files, req.Paused = []int{2}, true
		ref := add(t, d, req)
		s := awaitPhase(t, d, ref, downloader.PhasePaused)
		if s.TotalBytes != 0 {
			t.Errorf("a paused link has %d bytes", s.TotalBytes)
		}
		wantCode(t, d.SelectFiles(t.Context(), ref, req.Files), errs.MetadataMissing)
		if err := d.Resume(t.Context(), ref); err != nil {
			t.Fatal(err)
		}
		s = await(t, d, ref, "the metadata", func(s downloader.Status) bool { return s.TotalBytes > 0 && len(s.Files) > 0 })
		t.Logf("after the metadata: %s, %d bytes", s.Phase, s.DoneBytes)
	})
}

// TestMoreFilesOfACompleteJobAreLoadedToTheEnd makes the moment long in which
// qBittorrent takes the torrent for complete still: longer than the 10 s after
// which it looks for torrents that have reached their share limit.
func TestMoreFilesOfACompleteJobAreLoadedToTheEnd(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	d := b.driver()
	b.preferences(`{"refresh_interval": 12000}`)
	req := b.request("multi", false)
	req.Files = []int{0}
	ref := add(t, d, req)
	awaitPhase(t, d, ref, downloader.PhaseComplete)
	if err := d.SetLimits(t.Context(), ref, downloader.Limits{DownloadRate: 200_000}); err != nil {
		t.Fatal(err)
	}
	if err := d.SelectFiles(t.Context(), ref, []int{0, 1}); err != nil {
		t.Fatal(err)
	}
	s := await(t, d, ref, "the larger selection", func(s downloader.Status) bool {
		if s.Phase == downloader.PhasePaused {
			t.Fatalf("it is stopped at %d of %d bytes", s.DoneBytes, s.TotalBytes)
		}
		return s.Phase == downloader.PhaseComplete
	})
	sameFiles(t, s, req.Dir, b.swarm.Torrent("multi"), 0, 1)
}

func TestPauseAndResume(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	d := b.driver()
	req := b.request("slow", false)
	ref := add(t, d, req)
	await(t, d, ref, "bytes", func(s downloader.Status) bool { return s.DoneBytes > 0 && s.DownloadRate > 0 })
	for range 2 {
		if err := d.Pause(t.Context(), ref); err != nil {
			t.Fatal(err)
		}
	}
	s := awaitPhase(t, d, ref, downloader.PhasePaused)
	if s.DownloadRate != 0 {
		t.Errorf("a paused job loads %d bytes per second", s.DownloadRate)
	}
	for range 2 {
		if err := d.Resume(t.Context(), ref); err != nil {
			t.Fatal(err)
		}
	}
	await(t, d, ref, "more bytes", func(now downloader.Status) bool { return now.DoneBytes > s.DoneBytes })

	other := b.request("small", false)
	other.Paused = true
	paused := add(t, d, other)
	awaitPhase(t, d, paused, downloader.PhasePaused)
	if err := d.Resume(t.Context(), paused); err != nil {
		t.Fatal(err)
	}
	awaitPhase(t, d, paused, downloader.PhaseComplete)
	if err := d.Pause(t.Context(), paused); err != nil {
		t.Error("pausing what is complete:", err)
	}

	gone := downloader.Ref{JobID: "x", Version: handleVersion, Opaque: []byte(`{"v1":"0123456789012345678901234567890123456789","dir":"/nowhere"}`)}
	wantCode(t, d.Pause(t.Context(), gone), errs.JobNotFound)
	wantCode(t, d.Resume(t.Context(), gone), errs.JobNotFound)
	wantCode(t, d.SelectFiles(t.Context(), gone, []int{0}), errs.JobNotFound)
	wantCode(t, d.SetLimits(t.Context(), gone, downloader.Limits{}), errs.JobNotFound)
	if got := check(t, d, gone).Phase; got != downloader.PhaseGone {
		t.Errorf("an unknown job is %s", got)
	}
	if err := d.Remove(t.Context(), gone, true); err != nil {
		t.Error("removing an unknown job:", err)
	}
	for _, opaque := range []string{"", "{}", `{"v1":"all","dir":"/"}`, `{"v1":"","dir":"/x"}`} {
		odd := downloader.Ref{JobID: "x", Version: handleVersion, Opaque: []byte(opaque)}
		if got := check(t, d, odd).Phase; got != downloader.PhaseGone {
			t.Errorf("%q is %s", opaque, got)
		}
		if err := d.Remove(t.Context(), odd, true); err != nil {
			t.Errorf("removing %q: %v", opaque, err)
		}
	}
	awaitPhase(t, d, ref, downloader.PhaseDownloading)
}

func TestLimits(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	d := b.driver()
	req := b.request("big", false)
	req.Limits = downloader.Limits{DownloadRate: 200_000, UploadRate: 50_000, Seed: &downloader.SeedLimits{Ratio: 1.5, Time: 90 * time.Second}}
	ref := add(t, d, req)
	if got := raw(t, d, ref); got.DownloadLimit != 200_000 || got.UploadLimit != 50_000 || got.RatioLimit != 1.5 {
		t.Errorf("got %+v", got)
	}
	await(t, d, ref, "bytes", func(s downloader.Status) bool { return s.DoneBytes > 0 })
	if err := d.SetLimits(t.Context(), ref, downloader.Limits{Seed: &downloader.SeedLimits{}}); err != nil {
		t.Fatal(err)
	}
	s := awaitPhase(t, d, ref, downloader.PhaseSeeding)
	sameFiles(t, s, req.Dir, b.swarm.Torrent("big"))
	if got := raw(t, d, ref); got.DownloadLimit > 0 || got.UploadLimit > 0 || got.RatioLimit != -1 {
		t.Errorf("got %+v", got)
	}
	if err := d.SetLimits(t.Context(), ref, downloader.Limits{}); err != nil {
		t.Fatal(err)
	}
	awaitPhase(t, d, ref, downloader.PhaseComplete)
}

func TestByHandAtTheDaemon(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	d := b.driver()
	ref := add(t, d, b.request("slow", false))
	await(t, d, ref, "bytes", func(s downloader.Status) bool { return s.DoneBytes > 0 })
	if err := b.beside().Stop(t.Context(), raw(t, d, ref).ID); err != nil {
		t.Fatal(err)
	}
	awaitPhase(t, d, ref, downloader.PhasePaused)
	if err := d.Resume(t.Context(), ref); err != nil {
		t.Fatal(err)
	}
	awaitPhase(t, d, ref, downloader.PhaseDownloading)
	if err := b.beside().Delete(t.Context(), raw(t, d, ref).ID, true); err != nil {
		t.Fatal(err)
	}
	awaitPhase(t, d, ref, downloader.PhaseGone)
}

func TestTheDaemonsQueueDoesNotHoldJobsBack(t *testing.T) {
	t.Parallel()
	b := newBench(t, lab.SlowRate(20_000))
	d := b.driver()
	b.preferences(`{"queueing_enabled":true,"max_active_downloads":1,"max_active_torrents":1,"max_active_uploads":1,"dont_count_slow_torrents":false}`)
	first := add(t, d, b.request("slow", false))
	await(t, d, first, "bytes", func(s downloader.Status) bool { return s.DoneBytes > 0 })
	small, multi := add(t, d, b.request("small", true)), add(t, d, b.request("multi", false))
	awaitPhase(t, d, small, downloader.PhaseComplete)
	awaitPhase(t, d, multi, downloader.PhaseComplete)
	// What is paused stays paused.
	req := b.request("dead", false)
	ref := add(t, d, req)
	if err := d.Pause(t.Context(), ref); err != nil {
		t.Fatal(err)
	}
	awaitPhase(t, d, ref, downloader.PhasePaused)
	for end := time.Now().Add(orderEvery + 2*time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if got := check(t, d, ref).Phase; got != downloader.PhasePaused {
			t.Fatalf("it is %s", got)
		}
	}
}
