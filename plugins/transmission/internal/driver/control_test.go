package driver

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/haul-dl/haul/internal/lab"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

func TestAJobIsPausedAndGoesOn(t *testing.T) {
	t.Parallel()
	b := newBench(t, lab.SlowRate(4<<20))
	r := b.add(b.request(magnetSource(b.swarm.Torrent("slowmulti"))))
	r.awaitThat("data", func(s downloader.Status) bool { return s.DoneBytes > 0 })
	for range 2 {
		if err := b.driver.Pause(t.Context(), r.ref); err != nil {
			t.Fatal(err)
		}
		if s := r.check(); s.Phase != downloader.PhasePaused || s.DownloadRate != 0 {
			t.Fatalf("after a pause: %+v", s)
		}
	}
	for range 2 {
		if err := b.driver.Resume(t.Context(), r.ref); err != nil {
			t.Fatal(err)
		}
	}
	s := r.await(downloader.PhaseComplete)
	r.assertFiles(s, b.swarm.Torrent("slowmulti"))
	if err := b.driver.Pause(t.Context(), r.ref); err != nil {
		t.Error(err)
	}
	if err := b.driver.Resume(t.Context(), r.ref); err != nil {
		t.Error(err)
	}
	if s := r.check(); s.Phase != downloader.PhaseComplete {
		t.Errorf("it is %s", s.Phase)
	}
}

func TestAJobIsAddedPaused(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	tor := b.swarm.Torrent("webmulti")
	var all []*running
	for _, s := range []downloader.Source{torrentSource(tor), magnetSource(b.swarm.Torrent("multi"))} {
		req := b.request(s)
		req.Paused = true
		r := b.add(req)
		r.await(downloader.PhasePaused)
		all = append(all, r)
	}
	if n := b.swarm.Counts("multi").Announces; n > 0 {
		t.Errorf("%d announces of a paused one", n)
	}
	for i, tor := range []lab.Torrent{tor, b.swarm.Torrent("multi")} {
		if err := b.driver.Resume(t.Context(), all[i].ref); err != nil {
			t.Fatal(err)
		}
		s := all[i].await(downloader.PhaseComplete)
		makeEmptyFiles(t, all[i].dir, s.Files)
		all[i].assertFiles(s, tor)
	}
}

func TestSomeFilesAreLoaded(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	multi := b.swarm.Torrent("multi")
	wanted := []int{0, 2}
	var all []*running
	for _, s := range []downloader.Source{torrentSource(multi), magnetSource(b.swarm.Torrent("slowmulti"))} {
		req := b.request(s)
		req.Files = wanted
		all = append(all, b.add(req))
	}
	known := all[1].awaitThat("the files", func(s downloader.Status) bool { return len(s.Files) > 0 })
	if !known.Files[1].Skipped || known.Files[0].Skipped {
		t.Errorf("files of the magnet link are %+v", known.Files)
	}
	if err := b.driver.SelectFiles(t.Context(), all[1].ref, wanted); err != nil {
		t.Fatal(err) // as the host does
	}
	s := all[0].await(downloader.PhaseComplete)
	all[0].assertFiles(s, multi, wanted...)
	if want := multi.Files[0].Size + multi.Files[2].Size; s.TotalBytes != want || s.DoneBytes != want {
		t.Errorf("%d of %d bytes, want %d", s.DoneBytes, s.TotalBytes, want)
	}
	all[1].awaitThat("16 MiB", func(s downloader.Status) bool { return s.TotalBytes == 16<<20 })
	if _, err := os.Stat(filepath.Join(all[0].dir, "multi", "disc 2", "cover.jpg")); err == nil {
		t.Error("a file that nobody wants is there")
	}
}

func TestASelectionOfOtherFilesDoesNotStopIt(t *testing.T) {
	t.Parallel()
	b := newBench(t, lab.SlowRate(2<<20))
	tor := b.swarm.Torrent("slowmulti")
	req := b.request(torrentSource(tor))
	req.Files = []int{1}
	r := b.add(req)
	r.await(downloader.PhaseDownloading)
	if err := b.driver.SelectFiles(t.Context(), r.ref, []int{2}); err != nil {
		t.Fatal(err)
	}
	r.assertFiles(r.await(downloader.PhaseComplete), tor, 2)
}

func TestASelectionChangesWhileItLoads(t *testing.T) {
	t.Parallel()
	b := newBench(t, lab.SlowRate(6<<20))
	tor := b.swarm.Torrent("slowmulti")
	r := b.add(b.request(torrentSource(tor)))
	r.awaitThat("data", func(s downloader.Status) bool { return s.DoneBytes > 0 })
	if err := b.driver.SelectFiles(t.Context(), r.ref, []int{1}); err != nil {
		t.Fatal(err)
	}
	s := r.await(downloader.PhaseComplete)
	r.assertFiles(s, tor, 1)
	if err := b.driver.SelectFiles(t.Context(), r.ref, []int{0, 1, 2}); err != nil {
		t.Fatal(err)
	}
	r.awaitThat("more to load", func(s downloader.Status) bool {
		return s.Phase == downloader.PhaseDownloading && s.TotalBytes == tor.Total
	})
	r.assertFiles(r.await(downloader.PhaseComplete), tor)
}

func TestOrdersForWhatIsNotThereAreRefused(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	bystander := b.addTorrent("dead")
	unknown := b.add(b.request(magnetSource(b.swarm.Torrent("unknown"))))
	gone := handle{Hash: "0123456789012345678901234567890123456789", Place: "x"}.ref("gone")
	d, ctx := b.driver, t.Context()
	for name, ref := range map[string]downloader.Ref{
		"gone": gone, "without a hash": {JobID: "none"}, "another layout": {JobID: "old", Version: 9, Opaque: []byte(`{"hash":"","place":""}`)},
	} {
		for order, err := range map[string]error{
			"pause": d.Pause(ctx, ref), "resume": d.Resume(ctx, ref),
			"select": d.SelectFiles(ctx, ref, []int{0}), "limit": d.SetLimits(ctx, ref, downloader.Limits{}),
		} {
			if !errs.Is(err, errs.JobNotFound) {
				t.Errorf("%s, %s: %v", name, order, err)
			}
		}
		for range 2 {
			if err := d.Remove(ctx, ref, true); err != nil {
				t.Errorf("%s, remove: %v", name, err)
			}
		}
		if got, err := d.Check(ctx, []downloader.Ref{ref}); err != nil || got[0].Phase != downloader.PhaseGone {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	if err := d.SelectFiles(ctx, unknown.ref, []int{0}); !errs.Is(err, errs.MetadataMissing) {
		t.Errorf("without metadata: %v", err)
	}
	for _, files := range [][]int{{1}, {-1}, {}} {
		if err := d.SelectFiles(ctx, bystander.ref, files); !errs.Is(err, errs.InvalidRequest) {
			t.Errorf("files %v: %v", files, err)
		}
	}
	if s := bystander.check(); s.Phase == downloader.PhaseGone || s.Phase == downloader.PhasePaused {
		t.Errorf("an order for nothing was one for all: %s", s.Phase)
	}
}

func TestLimitsAreSetAndChanged(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	req := b.request(torrentSource(b.swarm.Torrent("big")))
	req.Limits = downloader.Limits{DownloadRate: 500_001, UploadRate: 1}
	r := b.add(req)
	r.assertFields(map[string]any{
		"downloadLimited": true, "downloadLimit": 501.0, "uploadLimited": true, "uploadLimit": 1.0,
		"seedRatioMode": 1.0, "seedRatioLimit": 0.0, "seedIdleMode": 2.0,
	})
	began := time.Now()
	first := r.awaitThat("data", func(s downloader.Status) bool { return s.DoneBytes > 0 })
	time.Sleep(3 * time.Second) // a rate is measured over time
	rate := float64(r.check().DoneBytes-first.DoneBytes) / 3
	if rate > 800_000 {
		t.Errorf("it loads %.0f bytes per second", rate)
	}
	if err := b.driver.SetLimits(t.Context(), r.ref, downloader.Limits{Seed: &downloader.SeedLimits{Ratio: 1.5, Idle: 90 * time.Second, Time: time.Hour}}); err != nil {
		t.Fatal(err)
	}
	r.assertFields(map[string]any{
		"downloadLimited": false, "uploadLimited": false,
		"seedRatioMode": 1.0, "seedRatioLimit": 1.5, "seedIdleMode": 1.0, "seedIdleLimit": 2.0,
	})
	r.await(downloader.PhaseSeeding)
	if took := time.Since(began); took > 60*time.Second {
		t.Logf("it took %s", took)
	}
}

func (r *running) assertFields(want map[string]any) {
	r.t.Helper()
	for name, value := range want {
		if got := r.field(name); got != value {
			r.t.Errorf("%s is %v, want %v", name, got, value)
		}
	}
}

func TestSeedingEndsByTime(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	req := b.request(torrentSource(b.swarm.Torrent("web")))
	req.Limits.Seed = &downloader.SeedLimits{Time: 3 * time.Second}
	r := b.add(req)
	s := r.await(downloader.PhaseSeeding)
	r.assertFiles(s, b.swarm.Torrent("web"))
	// The limit is known to a driver that has never heard of it.
	r.driver = newDriver(t, settingsOf(b.daemon))
	r.await(downloader.PhaseComplete)
}

func TestOptionsReachTheDaemon(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	req := b.request(torrentSource(b.swarm.Torrent("dead")))
	req.Options = []byte(`{"bandwidthPriority": 1, "peer-limit": 7, "honorsSessionLimits": false}`)
	r := b.add(req)
	r.assertFields(map[string]any{"bandwidthPriority": 1.0, "peer-limit": 7.0, "honorsSessionLimits": false})

	server, err := b.driver.client.Server(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	req = b.request(torrentSource(b.swarm.Torrent("stall")))
	req.Options = []byte(`{"sequential_download": true}`)
	if server.RPC < sequentialRPC {
		if _, err := b.driver.Add(t.Context(), req); !errs.Is(err, errs.InvalidOptions) {
			t.Errorf("in order: %v", err)
		}
		return
	}
	b.add(req).assertFields(map[string]any{"sequential_download": true})
}

func TestOptionsThatNobodyMaySetAreRefused(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for options, want := range map[string]errs.Code{
		`{"download-dir": "/etc"}`:                   errs.OptionNotAllowed,
		`{"downloadDir": "/etc"}`:                    errs.OptionNotAllowed,
		`{"download_dir": "/etc"}`:                   errs.OptionNotAllowed,
		`{"Script-Torrent-Done-Filename": "/x"}`:     errs.OptionNotAllowed,
		`{"cookies": "a=b"}`:                         errs.OptionNotAllowed,
		`{"trackerAdd": ["http://x/announce"]}`:      errs.OptionNotAllowed,
		`{"speed": 1}`:                               errs.InvalidOptions,
		`{"downloadLimit": 1}`:                       errs.InvalidOptions,
		`{"peer-limit": 0}`:                          errs.InvalidOptions,
		`{"peer-limit": "7"}`:                        errs.InvalidOptions,
		`{"bandwidthPriority": 2}`:                   errs.InvalidOptions,
		`[]`:                                         errs.InvalidOptions,
		`{"peer-limit": 1} {"download-dir": "/etc"}`: errs.InvalidOptions,
	} {
		req := b.request(torrentSource(b.swarm.Torrent("small")))
		req.Options = []byte(options)
		if _, err := b.driver.Add(t.Context(), req); !errs.Is(err, want) {
			t.Errorf("%s: %v", options, err)
		}
	}
}
