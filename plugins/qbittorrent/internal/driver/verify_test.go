package driver

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/haul-dl/haul/internal/lab"
	"github.com/haul-dl/haul/sdk/downloader"
)

// damage changes one byte in the middle of a file.
func damage(t testing.TB, path string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 0xff
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestDataThatIsThereIsVerified(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	d := b.driver()
	tests := []struct {
		name       string
		magnet     bool
		files, has []int // empty is all
		damage     bool
		blocks     int // at most; a piece of "big" has 64

		ref    downloader.Ref
		dir    string
		before os.FileInfo
	}{
		{name: "small"},
		{name: "big", damage: true, blocks: 64},
		{name: "multi", magnet: true},
		// What lies across the border of a wanted file has to be loaded for it.
		{name: "parts-0001", files: []int{1, 2}, has: []int{1, 2}, blocks: 16},
		{name: "webmulti", has: []int{0}},
	}
	for i := range tests {
		tt := &tests[i]
		req := b.request(tt.name, tt.magnet)
		req.Verify, req.Files = true, tt.files
		b.swarm.Fill(tt.name, req.Dir, tt.has...)
		first := b.swarm.Torrent(tt.name).Path(req.Dir, append(tt.has, 0)[0])
		if tt.damage {
			damage(t, first)
		}
		var err error
		if tt.before, err = os.Stat(first); err != nil {
			t.Fatal(err)
		}
		tt.ref, tt.dir = add(t, d, req), req.Dir
	}
	for _, tt := range tests {
		tor := b.swarm.Torrent(tt.name)
		sameFiles(t, awaitPhase(t, d, tt.ref, downloader.PhaseComplete), tt.dir, tor, tt.files...)
		if got := b.swarm.Counts(tt.name).Blocks; got > tt.blocks {
			t.Errorf("%d blocks of %s were loaded, want %d", got, tt.name, tt.blocks)
		}
		after, err := os.Stat(tor.Path(tt.dir, append(tt.has, 0)[0]))
		if err != nil || !os.SameFile(tt.before, after) {
			t.Errorf("a file of %s was replaced (%v)", tt.name, err)
		}
	}
}

// TestSeeding has a peer that leeches, and somebody else who holds the data by
// another name; both survive what happens.
func TestSeeding(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	d := b.driver()
	tor := b.swarm.Torrent("big")
	req := b.request("big", false)
	req.Verify, req.Limits.Seed = true, &downloader.SeedLimits{Ratio: 1}
	b.swarm.Fill("big", req.Dir)
	delivered := filepath.Join(b.q.Dir, "delivered.bin")
	if err := os.Link(tor.Path(req.Dir, 0), delivered); err != nil {
		t.Fatal(err)
	}
	ref := add(t, d, req)
	sameFiles(t, awaitPhase(t, d, ref, downloader.PhaseSeeding), req.Dir, tor)
	b.swarm.Leech("big", tor.Total/2)
	await(t, d, ref, "what was uploaded", func(s downloader.Status) bool {
		return s.Phase == downloader.PhaseSeeding && s.UploadedBytes >= tor.Total/2
	})
	b.q.Restart()
	d = b.driver()
	s := await(t, d, ref, "seeding", func(s downloader.Status) bool { return s.Phase == downloader.PhaseSeeding && s.UploadedBytes > 0 })
	sameFiles(t, s, req.Dir, tor)
	b.q.Kill9()
	b.q.Restart()
	d = b.driver()
	sameFiles(t, awaitPhase(t, d, ref, downloader.PhaseSeeding), req.Dir, tor)
	b.swarm.Leech("big", tor.Total)
	sameFiles(t, awaitPhase(t, d, ref, downloader.PhaseComplete), req.Dir, tor)
	if n := b.swarm.Counts("big").Blocks; n > 0 {
		t.Errorf("%d blocks were loaded", n)
	}
	assertLinked(t, delivered, tor)
}

// assertLinked checks that a file has another name, and its bytes.
func assertLinked(t testing.TB, path string, tor lab.Torrent) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(b)
	if s, ok := info.Sys().(*syscall.Stat_t); !ok || s.Nlink != 2 || hex.EncodeToString(sum[:]) != tor.Files[0].SHA256 {
		t.Errorf("the delivered file has lost its other name, or has other bytes")
	}
}

func TestMoreFilesOfWhatSeeds(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	d := b.driver()
	tor := b.swarm.Torrent("multi")
	req := b.request("multi", false)
	req.Files, req.Limits.Seed = []int{0, 4}, &downloader.SeedLimits{}
	ref := add(t, d, req)
	awaitPhase(t, d, ref, downloader.PhaseSeeding)
	if err := d.SelectFiles(t.Context(), ref, []int{0, 1, 4}); err != nil {
		t.Fatal(err)
	}
	s := await(t, d, ref, "the larger selection", func(s downloader.Status) bool {
		return s.Phase == downloader.PhaseSeeding && s.TotalBytes == 1000+300_000+3<<20
	})
	sameFiles(t, s, req.Dir, tor, 0, 1, 4)
}

func TestFilesAreReportedToADriverThatIsNew(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ref := add(t, b.driver(), b.request("dead", false))
	for range 2 {
		await(t, b.driver(), ref, "the files", func(s downloader.Status) bool { return len(s.Files) == 1 && !s.Phase.HasData() })
	}
}

// The DHT would ask for hosts on the Internet; the daemon treats it as it does
// the exchange of peers.
func TestAPrivateTorrentExchangesNoPeers(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	d := b.driver()
	b.preferences(`{"pex":true}`)
	const disabled = 0.0
	for name, private := range map[string]bool{"private": true, "dead": false} {
		req := b.request(name, false)
		req.Limits.DownloadRate = 1000
		ref := add(t, d, req)
		eventually(t, "what the daemon does with "+name, func() bool {
			ways := map[string]float64{}
			var list []struct {
				URL    string  `json:"url"`
				Status float64 `json:"status"`
			}
			b.read("torrents/trackers?hash="+raw(t, d, ref).ID, &list)
			for _, way := range list {
				ways[way.URL] = way.Status
			}
			status, ok := ways["** [PeX] **"]
			return ok && (status == disabled) == private && ways["** [DHT] **"] == disabled
		})
	}
}
