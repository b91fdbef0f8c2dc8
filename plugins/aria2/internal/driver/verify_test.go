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
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func addToVerify(t testing.TB, d *Driver, req downloader.AddRequest) downloader.Ref {
	t.Helper()
	req.Verify = true
	ref, err := d.Add(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

func torrentOf(tor lab.Torrent) downloader.Source {
	return downloader.Source{Kind: downloader.SourceTorrent, Content: tor.Bytes}
}

// sameTorrent checks the files of a torrent that are wanted; none given means all.
func sameTorrent(t testing.TB, s downloader.Status, dir string, tor lab.Torrent) {
	t.Helper()
	if len(s.Files) != len(tor.Files) {
		t.Fatalf("%d files are reported, the torrent has %d", len(s.Files), len(tor.Files))
	}
	for i, f := range s.Files {
		if f.Skipped {
			continue
		}
		b, err := os.ReadFile(filepath.Join(dir, f.Path))
		if sum := sha256.Sum256(b); err != nil || hex.EncodeToString(sum[:]) != tor.Files[i].SHA256 {
			t.Errorf("%s has other bytes (%v)", f.Path, err)
		}
	}
}

func TestDataThatIsThereIsVerified(t *testing.T) {
	t.Parallel()
	swarm, a := lab.StartSwarm(t), startAria2(t)
	d := newDriver(t, a.settings())
	for _, tt := range []struct {
		name   string
		magnet bool
		damage bool
		lose   int // the file that is not there; 0 is none
		blocks int // at most; a piece of "big" has 64
	}{
		{name: "small"},
		{name: "big", damage: true, blocks: 64},
		{name: "multi", lose: 4, blocks: 40},
		{name: "unicode", magnet: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tor, dir := swarm.Torrent(tt.name), t.TempDir()
			swarm.Fill(tt.name, dir)
			if tt.damage {
				damage(t, tor.Path(dir, 0))
			}
			if tt.lose > 0 {
				if err := os.Remove(tor.Path(dir, tt.lose)); err != nil {
					t.Fatal(err)
				}
			}
			src := torrentOf(tor)
			if tt.magnet {
				src = downloader.Source{Kind: downloader.SourceMagnet, URI: tor.Magnet}
			}
			ref := addToVerify(t, d, downloader.AddRequest{JobID: tt.name, Dir: dir, Source: src})
			sameTorrent(t, await(t, d, ref, downloader.PhaseComplete), dir, tor)
			if got := swarm.Counts(tt.name).Blocks; got > tt.blocks {
				t.Errorf("%d blocks were loaded, want %d", got, tt.blocks)
			}
		})
	}
}

func TestFilesOfServersThatAreThereAreKept(t *testing.T) {
	t.Parallel()
	const size, slack = 1_000_000, 300_000 // of an answer that aria2 hangs up on
	for _, tt := range []struct {
		name  string
		has   int
		loads int64 // at most
	}{
		{"whole", size, slack},
		{"a part", size / 2, size/2 + slack},
		{"nothing", 0, size + slack},
		{"too much", 2 * size, size + slack},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w, a, dir := startWeb(t), startAria2(t), t.TempDir()
			w.rate = 2 * size
			d := newDriver(t, a.settings())
			if tt.has > 0 {
				has := append(content(size), content(size)...)[:tt.has]
				if err := os.WriteFile(filepath.Join(dir, "x"), has, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			path := "/file/1000000/x"
			ref := addToVerify(t, d, downloader.AddRequest{JobID: "job-1", Dir: dir, Source: httpSource(w.URL + path)})
			await(t, d, ref, downloader.PhaseComplete)
			sameFile(t, dir, "x", content(size))
			if got, _ := w.served(path); got > tt.loads {
				t.Errorf("%d bytes were loaded, want %d", got, tt.loads)
			}
		})
	}
}

func TestAPartOfAFileWhoseServerCannotGoOnIsLoadedAnew(t *testing.T) {
	t.Parallel()
	whole, dir := content(100_000), t.TempDir()
	w, d := startRangeless(t, whole), newDriver(t, startAria2(t).settings())
	if err := os.WriteFile(filepath.Join(dir, "x"), whole[:50_000], 0o600); err != nil {
		t.Fatal(err)
	}
	ref := addToVerify(t, d, downloader.AddRequest{JobID: "job-1", Dir: dir, Source: httpSource(w.URL + "/x")})
	await(t, d, ref, downloader.PhaseComplete)
	sameFile(t, dir, "x", whole)
}

// TestSeeding has a peer that leeches, and somebody else who holds the data by
// another name; both survive what happens. aria2 forgets what seeds when it is
// started again.
func TestSeeding(t *testing.T) {
	t.Parallel()
	swarm, a := lab.StartSwarm(t), startAria2(t)
	tor, dir := swarm.Torrent("big"), t.TempDir()
	swarm.Fill("big", dir)
	delivered := filepath.Join(t.TempDir(), "delivered.bin")
	if err := os.Link(tor.Path(dir, 0), delivered); err != nil {
		t.Fatal(err)
	}
	req := downloader.AddRequest{JobID: "job-1", Dir: dir, Source: torrentOf(tor), Limits: downloader.Limits{Seed: &downloader.SeedLimits{Ratio: 0.5}}}
	d := newDriver(t, a.settings())
	ref := addToVerify(t, d, req)
	sameTorrent(t, await(t, d, ref, downloader.PhaseSeeding), dir, tor)
	a.restart()
	d = newDriver(t, a.settings())
	await(t, d, ref, downloader.PhaseGone)
	ref = addToVerify(t, d, req)
	sameTorrent(t, await(t, d, ref, downloader.PhaseSeeding), dir, tor)
	d = newDriver(t, a.settings())
	sameTorrent(t, await(t, d, ref, downloader.PhaseSeeding), dir, tor)
	swarm.Leech("big", tor.Total)
	sameTorrent(t, await(t, d, ref, downloader.PhaseComplete), dir, tor)
	if n := swarm.Counts("big").Blocks; n > 0 {
		t.Errorf("%d blocks were loaded", n)
	}
	info, err := os.Stat(delivered)
	if err != nil {
		t.Fatal(err)
	}
	if s, ok := info.Sys().(*syscall.Stat_t); !ok || s.Nlink != 2 {
		t.Error("the delivered file has lost its other name")
	}
	b, err := os.ReadFile(delivered)
	if sum := sha256.Sum256(b); err != nil || hex.EncodeToString(sum[:]) != tor.Files[0].SHA256 {
		t.Errorf("the delivered file has other bytes (%v)", err)
	}
}

func TestMoreFilesOfWhatSeeds(t *testing.T) {
	t.Parallel()
	swarm, a := lab.StartSwarm(t), startAria2(t)
	d := newDriver(t, a.settings())
	tor, dir := swarm.Torrent("multi"), t.TempDir()
	ref, err := d.Add(t.Context(), downloader.AddRequest{
		JobID: "job-1", Dir: dir, Source: torrentOf(tor), Files: []int{0, 4}, Limits: downloader.Limits{Seed: &downloader.SeedLimits{}},
	})
	if err != nil {
		t.Fatal(err)
	}
	await(t, d, ref, downloader.PhaseSeeding)
	if err := d.SelectFiles(t.Context(), ref, []int{0, 1, 4}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the larger selection is there", func() bool {
		s := check(t, d, ref)
		return s.Phase == downloader.PhaseSeeding && s.TotalBytes == 1000+300_000+3<<20
	})
	sameTorrent(t, check(t, newDriver(t, a.settings()), ref), dir, tor)
}

func TestFilesAreReportedToADriverThatIsNew(t *testing.T) {
	t.Parallel()
	swarm, a := lab.StartSwarm(t), startAria2(t)
	ref := addToVerify(t, newDriver(t, a.settings()), downloader.AddRequest{JobID: "job-1", Dir: t.TempDir(), Source: torrentOf(swarm.Torrent("dead"))})
	for range 2 {
		d := newDriver(t, a.settings())
		eventually(t, "the files", func() bool {
			s := check(t, d, ref)
			return len(s.Files) == 1 && !s.Phase.HasData()
		})
	}
}
