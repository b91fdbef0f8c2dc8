package crash

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

var (
	points = flag.Int("points", 20, "how many crashes")
	seed   = flag.Uint64("seed", 0, "of what is random; 0 chooses one")
	worlds = flag.Int("worlds", 3, "how many servers at once")
	bound  = flag.Duration("bound", 25*time.Second, "no crash after this time")
	keep   = flag.String("keep", filepath.Join(os.TempDir(), "haul-crash"), "`DIR` for what went wrong")
)

func TestMain(m *testing.M) {
	flag.Parse()
	// They wait for processes, not for processors.
	if err := flag.Set("test.parallel", strconv.Itoa(*worlds)); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// round is how many crashes happen, at most, before everything is let come to
// its end and looked at.
const round = 20

// TestCrashes kills core, plugins and daemons again and again.
func TestCrashes(t *testing.T) {
	if *seed == 0 {
		*seed = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d", *seed)
	bin := buildAll(t)
	r := newReport(t, *seed, *keep)
	defer r.finish(t)
	until := r.begun.Add(*bound)
	t.Run("worlds", func(t *testing.T) {
		for i := range *worlds {
			t.Run(fmt.Sprint(i), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, i, bin, r, *seed+uint64(i))
				for r.count() < *points && time.Now().Before(until) && len(r.violations) < 20 {
					for range 4 + w.random.IntN(round-4) {
						if w.crash(); r.count() >= *points || time.Now().After(until) {
							break
						}
					}
					w.settle()
				}
				w.bow()
			})
		}
	})
}

// bow ends the server as an init system does.
func (w *world) bow() {
	if !w.server.alive() {
		w.violate("the server has died by itself")
		return
	}
	if !w.server.stop() {
		w.violate("the server did not end after a SIGTERM")
	}
	for _, line := range w.server.errorsLogged() {
		w.t.Logf("logged: %s", line)
	}
}
