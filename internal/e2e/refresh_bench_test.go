package e2e

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"testing"
	"time"
)

// BenchmarkRefresh measures what a thousand active jobs cost at each look, one a
// second: in core, in the plugin. An aria2 loads a thousand files at 1 KiB/s, so
// that every job changes; the others look for the metadata of magnet links.
func BenchmarkRefresh(b *testing.B) {
	const active, looks = 1000, 20
	for name, start := range backends {
		b.Run(name, func(b *testing.B) {
			w := newWorkbench(b, start)
			w.server.Must("PATCH", "/downloaders/daemon", map[string]any{"max_active": active}, nil)
			sources, state := make([]string, active), "metadata"
			for i := range sources {
				sources[i] = randomMagnet(b)
				if w.loadsURLs {
					sources[i] = fmt.Sprintf("%s/slow/1024/%d/r%04d.bin", w.web.URL, 1<<20, i)
				}
			}
			if w.loadsURLs {
				state = "downloading"
			}
			w.server.WaitHealthy("daemon")
			w.server.AddWith(w.request("", map[string]any{"sources": sources}))
			WaitFor(b, 3*time.Minute, "all to be "+state, func() bool { return len(w.server.Tasks(state)) == active })
			time.Sleep(3 * time.Second)

			plugin := w.server.Downloader("daemon").PluginPID
			core, plug := CPUTime(b, w.server.PID()), CPUTime(b, plugin)
			time.Sleep(looks * time.Second)
			core, plug = CPUTime(b, w.server.PID())-core, CPUTime(b, plugin)-plug
			b.ReportMetric(float64(core.Milliseconds())/looks, "ms-core/refresh")
			b.ReportMetric(float64(plug.Milliseconds())/looks, "ms-plugin/refresh")
		})
	}
}

// randomMagnet returns the link of a torrent that nobody has.
func randomMagnet(t testing.TB) string {
	t.Helper()
	hash := make([]byte, 20)
	if _, err := rand.Read(hash); err != nil {
		t.Fatal(err)
	}
	return "magnet:?xt=urn:btih:" + hex.EncodeToString(hash)
}
