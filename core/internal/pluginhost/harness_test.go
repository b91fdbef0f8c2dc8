package pluginhost

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/haul-dl/haul/sdk/downloader"
)

const (
	filePrefix    = "haul-downloader-"
	storagePrefix = "haul-storage-"
)

// builtPlugin is the path of the misbehaving plugin, built once.
var builtPlugin string

func TestMain(m *testing.M) {
	if dir := os.Getenv(hostDirEnv); dir != "" {
		runAsHost(dir)
		return
	}
	os.Exit(buildAndRun(m))
}

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "pluginhost")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	builtPlugin = filepath.Join(dir, "badplugin")
	build := exec.Command("go", "build", "-ldflags=-s -w", "-o", builtPlugin, "./testdata/badplugin")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the plugin: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// patience is how long a test waits for what must happen; the machine may be busy.
const patience = 30 * time.Second

// testTuning makes everything that repeats quick, and leaves what only a
// failure waits for long.
func testTuning() tuning {
	t := defaultTuning()
	t.healthEvery = 20 * time.Millisecond
	t.killGrace = 500 * time.Millisecond
	t.restart.first = time.Millisecond
	t.restart.min = 5 * time.Millisecond
	t.restart.max = 20 * time.Millisecond
	return t
}

// rig is a host with some plugins.
type rig struct {
	*Host
	t       *testing.T
	dir     string
	plugins string
	logs    *logBuffer

	mu      sync.Mutex // guards changes
	changes int
}

func newRig(t *testing.T, tune tuning, plugins ...string) *rig {
	t.Helper()
	return newRigWith(t, tune, Options{}, plugins...)
}

// newRigWith makes a host with some options of its own.
func newRigWith(t *testing.T, tune tuning, o Options, plugins ...string) *rig {
	t.Helper()
	r := &rig{t: t, dir: t.TempDir(), logs: &logBuffer{}}
	r.plugins = filepath.Join(r.dir, "plugins")
	must(t, os.Mkdir(r.plugins, 0o755))
	for _, name := range plugins {
		r.install(name)
	}
	r.Host = r.open(tune, o)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		must(t, r.Close(ctx))
	})
	must(t, r.Rescan(t.Context()))
	return r
}

func (r *rig) open(tune tuning, o Options) *Host {
	r.t.Helper()
	o.Dirs = []string{filepath.Join(r.dir, "none"), r.plugins}
	o.RuntimeDir, o.StateDir = filepath.Join(r.dir, "run"), filepath.Join(r.dir, "state")
	o.Logger = hclog.New(&hclog.LoggerOptions{Level: hclog.Trace, Output: r.logs})
	o.OnChange = func(string) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.changes++
	}
	h, err := newHost(o, tune)
	must(r.t, err)
	return h
}

func (r *rig) path(name string) string { return filepath.Join(r.plugins, filePrefix+name) }

// install puts the plugin there under a name, by a link: it is large.
func (r *rig) install(name string) {
	r.t.Helper()
	must(r.t, os.Link(builtPlugin, r.path(name)))
}

// replace puts another binary there, as an installer does, with bytes at its
// end that change nothing but its hash.
func (r *rig) replace(name, plugin string) {
	r.t.Helper()
	b, err := os.ReadFile(plugin)
	must(r.t, err)
	tmp := r.path(name) + ".new"
	must(r.t, os.WriteFile(tmp, append(b, "another build"...), 0o755))
	must(r.t, os.Rename(tmp, r.path(name)))
}

// upgrade puts a newer version there, as replace does.
func (r *rig) upgrade(name, version string) {
	r.t.Helper()
	b, err := os.ReadFile(builtPlugin)
	must(r.t, err)
	tmp := r.path(name) + ".new"
	must(r.t, os.WriteFile(tmp, append(b, "version="+version...), 0o755))
	must(r.t, os.Rename(tmp, r.path(name)))
}

func (r *rig) start(plugin, settings string) *Instance {
	r.t.Helper()
	return r.Open(Spec{ID: "id-" + plugin, Name: "my-" + plugin, Plugin: plugin, Settings: []byte(settings), MaxActive: 3})
}

// startReady waits until the plugin runs.
func (r *rig) startReady(plugin string) *Instance {
	r.t.Helper()
	in := r.start(plugin, `{}`)
	r.await(in, StateRunning)
	return in
}

func (r *rig) await(in *Instance, want State) Status {
	r.t.Helper()
	eventually(r.t, func() bool { return in.Status().State == want },
		func() string { return fmt.Sprintf("state %s, is %+v\n%s", want, in.Status(), r.logs) })
	return in.Status()
}

// awaitRestart waits until another process than pid runs.
func (r *rig) awaitRestart(in *Instance, pid int) Status {
	r.t.Helper()
	var s Status
	eventually(r.t, func() bool {
		s = in.Status()
		return s.State == StateRunning && s.PID != pid && s.PID != 0
	}, func() string { return fmt.Sprintf("restart, is %+v\n%s", s, r.logs) })
	return s
}

// do makes the plugin do something.
func do(t *testing.T, in *Instance, what string) (downloader.Ref, error) {
	t.Helper()
	return in.Driver().Add(t.Context(), downloader.AddRequest{
		JobID: "job", Dir: "/nowhere", Source: downloader.Source{Kind: downloader.SourceHTTP, URI: what},
	})
}

func mustDo(t *testing.T, in *Instance, what string) string {
	t.Helper()
	ref, err := do(t, in, what)
	must(t, err)
	return string(ref.Opaque)
}

// works checks that calls get through.
func works(t *testing.T, in *Instance) {
	t.Helper()
	got, err := in.Driver().Check(t.Context(), []downloader.Ref{{JobID: "a"}})
	must(t, err)
	if len(got) != 1 || got[0].Phase != downloader.PhaseDownloading {
		t.Fatalf("Check answers %+v", got)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func eventually(t *testing.T, ok func() bool, want func() string) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); <-tick.C {
		if ok() {
			return
		}
	}
	t.Fatalf("did not happen: %s", want())
}

// says returns a fixed text for eventually.
func says(text string) func() string { return func() string { return text } }

// isGone reports whether a process has ended; a zombie has.
func isGone(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return true
	}
	return strings.HasPrefix(string(stat[bytes.LastIndexByte(stat, ')')+1:]), " Z")
}

type logBuffer struct {
	mu  sync.Mutex // guards buf
	buf bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// awaitLog waits for a line with all parts.
func (r *rig) awaitLog(parts ...string) string {
	r.t.Helper()
	var found string
	eventually(r.t, func() bool {
		for line := range strings.Lines(r.logs.String()) {
			if hasAll(line, parts) {
				found = line
				return true
			}
		}
		return false
	}, func() string { return fmt.Sprintf("log line with %q\n%.4000s", parts, r.logs) })
	return found
}

func hasAll(s string, parts []string) bool {
	for _, p := range parts {
		if !strings.Contains(s, p) {
			return false
		}
	}
	return true
}
