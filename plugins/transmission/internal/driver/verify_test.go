package driver

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/haul-dl/haul/internal/lab"
	"github.com/haul-dl/haul/sdk/downloader"
)

// again removes a job and keeps its data, and adds it again to be verified.
func (r *running) again(change func(*downloader.AddRequest)) *running {
	r.t.Helper()
	if err := r.driver.Remove(r.t.Context(), r.ref, false); err != nil {
		r.t.Fatal(err)
	}
	req := r.req
	req.Verify = true
	if change != nil {
		change(&req)
	}
	return r.add(req)
}

// damage changes one byte in the middle of a file.
func damage(t testing.TB, path string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	var b [1]byte
	if _, err := f.ReadAt(b[:], info.Size()/2); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 0xff
	if _, err := f.WriteAt(b[:], info.Size()/2); err != nil {
		t.Fatal(err)
	}
}

func TestDataThatIsThereIsVerified(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for _, name := range []string{"big", "small", "multi", "web"} {
		b.swarm.Torrent(name)
	}
	whole := b.request(torrentSource(b.swarm.Torrent("small")))
	damaged := b.request(torrentSource(b.swarm.Torrent("big")))
	magnet := b.request(magnetSource(b.swarm.Torrent("multi")))
	b.swarm.Fill("small", whole.Dir)
	b.swarm.Fill("big", damaged.Dir)
	b.swarm.Fill("multi", magnet.Dir)
	damage(t, b.swarm.Torrent("big").Path(damaged.Dir, 0))
	var all []*running
	for _, req := range []downloader.AddRequest{whole, damaged, magnet} {
		req.Verify = true
		all = append(all, b.add(req))
	}
	// A piece of "big" has 1 MiB, which is 64 blocks.
	for i, tt := range []struct {
		name   string
		blocks int
	}{{"small", 0}, {"big", 64}, {"multi", 0}} {
		all[i].assertFiles(all[i].await(downloader.PhaseComplete), b.swarm.Torrent(tt.name))
		if got := b.swarm.Counts(tt.name).Blocks; got > tt.blocks {
			t.Errorf("%d blocks of %s were loaded, want %d", got, tt.name, tt.blocks)
		}
	}
	// A file that is gone is loaded, and the others are not.
	tor := b.swarm.Torrent("multi")
	if err := os.Remove(tor.Path(all[2].dir, 4)); err != nil {
		t.Fatal(err)
	}
	r := all[2].again(func(req *downloader.AddRequest) { req.Source = torrentSource(tor) })
	r.assertFiles(r.await(downloader.PhaseComplete), tor)
	if got := b.swarm.Counts("multi").Blocks; got == 0 || got > 40 {
		t.Errorf("%d blocks were loaded for a file of 19", got)
	}
}

// TestSeeding has a peer that leeches, and somebody else who holds the data by
// other names; both survive what happens.
func TestSeeding(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	tor := b.swarm.Torrent("big")
	req := b.request(torrentSource(tor))
	req.Verify, req.Limits.Seed = true, &downloader.SeedLimits{Ratio: 1}
	b.swarm.Fill("big", req.Dir)
	delivered := filepath.Join(b.daemon.Dir, "delivered.bin")
	if err := os.Link(tor.Path(req.Dir, 0), delivered); err != nil {
		t.Fatal(err)
	}
	r := b.add(req)
	r.assertFiles(r.await(downloader.PhaseSeeding), tor)
	b.daemon.Restart()
	b.driver = newDriver(t, settingsOf(b.daemon))
	r.assertFiles(r.await(downloader.PhaseSeeding), tor)
	b.swarm.Leech("big", tor.Total)
	r.assertFiles(r.await(downloader.PhaseComplete), tor)
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
	if n := links(info); n != 2 || fileSHA256(t, path) != tor.Files[0].SHA256 {
		t.Errorf("the delivered file has %d names, or other bytes", n)
	}
}

func links(info os.FileInfo) uint64 {
	s, _ := info.Sys().(*syscall.Stat_t)
	return uint64(s.Nlink) //nolint:unconvert // it is narrower on other systems
}

func TestFilesAreReportedToADriverThatIsNew(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	r := b.addTorrent("dead")
	for range 2 {
		r.awaitThat("the files", func(s downloader.Status) bool { return len(s.Files) == 1 && !s.Phase.HasData() })
		r.driver = newDriver(t, settingsOf(b.daemon))
	}
}

func TestMoreFilesOfWhatIsThere(t *testing.T) {
	t.Parallel()
	b := newBench(t, lab.SlowRate(16<<20))
	multi, slow := b.swarm.Torrent("multi"), b.swarm.Torrent("slowmulti")
	req := b.request(torrentSource(multi))
	req.Files = []int{0, 4}
	complete := b.add(req)
	req = b.request(torrentSource(slow))
	req.Files, req.Limits.Seed = []int{1}, &downloader.SeedLimits{}
	seeding := b.add(req)
	complete.await(downloader.PhaseComplete)
	seeding.await(downloader.PhaseSeeding)
	if err := b.driver.SelectFiles(t.Context(), complete.ref, []int{0, 1, 4}); err != nil {
		t.Fatal(err)
	}
	if err := b.driver.SelectFiles(t.Context(), seeding.ref, []int{0, 1}); err != nil {
		t.Fatal(err)
	}
	s := complete.awaitThat("more files", func(s downloader.Status) bool {
		return s.Phase == downloader.PhaseComplete && s.TotalBytes == 1000+300_000+3<<20
	})
	complete.assertFiles(s, multi, 0, 1, 4)
	s = seeding.awaitThat("more files", func(s downloader.Status) bool {
		return s.Phase == downloader.PhaseSeeding && s.TotalBytes == 16<<20
	})
	seeding.assertFiles(s, slow, 0, 1)
}

func TestAPrivateTorrentStaysPrivate(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for name, private := range map[string]bool{"private": true, "dead": false} {
		// The daemon keeps private torrents to their trackers by itself.
		b.addTorrent(name).assertFields(map[string]any{"isPrivate": private})
	}
}
