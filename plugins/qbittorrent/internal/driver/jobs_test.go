package driver

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

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
				// Two files of the same name overwrite each other, now and then for ever.
				ended := s.Phase == downloader.PhaseComplete || s.Phase == downloader.PhaseFailed
				return ended || name == "evil-dup" && len(s.Files) > 0
			})
			for _, f := range s.Files {
				if !filepath.IsLocal(f.Path) {
					t.Errorf("reports %q", f.Path)
					continue
				}
				if _, err := os.Stat(filepath.Join(req.Dir, f.Path)); err != nil && s.Phase == downloader.PhaseComplete {
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
