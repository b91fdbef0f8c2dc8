package driver

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/haul-dl/haul/internal/lab"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

func TestTorrentsAreLoadedWhole(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	d := b.driver()
	tests := []struct {
		name, torrent string
		magnet        bool
	}{
		{"a torrent of one file", "small", false},
		{"a magnet link", "big", true},
		{"folders, an empty file, names in many scripts", "multi", false},
		{"an odd name", "unicode", true},
		{"a name as long as may be", "long", false},
		{"a private torrent", "private", true},
		{"by web seed", "webmulti", false},
	}
	for _, tt := range tests {
		req := b.request(tt.torrent, tt.magnet)
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ref := add(t, d, req)
			s := awaitPhase(t, d, ref, downloader.PhaseComplete)
			torrent := b.swarm.Torrent(tt.torrent)
			sameFiles(t, s, req.Dir, torrent)
			if s.TotalBytes != torrent.Total || s.DoneBytes != torrent.Total || s.InfoHash != torrent.InfoHash {
				t.Errorf("got %+v", s)
			}
			if now := raw(t, d, ref); !isStoppedUp(now.State) {
				t.Errorf("it is %s, but must not seed", now.State)
			}
		})
	}
}

func TestHostileNamesStayInTheJobsDirectory(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	d := b.driver()
	for _, name := range []string{"toolong", "evil-ctl", "evil-dotdot", "evil-name", "evil-root", "evil-abs", "evil-slash", "evil-dup"} {
		req := b.request(name, true) // as a magnet link haul sees the names too late
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ref := add(t, d, req)
			s := await(t, d, ref, "an end", func(s downloader.Status) bool {
				return s.Phase == downloader.PhaseComplete || s.Phase == downloader.PhaseFailed
			})
			for _, f := range s.Files {
				if !filepath.IsLocal(f.Path) {
					t.Errorf("reports %q", f.Path)
					continue
				}
				if _, err := os.Stat(filepath.Join(req.Dir, f.Path)); err != nil {
					t.Errorf("reports what is not there: %v", err)
				}
			}
			t.Logf("%s: %v", s.Phase, s.Files)
		})
	}
}

func TestAddIsIdempotent(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for _, tt := range []struct {
		name   string
		magnet bool
		files  []int
	}{
		{"a magnet link", true, nil}, {"a torrent", false, nil}, {"a torrent with a selection", false, []int{1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := b.driver()
			req := b.request("slowmulti", tt.magnet)
			req.Files = tt.files
			refs := make([]downloader.Ref, 8)
			var wg sync.WaitGroup
			for i := range refs {
				wg.Go(func() {
					ref, err := d.Add(t.Context(), req)
					if err != nil {
						t.Error(err)
					}
					refs[i] = ref
				})
			}
			wg.Wait()
			again := add(t, b.driver(), req) // another process
			b.q.Kill9()
			b.q.Restart()
			afterwards := add(t, d, req)
			for _, ref := range slices.Concat(refs, []downloader.Ref{again, afterwards}) {
				if string(ref.Opaque) != string(refs[0].Opaque) {
					t.Fatalf("got refs %s and %s", ref.Opaque, refs[0].Opaque)
				}
			}
			listed, err := d.List(t.Context())
			if err != nil || len(listed) != 1 || listed[0].Ref.JobID != req.JobID || string(listed[0].Ref.Opaque) != string(refs[0].Opaque) {
				t.Errorf("listed %v, %v", listed, err)
			}
			if err := d.Remove(t.Context(), refs[0], true); err != nil {
				t.Error(err)
			}
			if err := d.Remove(t.Context(), refs[0], true); err != nil {
				t.Error("the second removal:", err)
			}
		})
	}
}

func TestAnAddThatWasCutOffIsGoneOnWith(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	d := b.driver()
	req := b.request("webmulti", false)
	req.Files = []int{1}
	h, torrent, err := readSource(req)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.send(t.Context(), addition{AddRequest: req, handle: h, torrent: torrent}); err != nil {
		t.Fatal(err)
	}
	ref := add(t, d, req)
	s := awaitPhase(t, d, ref, downloader.PhaseComplete)
	sameFiles(t, s, req.Dir, b.swarm.Torrent("webmulti"), 1)
}

func TestTheSameTorrentElsewhereIsInUse(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	d := b.driver()
	add(t, d, b.request("slow", false))
	for _, magnet := range []bool{false, true} {
		_, err := d.Add(t.Context(), b.request("slow", magnet))
		wantCode(t, err, errs.InUse)
	}
}

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
			if s.Phase == downloader.PhasePaused {
				_ = d.Resume(t.Context(), ref)
			}
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

func TestOptions(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	d := b.driver()
	tests := []struct {
		options string
		want    errs.Code
		field   string
	}{
		{`{"sequentialDownload":true,"firstLastPiecePrio":true,"addToTopOfQueue":true}`, "", ""},
		{`{"savepath":"/etc"}`, errs.OptionNotAllowed, "options.savepath"},
		{`{"SavePath":"/etc"}`, errs.OptionNotAllowed, "options.SavePath"},
		{`{"auto-tmm":true}`, errs.OptionNotAllowed, "options.auto-tmm"},
		{`{"ratioLimit":1}`, errs.OptionNotAllowed, "options.ratioLimit"},
		{`{"sequentialDownload":"true"}`, errs.InvalidOptions, "options.sequentialDownload"},
		{`{"frobnicate":1}`, errs.InvalidOptions, "options.frobnicate"},
		{`[]`, errs.InvalidOptions, "options"},
	}
	for _, tt := range tests {
		req := b.request("dead", false)
		req.Options = []byte(tt.options)
		ref, err := d.Add(t.Context(), req)
		if tt.want == "" {
			if err != nil {
				t.Errorf("%s: %v", tt.options, err)
			}
			if err := d.Remove(t.Context(), ref, true); err != nil {
				t.Error(err)
			}
			continue
		}
		wantCode(t, err, tt.want)
		if e, ok := errors.AsType[*errs.Error](err); !ok || len(e.Fields) != 1 || e.Fields[0].Name != tt.field {
			t.Errorf("%s: %+v", tt.options, err)
		}
	}
}

func TestBadSources(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	d := b.driver()
	for name, tt := range map[string]struct {
		source downloader.Source
		want   errs.Code
	}{
		"a file on the daemon's disk":  {downloader.Source{Kind: downloader.SourceMagnet, URI: "file:///etc/passwd"}, errs.InvalidMagnet},
		"two sources":                  {downloader.Source{Kind: downloader.SourceMagnet, URI: b.swarm.Torrent("dead").Magnet + "\nfile:///etc/passwd"}, errs.InvalidSource},
		"a URL":                        {downloader.Source{Kind: downloader.SourceHTTP, URI: "http://127.0.0.1/x"}, errs.SourceNotSupported},
		"a web page":                   {downloader.Source{Kind: downloader.SourceTorrent, Content: b.swarm.Torrent("html").Bytes}, errs.InvalidTorrent},
		"rubbish":                      {downloader.Source{Kind: downloader.SourceTorrent, Content: []byte("rubbish")}, errs.InvalidTorrent},
		"names that lead out":          {downloader.Source{Kind: downloader.SourceTorrent, Content: b.swarm.Torrent("evil-dotdot").Bytes}, errs.UnsafeTorrent},
		"a link without an info hash":  {downloader.Source{Kind: downloader.SourceMagnet, URI: "magnet:?dn=x"}, errs.InvalidMagnet},
		"a selection that is too long": {downloader.Source{Kind: downloader.SourceTorrent, Content: b.swarm.Torrent("small").Bytes}, errs.InvalidRequest},
	} {
		t.Run(name, func(t *testing.T) {
			req := b.request("small", false)
			req.Source, req.Files = tt.source, []int{1}
			_, err := d.Add(t.Context(), req)
			wantCode(t, err, tt.want)
		})
	}
}

func TestRemoval(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	d := b.driver()
	exists := func(path string) bool { _, err := os.Stat(path); return err == nil }

	t.Run("with and without data", func(t *testing.T) {
		for _, data := range []bool{false, true} {
			req := b.request("small", false)
			ref := add(t, d, req)
			awaitPhase(t, d, ref, downloader.PhaseComplete)
			stranger := filepath.Join(req.Dir, "stranger")
			if err := os.WriteFile(stranger, nil, 0o644); err != nil {
				t.Fatal(err)
			}
			if err := d.Remove(t.Context(), ref, data); err != nil {
				t.Fatal(err)
			}
			if got := check(t, d, ref).Phase; got != downloader.PhaseGone {
				t.Errorf("it is %s", got)
			}
			file := filepath.Join(req.Dir, "small.bin")
			if !data && !exists(file) {
				t.Error("the data is gone")
			}
			if data {
				eventually(t, "the data to go", func() bool { return !exists(file) })
			}
			if !exists(stranger) {
				t.Error("a file of somebody else is gone")
			}
		}
	})
	t.Run("moved by hand", func(t *testing.T) {
		req := b.request("private", false)
		ref := add(t, d, req)
		awaitPhase(t, d, ref, downloader.PhaseComplete)
		to := filepath.Join(b.q.Dir, "elsewhere")
		b.call("torrents/setLocation", map[string]string{"hashes": raw(t, d, ref).ID, "location": to})
		s := awaitPhase(t, d, ref, downloader.PhaseFailed)
		wantCode(t, s.Err, errs.MovedAway)
		eventually(t, "the move", func() bool { return exists(filepath.Join(to, "private.bin")) })
		if err := d.Remove(t.Context(), ref, true); err != nil {
			t.Fatal(err)
		}
		if got := check(t, d, ref).Phase; got != downloader.PhaseGone {
			t.Errorf("it is %s", got)
		}
		time.Sleep(time.Second) // a removal of data would take effect now
		if !exists(filepath.Join(to, "private.bin")) {
			t.Error("data that was moved away is gone")
		}
	})
	t.Run("replaced by somebody else's", func(t *testing.T) {
		req := b.request("long", false)
		ref := add(t, d, req)
		awaitPhase(t, d, ref, downloader.PhaseComplete)
		id := raw(t, d, ref).ID
		b.call("torrents/delete", map[string]string{"hashes": id, "deleteFiles": "false"})
		awaitPhase(t, d, ref, downloader.PhaseGone)
		theirs := filepath.Join(b.q.Dir, "theirs")
		if ok, err := d.client.Add(t.Context(), map[string]string{"savepath": theirs, "autoTMM": "false"}, b.swarm.Torrent("long").Bytes); err != nil || !ok {
			t.Fatal(ok, err)
		}
		if got := check(t, d, ref).Phase; got != downloader.PhaseGone {
			t.Errorf("somebody else's is %s", got)
		}
		if err := d.Remove(t.Context(), ref, true); err != nil {
			t.Fatal(err)
		}
		if found, err := d.client.Torrents(t.Context(), id); err != nil || len(found) != 1 {
			t.Errorf("somebody else's is gone: %v, %v", found, err)
		}
	})
	t.Run("no tag is left", func(t *testing.T) {
		var tags []string
		b.read("torrents/tags", &tags)
		for _, tag := range tags {
			if strings.HasPrefix(tag, haulTag+":") {
				t.Errorf("the tag %q", tag)
			}
		}
	})
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

func TestARestartAndAKill(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	d := b.driver()
	ref := add(t, d, b.request("slow", true))
	await(t, d, ref, "bytes", func(s downloader.Status) bool { return s.DoneBytes > 0 })
	for _, end := range []func(){b.q.Stop, b.q.Kill9} {
		end()
		_, err := d.Check(t.Context(), []downloader.Ref{ref})
		wantCode(t, err, errs.DownloaderUnreachable)
		b.q.Restart()
		await(t, d, ref, "bytes", func(s downloader.Status) bool {
			if s.Phase == downloader.PhaseGone || s.Phase == downloader.PhaseFailed {
				t.Fatalf("it is %s after the restart", s.Phase)
			}
			return s.DoneBytes > 0 && s.DownloadRate > 0
		})
	}
}

func TestAFullDiskAndAForbiddenFolder(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	d := b.driver()
	req := b.request("small", false)
	if err := os.Chmod(req.Dir, 0o555); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(req.Dir, 0o755) })
	ref := add(t, d, req)
	s := await(t, d, ref, "the reason", func(s downloader.Status) bool {
		return s.Phase == downloader.PhaseFailed && !errs.Is(s.Err, errs.DownloaderError)
	})
	wantCode(t, s.Err, errs.PathNotWritable)
	if strings.Contains(errs.MessageOf(s.Err), req.Dir) {
		t.Error("the message for the user names a path")
	}
	t.Run("a full disk", func(t *testing.T) { fullDisk(t, b, d) })
	t.Run("data that goes away", func(t *testing.T) { missingData(t, b, d) })
}

func fullDisk(t *testing.T, b *bench, d *Driver) {
	req := b.request("big", false)
	mountSmall(t, req.Dir, 2<<20)
	ref := add(t, d, req)
	s := await(t, d, ref, "the reason", func(s downloader.Status) bool {
		return s.Phase == downloader.PhaseFailed && !errs.Is(s.Err, errs.DownloaderError)
	})
	wantCode(t, s.Err, errs.OutOfSpace)
	if err := d.Remove(t.Context(), ref, true); err != nil {
		t.Error(err)
	}
}

func missingData(t *testing.T, b *bench, d *Driver) {
	req := b.request("private", false)
	ref := add(t, d, req)
	awaitPhase(t, d, ref, downloader.PhaseComplete)
	b.q.Stop()
	if err := os.Remove(filepath.Join(req.Dir, "private.bin")); err != nil {
		t.Fatal(err)
	}
	b.q.Restart()
	s := awaitPhase(t, d, ref, downloader.PhaseFailed)
	wantCode(t, s.Err, errs.FilesMissing)
}

func TestManyChecksShareOneRequest(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	p := startProxy(t, b.q.Address, "", startPlain)
	d := newDriver(t, settingsJSON(p.URL, b.q.Username, b.q.Password))
	ref := add(t, d, b.request("dead", true))
	check(t, d, ref)
	before := p.count("sync/maindata")
	var wg sync.WaitGroup
	const calls = 200
	for range calls {
		wg.Go(func() { check(t, d, ref) })
	}
	wg.Wait()
	if n := p.count("sync/maindata") - before; n < 1 || n > calls/2 {
		t.Errorf("%d calls at once made %d requests", calls, n)
	}
	for range 200 {
		check(t, d, ref)
	}
	if n := p.connections(); n > 2 {
		t.Errorf("%d connections were made", n)
	}
}

func TestAThousandJobsCostOneRequest(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	p := startProxy(t, b.q.Address, "", startPlain)
	d := newDriver(t, settingsJSON(p.URL, b.q.Username, b.q.Password))
	refs := addMany(t, b, d, 1000)
	statuses, err := d.Check(t.Context(), refs)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range statuses {
		if s.Phase == downloader.PhaseGone || s.Phase == downloader.PhaseFailed {
			t.Fatalf("got %+v", s)
		}
	}
	eventually(t, "all to be settled", func() bool {
		statuses, err := d.Check(t.Context(), refs)
		return err == nil && !slices.ContainsFunc(statuses, func(s downloader.Status) bool { return s.Phase != downloader.PhaseMetadata })
	})
	before := p.count("")
	const looks = 10
	for range looks {
		if _, err := d.Check(t.Context(), refs); err != nil {
			t.Fatal(err)
		}
	}
	// Links without metadata are looked at by one more every few seconds.
	if n := p.count("") - before; n < looks || n > looks+2 {
		t.Errorf("%d looks made %d requests", looks, n)
	}
	if n := p.connections(); n > 2 {
		t.Errorf("%d connections were made", n)
	}
}

func TestACheckObeysItsDeadline(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	d := b.driver()
	ref := add(t, d, b.request("dead", false))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := d.Check(ctx, []downloader.Ref{ref})
	wantCode(t, err, errs.Canceled)
	awaitPhase(t, d, ref, downloader.PhaseDownloading)
}
