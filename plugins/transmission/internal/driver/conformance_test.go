package driver

import (
	"context"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/haul-dl/haul/internal/lab"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/plugintest"
	"github.com/haul-dl/haul/sdk/plugintest/conformance"
)

func TestThePluginConformsInThisProcess(t *testing.T) {
	conform(t, plugintest.Options{New: func() downloader.Plugin { return New() }})
}

func TestThePluginConformsThroughTheWire(t *testing.T) {
	path := filepath.Join(t.TempDir(), "haul-downloader-transmission")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", path, "github.com/haul-dl/haul/plugins/transmission").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	conform(t, plugintest.Options{Path: path})
}

func conform(t *testing.T, o plugintest.Options) {
	t.Helper()
	b := newBench(t, lab.SlowRate(8<<20))
	o.Patience = patience
	o.Settings, o.WorkDir = toJSON(t, settingsOf(b.daemon)), b.daemon.Dir
	o.RestartDaemon = func(context.Context) error { b.daemon.Restart(); return nil }
	o.KillDaemon = func(context.Context) error { b.daemon.Kill9(); return nil }
	o.PauseByHand = func(ctx context.Context, job plugintest.HandJob) error {
		// Whoever stops Transmission 3.00 before it has written anything makes it
		// believe that data is gone; then the job is added again.
		eventually(t, "some data", func() bool {
			r, err := b.driver.torrent(ctx, job.InfoHash)
			return err == nil && r != nil && r.left < r.size
		})
		return b.driver.client.Call(ctx, "torrent-stop", ids(job.InfoHash), nil)
	}
	o.RemoveByHand = func(ctx context.Context, job plugintest.HandJob) error {
		return b.driver.client.Call(ctx, "torrent-remove", ids(job.InfoHash), nil)
	}
	for _, name := range []string{"big", "slowmulti"} {
		o.Magnets = append(o.Magnets, magnetOf(b.swarm.Torrent(name)))
	}
	if server, err := b.driver.client.Server(t.Context()); err == nil && server.RPC == forgetsToLook {
		// 4.1.0-beta.2 does not get the last pieces from a web seed of which it was
		// told to load slowly.
		o.Only = slices.DeleteFunc(conformance.Cases(), func(name string) bool { return name == "limits/at-add/torrent" })
	}
	plugintest.Run(t, o)
}

func magnetOf(tor lab.Torrent) plugintest.Magnet {
	m := plugintest.Magnet{URI: tor.Magnet, InfoHash: tor.InfoHash}
	for i, f := range tor.Files {
		m.Files = append(m.Files, plugintest.MagnetFile{Path: filepath.ToSlash(tor.Path("", i)), SHA256: f.SHA256})
	}
	return m
}
