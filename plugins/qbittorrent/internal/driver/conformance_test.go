package driver

import (
	"context"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/haul-dl/haul/internal/lab"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/plugintest"
)

func TestThePluginConformsInThisProcess(t *testing.T) {
	t.Parallel()
	conform(t, plugintest.Options{New: func() downloader.Plugin { return New() }})
}

func TestThePluginConformsThroughTheWire(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "haul-downloader-qbittorrent")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", path, "github.com/haul-dl/haul/plugins/qbittorrent").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	conform(t, plugintest.Options{Path: path})
}

func conform(t *testing.T, o plugintest.Options) {
	t.Helper()
	b := newBench(t, lab.SlowRate(8<<20))
	people := b.beside()
	o.Patience = patience
	o.Settings, o.WorkDir = []byte(b.settings()), b.q.Dir
	o.RestartDaemon = func(context.Context) error { b.q.Restart(); return nil }
	o.KillDaemon = func(context.Context) error { b.q.Kill9(); return nil }
	o.PauseByHand = func(ctx context.Context, job plugintest.HandJob) error { return people.Stop(ctx, job.InfoHash) }
	o.RemoveByHand = func(ctx context.Context, job plugintest.HandJob) error {
		return people.Delete(ctx, job.InfoHash, false)
	}
	for _, name := range []string{"big", "slowmulti"} {
		tor := b.swarm.Torrent(name)
		m := plugintest.Magnet{URI: tor.Magnet, InfoHash: tor.InfoHash}
		for i, f := range tor.Files {
			m.Files = append(m.Files, plugintest.MagnetFile{Path: filepath.ToSlash(tor.Path("", i)), SHA256: f.SHA256})
		}
		o.Magnets = append(o.Magnets, m)
	}
	plugintest.Run(t, o)
}
