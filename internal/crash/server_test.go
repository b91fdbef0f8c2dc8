package crash

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/haul-dl/haul/internal/lab"
)

const password = "correct horse battery staple"

// server is a haul that may die at any time.
type server struct {
	t    *testing.T
	bin  binaries
	dir  string // of everything that it keeps
	addr string
	args []string

	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
	log  string        // path of its log
	from int64         // where the log of this run begins
}

func newServer(t *testing.T, bin binaries, dir string, args ...string) *server {
	t.Helper()
	s := &server{t: t, bin: bin, dir: dir, addr: fmt.Sprintf("127.0.0.1:%d", lab.FreePort(t)), args: args, log: filepath.Join(dir, "haul.log")}
	t.Cleanup(s.kill)
	return s
}

func (s *server) url() string  { return "http://" + s.addr }
func (s *server) data() string { return filepath.Join(s.dir, "data") }

// start starts it with a plan of its death; "" is none.
func (s *server) start(failpoint string) {
	s.t.Helper()
	log, err := os.OpenFile(s.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		s.t.Fatal(err)
	}
	defer log.Close()
	if s.from, err = log.Seek(0, 2); err != nil {
		s.t.Fatal(err)
	}
	args := []string{"serve", "--data", s.data(), "--listen", s.addr, "--plugins", s.bin.plugins}
	cmd := exec.Command(s.bin.haul, append(args, s.args...)...)
	cmd.Env = append(os.Environ(), "HAUL_ADMIN_PASSWORD="+password, "HAUL_FAILPOINT="+failpoint)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	done := make(chan struct{})
	s.cmd, s.done = cmd, done
	go func() {
		_ = cmd.Wait() // it is killed most of the time
		close(done)
	}()
}

func (s *server) alive() bool {
	if s.cmd == nil {
		return false
	}
	select {
	case <-s.done:
		return false
	default:
		return true
	}
}

func (s *server) kill() {
	if s.alive() {
		_ = s.cmd.Process.Kill()
		<-s.done
	}
}

// stop ends it as an init system does, and reports whether it did so in time.
func (s *server) stop() bool {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-s.done:
		return true
	case <-time.After(15 * time.Second):
		s.kill()
		return false
	}
}

// waitReady reports whether it became ready before it died.
func (s *server) waitReady(within time.Duration) bool {
	for deadline := time.Now().Add(within); s.alive() && time.Now().Before(deadline); time.Sleep(tick) {
		resp, err := http.Get(s.url() + "/readyz")
		if err != nil {
			continue
		}
		_ = resp.Body.Close()
		if resp.StatusCode == http.StatusOK {
			return true
		}
	}
	return false
}

// diedAt returns the failpoint at which the last run ended; "" for none.
func (s *server) diedAt() string {
	raw, err := os.ReadFile(s.log)
	if err != nil {
		s.t.Fatal(err)
	}
	for line := range strings.Lines(string(raw[s.from:])) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "failpoint: "); ok {
			return name
		}
	}
	return ""
}

// errorsLogged returns the lines of level error, and of panics.
func (s *server) errorsLogged() []string {
	raw, err := os.ReadFile(s.log)
	if err != nil {
		return []string{err.Error()}
	}
	var out []string
	for line := range bytes.Lines(raw) {
		if bytes.Contains(line, []byte("[ERROR]")) || bytes.HasPrefix(line, []byte("panic:")) {
			out = append(out, strings.TrimSpace(string(line)))
		}
	}
	return out
}

// jobs is the folder of the jobs' directories.
func (s *server) jobs() string {
	if len(s.args) == 2 {
		return s.args[1]
	}
	return filepath.Join(s.data(), "node", "jobs")
}
