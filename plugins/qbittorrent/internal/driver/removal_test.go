package driver

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

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
