package lab

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// client adds torrents to a daemon by its own interface.
type client interface {
	addMagnet(t *testing.T, link string)
	addTorrent(t *testing.T, raw []byte)
	dir() string
}

func TestEachClientLoadsEachKindOfTorrent(t *testing.T) {
	for name, start := range map[string]func(*testing.T) client{
		"aria2": startAria2Client, "qBittorrent": startQBittorrentClient, "Transmission": startTransmissionClient,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			swarm := StartSwarm(t)
			c := start(t)
			c.addMagnet(t, swarm.Torrent("multi").Magnet)
			c.addTorrent(t, swarm.Torrent("small").Bytes)
			c.addTorrent(t, swarm.Torrent("web").Bytes)
			c.addTorrent(t, swarm.Torrent("webmulti").Bytes)
			for _, torrent := range []string{"web", "webmulti", "small", "multi"} {
				waitForFiles(t, c.dir(), swarm.Torrent(torrent))
			}
			if n := swarm.Counts("multi"); n.Announces == 0 || n.Metadata == 0 || n.Blocks == 0 {
				t.Errorf("counted %+v", n)
			}
			if n := swarm.Counts("web"); n != (Counts{}) {
				t.Errorf("a torrent without a tracker counted %+v", n)
			}
		})
	}
}

// waitForFiles waits until a torrent's files are there, whole. It looks for
// their bytes: Transmission 3 changes some characters of names, and makes no
// empty files.
func waitForFiles(t *testing.T, dir string, torrent Torrent) {
	t.Helper()
	waitFor(t, time.Minute, "the files of "+torrent.Name, func() bool {
		found := digestsBelow(t, filepath.Join(dir, torrent.Root))
		return !slices.ContainsFunc(torrent.Files, func(f File) bool { return f.Size > 0 && !found[f.SHA256] })
	})
}

func digestsBelow(t *testing.T, dir string) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // not yet, or renamed meanwhile
		}
		if err != nil || e.IsDir() {
			return err
		}
		raw, err := os.ReadFile(path)
		if err == nil {
			found[digest(raw)] = true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// waitFor looks until a condition holds.
func waitFor(t *testing.T, within time.Duration, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(within); !holds(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("waited %s in vain for %s", within, what)
		}
	}
}

func TestMisbehavingPeersMisbehave(t *testing.T) {
	swarm := StartSwarm(t)
	c := startAria2Client(t)
	c.addMagnet(t, swarm.Torrent("metastall").Magnet)
	c.addTorrent(t, swarm.Torrent("stall").Bytes)
	c.addTorrent(t, swarm.Torrent("corrupt").Bytes)
	c.addTorrent(t, swarm.Torrent("dead").Bytes)
	waitFor(t, time.Minute, "all of them to be asked", func() bool {
		return swarm.Counts("metastall").Metadata > 0 && swarm.Counts("stall").Blocks > 0 &&
			swarm.Counts("corrupt").Blocks > 64 && swarm.Counts("dead").Announces > 0
	})
	if n := swarm.Counts("dead"); n.Dials+n.Accepts > 0 {
		t.Errorf("dead has a peer: %+v", n)
	}
}

func TestASlowTorrentIsSlow(t *testing.T) {
	swarm := StartSwarm(t, SlowRate(256<<10))
	c := startAria2Client(t)
	began := time.Now()
	c.addTorrent(t, swarm.Torrent("slow").Bytes)
	waitFor(t, time.Minute, "the first 512 KiB", func() bool { return swarm.Counts("slow").Blocks >= 32 })
	if took := time.Since(began); took < 1500*time.Millisecond {
		t.Errorf("512 KiB at 256 KiB/s took %s", took)
	}
}
