package driver

import (
	"bytes"
	"testing"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

func pause(t testing.TB, d *Driver, ref downloader.Ref) {
	t.Helper()
	if err := d.Pause(t.Context(), ref); err != nil {
		t.Fatalf("pause: %v", err)
	}
}

func resume(t testing.TB, d *Driver, ref downloader.Ref) {
	t.Helper()
	if err := d.Resume(t.Context(), ref); err != nil {
		t.Fatalf("resume: %v", err)
	}
}

// check is one look at one job.
func check(t testing.TB, d *Driver, ref downloader.Ref) downloader.Status {
	t.Helper()
	got, err := d.Check(t.Context(), []downloader.Ref{ref})
	if err != nil || len(got) != 1 {
		t.Fatalf("check: %v, %v", got, err)
	}
	return got[0]
}

// awaitBytes checks a job until some of its data is there.
func awaitBytes(t testing.TB, d *Driver, ref downloader.Ref) {
	t.Helper()
	eventually(t, "some data is there", func() bool {
		s := check(t, d, ref)
		return s.Phase == downloader.PhaseDownloading && s.DoneBytes > 0
	})
}

func TestPausedJobStaysPausedUntilItIsResumed(t *testing.T) {
	t.Parallel()
	a, w := startAria2(t), startWeb(t)
	d, dir := newDriver(t, a.settings()), t.TempDir()
	ref := add(t, d, "job-1", dir, httpSource(w.URL+"/held/1000/x"))
	await(t, d, ref, downloader.PhaseDownloading)
	pause(t, d, ref)
	if s := check(t, d, ref); s.Phase != downloader.PhasePaused || s.DownloadRate != 0 {
		t.Errorf("right after the order it is %s at %d bytes a second", s.Phase, s.DownloadRate)
	}
	pause(t, d, ref)
	a.restart() // kill -9: what Pause has done is in the session file
	await(t, d, ref, downloader.PhasePaused)
	close(w.release)
	resume(t, d, ref)
	resume(t, d, ref)
	await(t, d, ref, downloader.PhaseComplete)
	sameFile(t, dir, "x", content(1000))
	pause(t, d, ref) // what is complete stays so
	resume(t, d, ref)
	if s := check(t, d, ref); s.Phase != downloader.PhaseComplete {
		t.Errorf("it is %s", s.Phase)
	}
	a.restart()
	resume(t, d, add(t, d, "job-2", t.TempDir(), httpSource(w.URL+"/file/10/x")))
	for name, order := range map[string]func() error{
		"pause":  func() error { return d.Pause(t.Context(), ref) },
		"resume": func() error { return d.Resume(t.Context(), ref) },
		"limits": func() error { return d.SetLimits(t.Context(), ref, downloader.Limits{}) },
		"files":  func() error { return d.SelectFiles(t.Context(), ref, []int{0}) },
	} {
		if err := order(); !errs.Is(err, errs.JobNotFound) {
			t.Errorf("%s of what is gone: %v", name, err)
		}
	}
}

func TestJobPausedByHandIsResumed(t *testing.T) {
	t.Parallel()
	a, w := startAria2(t), startWeb(t)
	d := newDriver(t, a.settings())
	ref := add(t, d, "job-1", t.TempDir(), httpSource(w.URL+"/held/10/x"))
	await(t, d, ref, downloader.PhaseDownloading)
	a.call("aria2.forcePause", nil, gidOf("job-1"))
	await(t, d, ref, downloader.PhasePaused)
	resume(t, d, ref)
	await(t, d, ref, downloader.PhaseDownloading)
}

func TestMetalinkIsPausedAsAWhole(t *testing.T) {
	t.Parallel()
	a, w := startAria2(t), startWeb(t)
	d := newDriver(t, a.settings())
	held := bytes.ReplaceAll(metalink(w, "a", "b"), []byte("/file/"), []byte("/held/"))
	ref := add(t, d, "job-1", t.TempDir(), downloader.Source{Kind: downloader.SourceMetalink, Content: held})
	await(t, d, ref, downloader.PhaseDownloading)
	pause(t, d, ref)
	await(t, d, ref, downloader.PhasePaused)
	close(w.release)
	resume(t, d, ref)
	await(t, d, ref, downloader.PhaseComplete)
}

func TestMagnetIsPausedInEachOfItsStages(t *testing.T) {
	t.Parallel()
	s := startSwarm(t)
	a := startAria2(t)
	d, dir := newDriver(t, a.settings()), t.TempDir()
	ref := add(t, d, "job-1", dir, downloader.Source{Kind: downloader.SourceMagnet, URI: s.magnet()})
	await(t, d, ref, downloader.PhaseMetadata)
	pause(t, d, ref)
	if st := check(t, d, ref); st.Phase != downloader.PhasePaused || st.TotalBytes != 0 {
		t.Errorf("without metadata it is %+v", st)
	}
	resume(t, d, ref)
	await(t, d, ref, downloader.PhaseMetadata)

	seeder := s.seed(t)
	seeder.call("aria2.changeGlobalOption", nil, map[string]string{"max-overall-upload-limit": "40K"})
	awaitBytes(t, d, ref)
	pause(t, d, ref)
	if st := check(t, d, ref); st.Phase != downloader.PhasePaused || st.TotalBytes != 300_001 {
		t.Errorf("with metadata it is %+v", st)
	}
	a.restart()
	if st := await(t, d, ref, downloader.PhasePaused); st.TotalBytes != 300_001 || len(st.Files) != 2 {
		t.Errorf("after a restart it is %+v", st)
	}
	seeder.call("aria2.changeGlobalOption", nil, map[string]string{"max-overall-upload-limit": "0"})
	resume(t, d, ref)
	s.check(t, dir, await(t, d, ref, downloader.PhaseComplete))
}

func TestJobAddedPausedWaitsForItsResume(t *testing.T) {
	t.Parallel()
	s, w := startSwarm(t), startWeb(t)
	s.seed(t)
	for _, src := range []downloader.Source{
		httpSource(w.URL + "/file/1000/x"),
		{Kind: downloader.SourceTorrent, Content: s.torrent},
		{Kind: downloader.SourceMagnet, URI: s.magnet()},
		{Kind: downloader.SourceMetalink, Content: metalink(w, "a", "b")},
	} {
		t.Run(string(src.Kind), func(t *testing.T) {
			t.Parallel()
			a := startAria2(t)
			d := newDriver(t, a.settings())
			ref, err := d.Add(t.Context(), downloader.AddRequest{JobID: "job-1", Dir: t.TempDir(), Source: src, Paused: true})
			if err != nil {
				t.Fatal(err)
			}
			st := await(t, d, ref, downloader.PhasePaused)
			if src.Kind == downloader.SourceTorrent && (st.TotalBytes != 300_001 || len(st.Files) != 2 || st.Name != "data") {
				t.Errorf("it shows %+v", st)
			}
			a.restart()
			await(t, d, ref, downloader.PhasePaused)
			resume(t, d, ref)
			await(t, d, ref, downloader.PhaseComplete)
		})
	}
}
