package driver

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/haul-dl/haul/internal/lab"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

func TestTorrentsAndMagnetLinksAreLoadedWhole(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	var all []*running
	var torrents []lab.Torrent
	add := func(tor lab.Torrent, s downloader.Source) {
		torrents = append(torrents, tor)
		all = append(all, b.add(b.request(s)))
	}
	for _, name := range []string{"web", "webmulti", "small", "private", "long"} {
		add(b.swarm.Torrent(name), torrentSource(b.swarm.Torrent(name)))
	}
	for _, name := range []string{"multi", "unicode", "big"} {
		add(b.swarm.Torrent(name), magnetSource(b.swarm.Torrent(name)))
	}
	for i, r := range all {
		tor := torrents[i]
		s := r.await(downloader.PhaseComplete)
		if s.InfoHash != tor.InfoHash || s.Name != tor.Root || s.TotalBytes != tor.Total || s.DoneBytes != tor.Total || s.Err != nil {
			t.Errorf("%s: %+v", tor.Name, s)
		}
		makeEmptyFiles(t, r.dir, s.Files)
		r.assertFiles(s, tor)
		if status := r.field("status"); status != float64(stopped) {
			t.Errorf("%s is complete, but has the daemon's status %v", tor.Name, status)
		}
	}
}

// makeEmptyFiles does what haul's delivery does: Transmission 3.00 makes no
// files that have no bytes.
func makeEmptyFiles(t testing.TB, dir string, files []downloader.File) {
	t.Helper()
	for _, f := range files {
		path := filepath.Join(dir, filepath.FromSlash(f.Path))
		if _, err := os.Stat(path); f.Size > 0 || err == nil {
			continue
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Error(err)
		}
	}
}

func TestAnAddMayBeRepeated(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for name, s := range map[string]downloader.Source{
		"a torrent": torrentSource(b.swarm.Torrent("dead")), "a magnet link": magnetSource(b.swarm.Torrent("unknown")),
	} {
		t.Run(name, func(t *testing.T) {
			req := b.request(s)
			first := b.add(req)
			if err := b.driver.Pause(t.Context(), first.ref); err != nil {
				t.Fatal(err)
			}
			var wg sync.WaitGroup
			for range 8 {
				wg.Go(func() {
					ref, err := b.driver.Add(t.Context(), req)
					if err != nil || string(ref.Opaque) != string(first.ref.Opaque) {
						t.Errorf("%s, %v", ref.Opaque, err)
					}
				})
			}
			wg.Wait()
			if s := first.check(); s.Phase != downloader.PhasePaused {
				t.Errorf("repeating the add changed the phase to %s", s.Phase)
			}
			b.daemon.Stop()
			b.daemon.Restart()
			again := newDriver(t, settingsOf(b.daemon))
			ref, err := again.Add(t.Context(), req)
			if err != nil || string(ref.Opaque) != string(first.ref.Opaque) {
				t.Errorf("after a restart: %s, %v", ref.Opaque, err)
			}
		})
	}
	if n := len(b.listed()); n != 2 {
		t.Errorf("%d torrents are marked, want 2", n)
	}
}

func (b *bench) listed() []downloader.Listed {
	b.t.Helper()
	list, err := b.driver.List(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	return list
}

func TestAnAddThatWasCutOffIsCompleted(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	req := b.request(torrentSource(b.swarm.Torrent("dead")))
	req.Limits.DownloadRate = 5000
	a, err := b.driver.addition(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	b.call("torrent-add", a.add, nil) // and nothing of what follows
	r := b.add(req)
	if r.field("downloadLimit") != 5.0 || len(b.listed()) != 1 {
		t.Errorf("limit %v, listed %+v", r.field("downloadLimit"), b.listed())
	}
}

func TestATorrentElsewhereIsInUse(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	tor := b.swarm.Torrent("dead")
	first := b.addTorrent("dead")
	for name, s := range map[string]downloader.Source{"a torrent": torrentSource(tor), "a magnet link": magnetSource(tor)} {
		_, err := b.driver.Add(t.Context(), b.request(s))
		if !errs.Is(err, errs.InUse) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if s := first.check(); s.Phase != downloader.PhaseDownloading && s.Phase != downloader.PhaseChecking {
		t.Errorf("the first is %s", s.Phase)
	}
}

func TestWhatIsNoSourceIsRefused(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	evil := filepath.Join(b.daemon.Dir, "on-disk.torrent")
	if err := os.WriteFile(evil, b.swarm.Torrent("small").Bytes, 0o600); err != nil {
		t.Fatal(err)
	}
	uri := func(s string) downloader.Source { return downloader.Source{Kind: downloader.SourceMagnet, URI: s} }
	bytes := func(s []byte) downloader.Source { return downloader.Source{Kind: downloader.SourceTorrent, Content: s} }
	cases := map[string]struct {
		source downloader.Source
		want   errs.Code
	}{
		"a path on the daemon's disk": {uri(evil), errs.InvalidMagnet},
		"a URL":                       {uri(b.swarm.URL + "/torrents/small.torrent"), errs.InvalidMagnet},
		"a hash alone":                {uri(b.swarm.Torrent("small").InfoHash), errs.InvalidMagnet},
		"a link without a hash":       {uri("magnet:?dn=x"), errs.InvalidMagnet},
		"a v2 link":                   {uri("magnet:?xt=urn:btmh:1220" + strings.Repeat("ab", 32)), errs.SourceNotSupported},
		"a web page":                  {bytes(b.swarm.Torrent("html").Bytes), errs.InvalidTorrent},
		"half a torrent":              {bytes(b.swarm.Torrent("invalid").Bytes), errs.InvalidTorrent},
		"names that lead out":         {bytes(b.swarm.Torrent("evil-dotdot").Bytes), errs.UnsafeTorrent},
		"nothing":                     {bytes(nil), errs.InvalidTorrent},
		"an HTTP file":                {downloader.Source{Kind: downloader.SourceHTTP, URI: b.swarm.URL}, errs.SourceNotSupported},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := b.driver.Add(t.Context(), b.request(c.source))
			if !errs.Is(err, c.want) || errs.HintOf(err) == "" {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
	var all struct{ Torrents []any }
	b.call("torrent-get", map[string]any{"fields": []string{"id"}}, &all)
	if len(all.Torrents) != 0 {
		t.Errorf("the daemon has %v", all.Torrents)
	}
}

func TestHostileNamesOfMagnetLinksStayBelowTheFolder(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	// What the daemon refuses stays without metadata, or fails; the rest must
	// be where it is reported.
	var all []*running
	for _, name := range []string{"evil-dotdot", "evil-name", "evil-root", "evil-abs", "evil-slash", "toolong"} {
		all = append(all, b.add(b.request(magnetSource(b.swarm.Torrent(name)))))
	}
	whole := 0
	for _, r := range all {
		var s downloader.Status
		for deadline := time.Now().Add(25 * time.Second); time.Now().Before(deadline); {
			if s = r.check(); s.Phase.HasData() || s.Phase == downloader.PhaseFailed {
				break
			}
			time.Sleep(50 * time.Millisecond) // between two looks
		}
		if !s.Phase.HasData() {
			continue
		}
		whole++
		for _, f := range s.Files {
			info, err := os.Stat(filepath.Join(r.dir, filepath.FromSlash(f.Path)))
			if err != nil || info.Size() != f.Size || !filepath.IsLocal(f.Path) {
				t.Errorf("%q: %v", f.Path, err)
			}
		}
	}
	if whole < 3 {
		t.Errorf("only %d were loaded", whole)
	}
	err := filepath.WalkDir(filepath.Dir(b.daemon.Dir), func(path string, _ os.DirEntry, err error) error {
		if strings.Contains(filepath.Base(path), "evil-") && !strings.HasPrefix(path, b.daemon.Dir) && !strings.Contains(path, "config") {
			t.Errorf("%s is outside", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestJobsAreMarkedAndListed(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	r := b.addTorrent("dead")
	r.order("torrent-set", map[string]any{"labels": append(r.labels(), "films")})
	if err := b.driver.SetLimits(t.Context(), r.ref, downloader.Limits{Seed: &downloader.SeedLimits{Time: time.Hour}}); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(r.labels(), " "); !strings.Contains(got, "films") || !strings.Contains(got, "haul") || strings.Count(got, "job-1") != 1 {
		t.Errorf("labels are %s", got)
	}
	other := newDriver(t, settingsOf(b.daemon))
	other.downloaderID = "dl-2"
	if list, err := other.List(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("another downloader lists %v, %v", list, err)
	}
	list := b.listed()
	if len(list) != 1 || list[0].Ref.JobID != "job-1" || hashOf(list[0].Ref) != hashOf(r.ref) || list[0].Name != "dead.bin" {
		t.Errorf("listed %+v", list)
	}
	// A Ref that was lost is found by the mark.
	r.ref.Opaque = nil
	if s := r.check(); s.Phase == downloader.PhaseGone {
		t.Error("the job was not found by its mark")
	}
	if err := b.driver.Remove(t.Context(), r.ref, true); err != nil {
		t.Error(err)
	}
	if s := r.check(); s.Phase != downloader.PhaseGone {
		t.Errorf("it is %s", s.Phase)
	}
}

func (r *running) labels() []string {
	r.t.Helper()
	list, ok := r.field("labels").([]any)
	if !ok {
		r.t.Fatal("no labels")
	}
	out := make([]string, len(list))
	for i, l := range list {
		out[i] = fmt.Sprint(l)
	}
	return out
}

func hashOf(ref downloader.Ref) string {
	h, _ := readHandle(ref)
	return h.Hash
}
