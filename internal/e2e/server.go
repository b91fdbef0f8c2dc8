// Package e2e runs the built haul server with real plugins and real daemons,
// and looks at it as its users do: by its command line, its REST interface and
// the files in their homes.
package e2e

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/haul-dl/haul/internal/lab"
)

// AdminPassword is that of every server here.
const AdminPassword = "correct horse battery staple"

// Binaries are what a test runs.
type Binaries struct {
	// Haul is the path of the server and command line.
	Haul string
	// Plugins is the directory with the plugins.
	Plugins string
}

var build = sync.OnceValues(func() (*Binaries, error) {
	dir, err := os.MkdirTemp("", "haul-e2e-*")
	if err != nil {
		return nil, err
	}
	b := &Binaries{Haul: filepath.Join(dir, "haul"), Plugins: filepath.Join(dir, "plugins")}
	if err := goBuild(b.Haul, "core/cmd/haul"); err != nil {
		return nil, err
	}
	mains, err := filepath.Glob("../../plugins/*/main.go")
	if err != nil {
		return nil, err
	}
	for _, main := range mains {
		name := filepath.Base(filepath.Dir(main))
		if err := goBuild(filepath.Join(b.Plugins, "haul-downloader-"+name), "plugins/"+name); err != nil {
			return nil, err
		}
	}
	return b, nil
})

func goBuild(out, dir string) error {
	msg, err := exec.Command("go", "build", "-o", out, "github.com/haul-dl/haul/"+dir).CombinedOutput()
	if err != nil {
		return fmt.Errorf("build %s: %w\n%s", dir, err, msg)
	}
	return nil
}

// Build builds the binaries once for all tests. Clean removes them.
func Build(t testing.TB) *Binaries {
	t.Helper()
	b, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Clean removes what Build made; TestMain calls it.
func Clean() {
	if b, err := build(); err == nil {
		_ = os.RemoveAll(filepath.Dir(b.Haul))
	}
}

// Server is a running haul.
type Server struct {
	t testing.TB
	// URL is where it listens.
	URL string
	// Data is its data directory.
	Data string
	// Token is an admin's.
	Token string

	bin  *Binaries
	args []string
	env  []string
	wrap []string
	cmd  *exec.Cmd
	done chan struct{}
	log  *os.File
}

// Options change how a server is started.
type Options struct {
	// Data is a data directory to use; empty makes one.
	Data string
	// Args are appended to the command line.
	Args []string
	// Env is appended to the environment. Without HAUL_RETRY_LIMIT in it haul
	// tries nothing again by itself, so that a test sees each failure.
	Env []string
	// Wrap is a command that runs the server, and becomes it.
	Wrap []string
	// AsInstalled leaves the server as the first start makes it: no login, and
	// the aria2 of its own free to use every network.
	AsInstalled bool
}

// Start starts a server, waits until it is ready and logs in. It ends with the
// test; its log is shown when the test fails.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	if o.Data == "" {
		o.Data = t.TempDir()
	}
	log, err := os.CreateTemp(t.TempDir(), "haul-*.log")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{t: t, Data: o.Data, bin: Build(t), args: o.Args, env: o.Env, wrap: o.Wrap, log: log}
	s.URL = "http://" + freeAddress(t)
	t.Cleanup(s.cleanup)
	s.Restart()
	if !o.AsInstalled {
		s.Token = s.Login("admin", AdminPassword)
		s.stayOnLoopback()
	}
	return s
}

// stayOnLoopback keeps the server's own aria2 off every network.
func (s *Server) stayOnLoopback() {
	s.t.Helper()
	before := s.WaitHealthy("aria2").PluginPID
	s.Must("PATCH", "/downloaders/aria2", map[string]any{
		"settings": map[string]any{"managed": map[string]any{"dht": false, "interface": "127.0.0.1"}},
	}, nil)
	WaitFor(s.t, 30*time.Second, "the plugin to take the new settings", func() bool {
		now := s.Downloader("aria2")
		return now.PluginPID != before && now.PluginPID != 0 && now.Health.State == "ok"
	})
}

// freeAddress is one for a server that may have to come back at it.
func freeAddress(t testing.TB) string {
	t.Helper()
	return fmt.Sprintf("127.0.0.1:%d", lab.FreePort(t))
}

// closedAddress is one that refuses connections.
func closedAddress(t testing.TB) string {
	t.Helper()
	return fmt.Sprintf("127.0.0.1:%d", lab.ClosedPort(t))
}

// Restart starts the server's process again, after Kill9 or Stop.
func (s *Server) Restart() {
	s.t.Helper()
	s.launch()
	s.waitReady()
}

func (s *Server) launch() {
	s.t.Helper()
	args := append(slices.Clone(s.wrap), s.bin.Haul, "serve", "--data", s.Data, "--listen", strings.TrimPrefix(s.URL, "http://"), "--plugins", s.bin.Plugins)
	args = append(args, s.args...)
	s.cmd = exec.Command(args[0], args[1:]...)
	s.cmd.Env = append(append(os.Environ(), "HAUL_ADMIN_PASSWORD="+AdminPassword, "HAUL_RETRY_LIMIT=0"), s.env...)
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.done = make(chan struct{})
	go func(cmd *exec.Cmd, done chan struct{}) {
		_ = cmd.Wait()
		close(done)
	}(s.cmd, s.done)
}

func (s *Server) waitReady() {
	s.t.Helper()
	WaitFor(s.t, 30*time.Second, "the server to be ready", func() bool {
		select {
		case <-s.done:
			s.t.Fatalf("the server ended at once:\n%s", s.Log())
		default:
		}
		resp, err := http.Get(s.URL + "/readyz")
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
}

// PID is the server's process.
func (s *Server) PID() int { return s.cmd.Process.Pid }

// Kill9 ends the server without a word.
func (s *Server) Kill9() {
	_ = s.cmd.Process.Kill()
	<-s.done
}

// Stop ends the server as an init system does, and returns how long it took.
func (s *Server) Stop() time.Duration {
	s.t.Helper()
	began := time.Now()
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-s.done:
	case <-time.After(20 * time.Second):
		s.Kill9()
		s.t.Error("the server did not end within 20 s of a SIGTERM")
	}
	return time.Since(began)
}

func (s *Server) cleanup() {
	select {
	case <-s.done:
	default:
		s.Stop()
	}
	if s.t.Failed() {
		s.t.Logf("the server's log:\n%s", s.Log())
	}
	_ = s.log.Close()
}

// Log returns everything that the server has logged.
func (s *Server) Log() string {
	b, err := os.ReadFile(s.log.Name())
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// Home is the folder of the admin's files.
func (s *Server) Home() string { return filepath.Join(s.Data, "files", "admin") }

// WaitFor looks until a condition holds.
func WaitFor(t testing.TB, within time.Duration, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(within); !holds(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("waited %s in vain for %s", within, what)
		}
	}
}
