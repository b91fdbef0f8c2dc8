package driver

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
	"github.com/haul-dl/haul/sdk/source"
)

const block = 16 << 10

// bencode encodes ints, strings, lists and dictionaries.
func bencode(v any) string {
	switch v := v.(type) {
	case int:
		return "i" + strconv.Itoa(v) + "e"
	case string:
		return strconv.Itoa(len(v)) + ":" + v
	case []any:
		out := "l"
		for _, e := range v {
			out += bencode(e)
		}
		return out + "e"
	case map[string]any:
		keys := make([]string, 0, len(v))
		for k := range v {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		out := "d"
		for _, k := range keys {
			out += bencode(k) + bencode(v[k])
		}
		return out + "e"
	}
	panic(fmt.Sprintf("a %T", v))
}

// twoFiles are those of the torrents below: a.bin fills no whole piece.
var twoFiles = map[string][]byte{
	"a.bin": bytes.Repeat([]byte("haul"), 2500),
	"b.bin": bytes.Repeat([]byte("test"), 3*block/4),
}

// newerTorrent makes a torrent of version 1 whose files are aligned, one of
// version 2, or one of both.
func newerTorrent(v1, v2 bool) []byte {
	tree, layers := map[string]any{}, map[string]any{}
	for name, content := range twoFiles {
		root, layer := merkle(content)
		tree[name] = map[string]any{"": map[string]any{"length": len(content), "pieces root": root}}
		if len(content) > block {
			layers[root] = layer
		}
	}
	info := map[string]any{"name": "newer", "piece length": block}
	if v2 {
		info["meta version"], info["file tree"] = 2, tree
	}
	if v1 {
		a, b := twoFiles["a.bin"], twoFiles["b.bin"]
		pad := block - len(a)
		info["files"] = []any{
			map[string]any{"length": len(a), "path": []any{"a.bin"}},
			map[string]any{"length": pad, "path": []any{".pad", strconv.Itoa(pad)}, "attr": "p"},
			map[string]any{"length": len(b), "path": []any{"b.bin"}},
		}
		info["pieces"] = pieces(slices.Concat(a, make([]byte, pad), b))
	}
	torrent := map[string]any{"info": info}
	if v2 {
		torrent["piece layers"] = layers
	}
	return []byte(bencode(torrent))
}

func pieces(content []byte) (digests string) {
	for piece := range slices.Chunk(content, block) {
		sum := sha1.Sum(piece)
		digests += string(sum[:])
	}
	return digests
}

func merkle(content []byte) (root, layer string) {
	var row [][]byte
	for piece := range slices.Chunk(content, block) {
		sum := sha256.Sum256(piece)
		row = append(row, sum[:])
		layer += string(sum[:])
	}
	for len(row)&(len(row)-1) != 0 {
		row = append(row, make([]byte, 32))
	}
	for len(row) > 1 {
		var up [][]byte
		for pair := range slices.Chunk(row, 2) {
			sum := sha256.Sum256(slices.Concat(pair...))
			up = append(up, sum[:])
		}
		row = up
	}
	return string(row[0]), layer
}

// TestNewerTorrents have their data on the disk already: nobody serves it.
func TestNewerTorrents(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	d := b.driver()
	for _, tt := range []struct {
		name    string
		v1, v2  bool
		indexes []int
	}{
		{"version 2 alone", false, true, []int{0, 1}},
		{"of both versions", true, true, []int{0, 2}},
		{"version 1 with files that align others", true, false, []int{0, 2}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			torrent := newerTorrent(tt.v1, tt.v2)
			parsed, err := source.ParseTorrent(torrent)
			if err != nil {
				t.Fatal(err)
			}
			req := b.request("small", false)
			req.Source.Content = torrent
			b.putNewer(req.Dir)
			ref := add(t, d, req)
			s := awaitPhase(t, d, ref, downloader.PhaseComplete)
			if s.InfoHash != parsed.InfoHash || len(s.Files) != 2 || s.Files[0].Index != tt.indexes[0] || s.Files[1].Index != tt.indexes[1] {
				t.Errorf("got %+v", s)
			}
			if again := add(t, b.driver(), req); string(again.Opaque) != string(ref.Opaque) {
				t.Errorf("got %s, then %s", ref.Opaque, again.Opaque)
			}
			elsewhere := b.request("small", false)
			elsewhere.Source = downloader.Source{Kind: downloader.SourceMagnet, URI: "magnet:?xt=urn:btmh:1220" + parsed.InfoHashV2}
			if tt.v1 { // the other of its names
				elsewhere.Source.URI = "magnet:?xt=urn:btih:" + parsed.InfoHash
			}
			_, err = d.Add(t.Context(), elsewhere)
			wantCode(t, err, errs.InUse)
			if err := d.SelectFiles(t.Context(), ref, tt.indexes[1:]); err != nil {
				t.Fatal(err)
			}
			s = await(t, d, ref, "the selection", func(s downloader.Status) bool {
				return s.Phase == downloader.PhaseComplete && s.TotalBytes == int64(len(twoFiles["b.bin"]))
			})
			if !s.Files[0].Skipped || s.Files[1].Skipped {
				t.Errorf("got %+v", s.Files)
			}
			if err := d.Remove(t.Context(), ref, true); err != nil {
				t.Fatal(err)
			}
			if got := check(t, d, ref).Phase; got != downloader.PhaseGone {
				t.Errorf("it is %s", got)
			}
		})
	}
}

// putNewer writes the files of newerTorrent.
func (b *bench) putNewer(dir string) {
	b.t.Helper()
	for name, content := range twoFiles {
		if err := os.MkdirAll(filepath.Join(dir, "newer"), 0o755); err != nil {
			b.t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "newer", name), content, 0o644); err != nil {
			b.t.Fatal(err)
		}
	}
}

// A magnet link may name one info hash of a torrent that has two; when the
// metadata comes, qBittorrent calls the torrent by the other.
func TestATorrentThatGetsAnotherHashIsFoundAgain(t *testing.T) {
	t.Parallel()
	from, to := newBench(t), newBench(t)
	seeding := from.request("small", false)
	seeding.Source.Content = newerTorrent(true, true)
	seeding.Limits.Seed = &downloader.SeedLimits{}
	from.putNewer(seeding.Dir)
	seeder := from.driver()
	awaitPhase(t, seeder, add(t, seeder, seeding), downloader.PhaseSeeding)
	parsed, err := source.ParseTorrent(seeding.Source.Content)
	if err != nil {
		t.Fatal(err)
	}
	var preferences struct {
		Port int `json:"listen_port"`
	}
	from.read("app/preferences", &preferences)

	d := to.driver()
	req := to.request("small", true)
	req.Source.URI = "magnet:?xt=urn:btih:" + parsed.InfoHash
	ref := add(t, d, req)
	peer := url.Values{"hashes": {parsed.InfoHash}, "peers": {fmt.Sprintf("127.0.0.1:%d", preferences.Port)}}
	asked := time.Now()
	s := await(t, d, ref, "the end", func(s downloader.Status) bool {
		for _, f := range s.Files {
			if f.Index == 1 {
				t.Fatalf("the files are counted wrongly: %v", s.Files)
			}
		}
		// A peer that could not be reached is left alone for a minute, so the
		// daemons get some time to be ready.
		if time.Since(asked) > 3*time.Second {
			asked = time.Now()
			to.session().PostForm(to.q.Address+"/api/v2/torrents/addPeers", peer)
		}
		return s.Phase == downloader.PhaseComplete
	})
	if s.InfoHash != parsed.InfoHash || len(s.Files) != 2 || s.Files[1].Index != 2 {
		t.Errorf("got %+v", s)
	}
	for _, f := range s.Files {
		b, err := os.ReadFile(filepath.Join(req.Dir, f.Path))
		if err != nil || hex.EncodeToString(b) != hex.EncodeToString(twoFiles[filepath.Base(f.Path)]) {
			t.Errorf("%s: %v", f.Path, err)
		}
	}
	if err := d.Pause(t.Context(), ref); err != nil {
		t.Error(err)
	}
	if again := add(t, d, req); string(again.Opaque) != string(ref.Opaque) {
		t.Errorf("got %s, then %s", ref.Opaque, again.Opaque)
	}
	t.Logf("the daemon calls it %s; v1 %s, v2 %s", raw(t, d, ref).ID, parsed.InfoHash, parsed.InfoHashV2)
	if err := d.Remove(t.Context(), ref, true); err != nil {
		t.Error(err)
	}
	if got := check(t, d, ref).Phase; got != downloader.PhaseGone {
		t.Errorf("it is %s", got)
	}
}

func TestIdleSeedingEnds(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	clock := newClock()
	d := newDriverAt(t, b.settings(), clock.Now)
	session, err := d.client.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if session.API.EndsIdleSeeding() {
		t.Skip("this qBittorrent does it by itself")
	}
	req := b.request("small", false)
	req.Limits.Seed = &downloader.SeedLimits{Idle: 45 * 60e9}
	ref := add(t, d, req)
	awaitPhase(t, d, ref, downloader.PhaseSeeding)
	if err := d.SetLimits(t.Context(), ref, downloader.Limits{Seed: &downloader.SeedLimits{Idle: 30 * 60e9}}); err != nil {
		t.Fatal(err)
	}
	if tag := idleTagIn(raw(t, d, ref)); tag != "haul-idle:30" {
		t.Errorf("the tag is %q", tag)
	}
	clock.Add(20 * 60e9)
	awaitPhase(t, d, ref, downloader.PhaseSeeding)
	clock.Add(20 * 60e9)
	awaitPhase(t, d, ref, downloader.PhaseComplete)
}
