package pluginhost

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/haul-dl/haul/sdk/errs"
)

func newWatchedRig(t *testing.T, plugins ...string) *rig {
	tune := testTuning()
	tune.watchQuiet = 100 * time.Millisecond
	return newRigWith(t, tune, Options{Watch: true}, plugins...)
}

// awaitPlugin waits until the catalogue has a plugin at a path, fit or not.
func (r *rig) awaitPlugin(path string, code errs.Code) Plugin {
	r.t.Helper()
	var found Plugin
	eventually(r.t, func() bool {
		for _, p := range r.Plugins() {
			if p.Path == path && errs.CodeOf(p.Err) == code {
				found = p
				return true
			}
		}
		return false
	}, func() string { return path + "\n" + r.logs.String() })
	return found
}

func TestAPluginThatIsDroppedInIsFound(t *testing.T) {
	drop := map[string]func(t *testing.T, r *rig) string{
		"by a copy in many pieces": func(t *testing.T, r *rig) string {
			b, err := os.ReadFile(builtPlugin)
			must(t, err)
			f, err := os.OpenFile(r.path("good"), os.O_CREATE|os.O_WRONLY, 0o755)
			must(t, err)
			for len(b) > 0 {
				n := min(len(b), 1<<20)
				_, err := f.Write(b[:n])
				must(t, err)
				b = b[n:]
			}
			must(t, f.Close())
			return r.path("good")
		},
		"by a rename": func(t *testing.T, r *rig) string {
			r.replace("good", builtPlugin)
			return r.path("good")
		},
		"with the folders of its version": func(t *testing.T, r *rig) string {
			path := filepath.Join(r.plugins, "good", "1.2.3", filePrefix+"good")
			must(t, os.MkdirAll(filepath.Dir(path), 0o755))
			must(t, os.Link(builtPlugin, path))
			return path
		},
		"into a folder that was not there": func(t *testing.T, r *rig) string {
			path := filepath.Join(r.dir, "none", filePrefix+"good")
			must(t, os.Mkdir(filepath.Dir(path), 0o755))
			must(t, os.Link(builtPlugin, path))
			return path
		},
		"into a folder that another has replaced": func(t *testing.T, r *rig) string {
			must(t, os.Mkdir(r.plugins+".new", 0o755))
			must(t, os.Rename(r.plugins, r.plugins+".old"))
			must(t, os.Rename(r.plugins+".new", r.plugins))
			r.awaitLog("looked for plugins")
			r.install("good")
			return r.path("good")
		},
	}
	for name, put := range drop {
		t.Run(name, func(t *testing.T) {
			r := newWatchedRig(t)
			in := r.start("good", `{}`)
			r.await(in, StateFailed)
			r.awaitPlugin(put(t, r), "")
			r.await(in, StateRunning)
			works(t, in)
		})
	}
}

func TestAFileThatIsStillWrittenIsLookedAtAgain(t *testing.T) {
	r := newWatchedRig(t)
	b, err := os.ReadFile(builtPlugin)
	must(t, err)
	f, err := os.OpenFile(r.path("good"), os.O_CREATE|os.O_WRONLY, 0o755)
	must(t, err)
	_, err = f.Write(b)
	must(t, err)
	if p := r.awaitPlugin(r.path("good"), errs.Unavailable); errs.MessageOf(p.Err) != "The plugin's file is still being written." {
		t.Errorf("found %v", p.Err)
	}
	must(t, f.Close()) // which nobody is told of
	r.awaitPlugin(r.path("good"), "")
}

func TestAPluginThatIsMendedOrRemovedIsSeen(t *testing.T) {
	r := newWatchedRig(t)
	b, err := os.ReadFile(builtPlugin)
	must(t, err)
	must(t, os.WriteFile(r.path("good"), b, 0o644))
	r.awaitPlugin(r.path("good"), errs.PluginIncompatible)
	must(t, os.Chmod(r.path("good"), 0o757))
	r.awaitPlugin(r.path("good"), errs.PluginUntrusted)
	must(t, os.Chmod(r.path("good"), 0o755))
	r.awaitPlugin(r.path("good"), "")
	must(t, os.Remove(r.path("good")))
	eventually(t, func() bool { return len(r.Plugins()) == 0 }, says("an empty catalogue"))
}

func TestAnUpgradeByTheWatcher(t *testing.T) {
	r := newWatchedRig(t, "good")
	in := r.startReady("good")
	load := startLoad(t, in)
	r.upgrade("good", "1.3.0")
	eventually(t, func() bool { return in.Status().Version == "1.3.0" }, func() string { return r.logs.String() })
	load.end(t)
}

func TestOtherFilesCauseNoLook(t *testing.T) {
	dir := t.TempDir()
	w := &watcher{dirs: []string{dir, filepath.Join(dir, "deep", "er")}}
	for path, want := range map[string]bool{
		filePrefix + "a": true, "a": true, "a/1.0.0": true, "a/1.0.0/" + filePrefix + "a": true, "deep": true, "": true,
		filePrefix + "a.new": false, "a/readme": false, "a/1.0.0/data": false, "Haul.db": false, "a/1.0.0/" + filePrefix + "b": false,
	} {
		if got := w.concerns(event(filepath.Join(dir, path))); got != want {
			t.Errorf("%s: %v", path, got)
		}
	}
}
