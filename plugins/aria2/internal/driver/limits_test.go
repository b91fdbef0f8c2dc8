package driver

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/haul-dl/haul/sdk/downloader"
)

// optionOf asks aria2 for an option of a job's download.
func (a *aria2) optionOf(jobID, key string) string {
	a.t.Helper()
	var st task
	a.call("aria2.tellStatus", &st, gidOf(jobID))
	gid := st.GID
	if len(st.FollowedBy) > 0 {
		gid = st.FollowedBy[0]
	}
	var o map[string]string
	a.call("aria2.getOption", &o, gid)
	return o[key]
}

func (a *aria2) wantOptions(jobID string, want map[string]string) {
	a.t.Helper()
	for key, value := range want {
		if got := a.optionOf(jobID, key); got != value {
			a.t.Errorf("%s of %s is %q, not %q", key, jobID, got, value)
		}
	}
}

func setLimits(t testing.TB, d *Driver, ref downloader.Ref, l downloader.Limits) {
	t.Helper()
	if err := d.SetLimits(t.Context(), ref, l); err != nil {
		t.Fatalf("set limits: %v", err)
	}
}

func addLimited(t testing.TB, d *Driver, src downloader.Source, l downloader.Limits) downloader.Ref {
	t.Helper()
	ref, err := d.Add(t.Context(), downloader.AddRequest{JobID: "job-1", Dir: t.TempDir(), Source: src, Limits: l})
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

func TestLimitsHoldFromTheBeginningAndAreReplaced(t *testing.T) {
	t.Parallel()
	a, w := startAria2(t), startWeb(t)
	d := newDriver(t, a.settings())
	ref := addLimited(t, d, httpSource(w.URL+"/file/5000000/x"), downloader.Limits{DownloadRate: 100_000, UploadRate: 7})
	a.wantOptions("job-1", map[string]string{"max-download-limit": "100000", "max-upload-limit": "7"})
	setLimits(t, d, ref, downloader.Limits{DownloadRate: 200_000})
	a.wantOptions("job-1", map[string]string{"max-download-limit": "200000", "max-upload-limit": "0"})
	a.restart()
	a.wantOptions("job-1", map[string]string{"max-download-limit": "200000", "max-upload-limit": "0"})
	setLimits(t, d, ref, downloader.Limits{})
	await(t, d, ref, downloader.PhaseComplete) // 5 MB would take 25 s
	setLimits(t, d, ref, downloader.Limits{DownloadRate: 1})
}

func TestLimitsOfAMetalinkAreShared(t *testing.T) {
	t.Parallel()
	a, w := startAria2(t), startWeb(t)
	d := newDriver(t, a.settings())
	ref := addLimited(t, d, downloader.Source{Kind: downloader.SourceMetalink, Content: metalink(w, "a", "b")}, downloader.Limits{DownloadRate: 1000})
	var o map[string]string
	a.call("aria2.getOption", &o, partGID("job-1", 1))
	if o["max-download-limit"] != "500" {
		t.Errorf("a half has a limit of %s", o["max-download-limit"])
	}
	setLimits(t, d, ref, downloader.Limits{})
	await(t, d, ref, downloader.PhaseComplete)
}

func TestLimitsOfAMagnetReachItsDownload(t *testing.T) {
	t.Parallel()
	s := startSwarm(t)
	a := startAria2(t)
	d := newDriver(t, a.settings())
	ref := addLimited(t, d, downloader.Source{Kind: downloader.SourceMagnet, URI: s.magnet()}, downloader.Limits{DownloadRate: 30_000})
	await(t, d, ref, downloader.PhaseMetadata)
	setLimits(t, d, ref, downloader.Limits{DownloadRate: 40_000, UploadRate: 5000})
	s.seed(t)
	awaitBytes(t, d, ref)
	a.wantOptions("job-1", map[string]string{"max-download-limit": "40000", "max-upload-limit": "5000"})
	setLimits(t, d, ref, downloader.Limits{DownloadRate: 50_000})
	a.restart()
	awaitBytes(t, d, ref)
	a.wantOptions("job-1", map[string]string{"max-download-limit": "50000", "max-upload-limit": "0"})
	setLimits(t, d, ref, downloader.Limits{})
	await(t, d, ref, downloader.PhaseComplete)
}

func TestSeedingGoesOnAsLongAsItShould(t *testing.T) {
	t.Parallel()
	s := startSwarm(t)
	s.seed(t)
	src := downloader.Source{Kind: downloader.SourceTorrent, Content: s.torrent}
	cases := []struct {
		name string
		seed downloader.SeedLimits
		want map[string]string
		// end ends the seeding.
		end func(t *testing.T, d *Driver, ref downloader.Ref, clock *atomic.Int64)
	}{
		{
			"without end, until seeding is given up",
			downloader.SeedLimits{},
			map[string]string{"seed-time": "35000000", "seed-ratio": "0.0"},
			func(t *testing.T, d *Driver, ref downloader.Ref, _ *atomic.Int64) {
				setLimits(t, d, ref, downloader.Limits{})
			},
		},
		{
			"up to a ratio or a time",
			downloader.SeedLimits{Ratio: 1.5, Time: time.Second},
			map[string]string{"seed-time": "0.016666666666666666", "seed-ratio": "1.5"},
			func(*testing.T, *Driver, downloader.Ref, *atomic.Int64) {},
		},
		{
			"until nobody takes a byte",
			downloader.SeedLimits{Idle: time.Hour},
			map[string]string{"seed-time": "35000000", "seed-ratio": "0.0"},
			func(t *testing.T, d *Driver, ref downloader.Ref, clock *atomic.Int64) {
				clock.Add(int64(59 * time.Minute))
				if st := check(t, d, ref); st.Phase != downloader.PhaseSeeding {
					t.Errorf("before its time it is %s", st.Phase)
				}
				clock.Add(int64(2 * time.Minute))
			},
		},
		{
			"with a new limit that the driver only knows from aria2",
			downloader.SeedLimits{Time: time.Hour},
			map[string]string{"seed-time": "60", "seed-ratio": "0.0"},
			func(t *testing.T, d *Driver, ref downloader.Ref, clock *atomic.Int64) {
				setLimits(t, d, ref, downloader.Limits{Seed: &downloader.SeedLimits{Idle: time.Hour}})
				d.jobs.forget(ref.JobID) // as after a restart of the plugin
				await(t, d, ref, downloader.PhaseSeeding)
				clock.Add(int64(2 * time.Hour))
			},
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			a := startAria2(t)
			d := newDriver(t, a.settings())
			clock := &atomic.Int64{}
			d.now = func() time.Time { return time.Unix(0, clock.Load()).Add(time.Hour) }
			ref := addLimited(t, d, src, downloader.Limits{Seed: &c.seed})
			a.wantOptions("job-1", c.want)
			if st := await(t, d, ref, downloader.PhaseSeeding); len(st.Files) != 2 {
				t.Errorf("it has no files: %+v", st)
			}
			c.end(t, d, ref, clock)
			// The time counts from the first look that finds aria2 at rest again.
			ticking := d.now
			d.now = func() time.Time { clock.Add(int64(time.Minute)); return ticking() }
			if st := await(t, d, ref, downloader.PhaseComplete); len(st.Files) != 2 {
				t.Errorf("it has no files: %+v", st)
			}
		})
	}
}

func TestPausedSeedingIsComplete(t *testing.T) {
	t.Parallel()
	s := startSwarm(t)
	s.seed(t)
	d := newDriver(t, startAria2(t).settings())
	ref := addLimited(t, d, downloader.Source{Kind: downloader.SourceTorrent, Content: s.torrent}, downloader.Limits{Seed: &downloader.SeedLimits{}})
	await(t, d, ref, downloader.PhaseSeeding)
	pause(t, d, ref)
	await(t, d, ref, downloader.PhaseComplete)
	resume(t, d, ref)
	await(t, d, ref, downloader.PhaseSeeding)
}
