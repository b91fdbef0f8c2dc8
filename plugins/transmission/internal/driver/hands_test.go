package driver

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/haul-dl/haul/internal/lab"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

func TestWhatPeopleDoAtTheDaemonShows(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	r := b.addTorrent("dead")
	r.await(downloader.PhaseDownloading)

	r.order("torrent-stop", nil)
	r.await(downloader.PhasePaused)
	if err := b.driver.Resume(t.Context(), r.ref); err != nil {
		t.Fatal(err)
	}
	r.await(downloader.PhaseDownloading)

	r.order("torrent-remove", map[string]any{"delete-local-data": true})
	eventually(t, "the job to be gone", func() bool { return r.check().Phase == downloader.PhaseGone })
	if err := b.driver.Pause(t.Context(), r.ref); !errs.Is(err, errs.JobNotFound) {
		t.Errorf("pause: %v", err)
	}
	if err := b.driver.Remove(t.Context(), r.ref, true); err != nil {
		t.Errorf("remove: %v", err)
	}
}

func TestDataThatWasMovedAwayIsNotTouched(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	tor := b.swarm.Torrent("webmulti")
	req := b.request(torrentSource(tor))
	req.Limits.Seed = &downloader.SeedLimits{}
	r := b.add(req)
	r.await(downloader.PhaseSeeding)
	elsewhere := filepath.Join(b.daemon.Dir, "elsewhere")
	r.order("torrent-set-location", map[string]any{"location": elsewhere, "move": true})
	var s downloader.Status
	eventually(t, "the move to show", func() bool { s = r.check(); return s.Phase == downloader.PhaseFailed })
	if !errs.Is(s.Err, errs.MovedAway) {
		t.Errorf("it failed with %v", s.Err)
	}
	for order, err := range map[string]error{
		"pause": b.driver.Pause(t.Context(), r.ref), "limit": b.driver.SetLimits(t.Context(), r.ref, downloader.Limits{}),
	} {
		if !errs.Is(err, errs.MovedAway) {
			t.Errorf("%s: %v", order, err)
		}
	}
	eventually(t, "the data to be there", func() bool {
		return fileExists(tor.Path(elsewhere, 0)) && fileExists(tor.Path(elsewhere, 1))
	})
	if err := b.driver.Remove(t.Context(), r.ref, true); err != nil {
		t.Fatal(err)
	}
	for i, f := range tor.Files {
		if fileSHA256(t, tor.Path(elsewhere, i)) != f.SHA256 {
			t.Errorf("%s is gone", f.Path)
		}
	}
	if n := len(b.listed()); n != 0 {
		t.Errorf("%d torrents are left", n)
	}
}

func TestATorrentOfSomebodyElseIsNotTouched(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	r := b.addTorrent("dead")
	r.order("torrent-remove", nil)
	theirs := filepath.Join(b.daemon.Dir, "theirs")
	args := map[string]any{"download-dir": theirs, "metainfo": b.swarm.Torrent("dead").Bytes}
	b.call("torrent-add", args, nil)
	if err := b.driver.Remove(t.Context(), r.ref, true); err != nil {
		t.Fatal(err)
	}
	if dir := r.field("downloadDir"); dir != theirs {
		t.Errorf("it is in %v", dir)
	}
}

func TestRemoveKeepsOrDeletesData(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	tor := b.swarm.Torrent("webmulti")
	for _, deleteData := range []bool{false, true} {
		r := b.add(b.request(torrentSource(tor)))
		r.await(downloader.PhaseComplete)
		foreign := filepath.Join(r.dir, "foreign.txt")
		if err := os.WriteFile(foreign, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := b.driver.Remove(t.Context(), r.ref, deleteData); err != nil {
				t.Fatal(err)
			}
		}
		if r.check().Phase != downloader.PhaseGone {
			t.Error("it is still there")
		}
		if there := fileExists(tor.Path(r.dir, 0)); there == deleteData {
			t.Errorf("deleting %v: the file is there: %v", deleteData, there)
		}
		if !fileExists(foreign) {
			t.Error("a file that is not the torrent's is gone")
		}
	}
}

func fileExists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func TestTheDaemonsQueueHoldsNothingBack(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	const jobs = 12 // the queue lets five load
	var refs []downloader.Ref
	for _, name := range lab.Many(jobs) {
		refs = append(refs, b.add(b.request(magnetSource(b.swarm.Torrent(name)))).ref)
	}
	eventually(t, "all to be complete", func() bool {
		got, err := b.driver.Check(t.Context(), refs)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range got {
			if s.Phase != downloader.PhaseComplete {
				return false
			}
		}
		return true
	})
	b.daemon.Restart()
	got, err := b.driver.Check(t.Context(), refs)
	if err != nil || len(got) != jobs || got[jobs-1].Phase != downloader.PhaseComplete {
		t.Errorf("%+v, %v", got[jobs-1], err)
	}
}
