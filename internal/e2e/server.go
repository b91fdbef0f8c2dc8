// Package e2e runs the built haul server with real plugins and real daemons,
// and looks at it as its users do: by its command line, its REST interface and
// the files in their homes.
package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
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
	for out, pkg := range map[string]string{
		b.Haul: "github.com/haul-dl/haul/core/cmd/haul",
		filepath.Join(b.Plugins, "haul-downloader-aria2"): "github.com/haul-dl/haul/plugins/aria2",
	} {
		if msg, err := exec.Command("go", "build", "-o", out, pkg).CombinedOutput(); err != nil {
			return nil, fmt.Errorf("build %s: %w\n%s", pkg, err, msg)
		}
	}
	return b, nil
})

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
	// Env is appended to the environment.
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

func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
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
	s.cmd.Env = append(append(os.Environ(), "HAUL_ADMIN_PASSWORD="+AdminPassword), s.env...)
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

// Answer is what the server said.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// JSON decodes the body.
func (a *Answer) JSON(t testing.TB, into any) {
	t.Helper()
	if err := json.Unmarshal(a.Body, into); err != nil {
		t.Fatalf("status %d, %v:\n%s", a.Status, err, a.Body)
	}
}

// Problem is an error as the server says it.
type Problem struct {
	Status int
	Title  string
	Detail string
	Code   string
	Hint   string
	Errors []struct{ Field, Message string }
}

// Do makes a request below /api/v1; body is JSON-encoded unless it is a reader.
func (s *Server) Do(method, path string, body any) *Answer {
	s.t.Helper()
	a, err := s.try(method, path, body, "application/json")
	if err != nil {
		s.t.Fatal(err)
	}
	return a
}

func (s *Server) try(method, path string, body any, contentType string) (*Answer, error) {
	var r io.Reader
	switch b := body.(type) {
	case nil:
	case io.Reader:
		r = b
	default:
		raw, err := json.Marshal(b)
		if err != nil {
			return nil, err
		}
		r = bytes.NewReader(raw)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, s.URL+"/api/v1"+path, r)
	if err != nil {
		return nil, err
	}
	if r != nil {
		req.Header.Set("Content-Type", contentType)
	}
	if s.Token != "" {
		req.Header.Set("Authorization", "Bearer "+s.Token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	return &Answer{resp.StatusCode, resp.Header, raw}, err
}

// Must makes a request that has to succeed.
func (s *Server) Must(method, path string, body, into any) {
	s.t.Helper()
	a := s.Do(method, path, body)
	if a.Status/100 != 2 {
		s.t.Fatalf("%s %s: status %d\n%s", method, path, a.Status, a.Body)
	}
	if into != nil {
		a.JSON(s.t, into)
	}
}

// Login returns a token.
func (s *Server) Login(name, password string) string {
	s.t.Helper()
	var out struct{ Token string }
	s.Must("POST", "/auth/login", map[string]string{"username": name, "password": password}, &out)
	return out.Token
}

// Task is a task as the server shows it.
type Task struct {
	ID, Name, State, Wish, Node, Downloader string
	InfoHash                                string `json:"info_hash"`
	Waiting                                 *struct{ Code, Message string }
	Error                                   *struct{ Code, Message, Hint string }
	Progress                                struct {
		TotalBytes   int64 `json:"total_bytes"`
		DoneBytes    int64 `json:"done_bytes"`
		DownloadRate int64 `json:"download_rate"`
	}
	CompletedAt *time.Time `json:"completed_at"`
	Attempt     int
}

// Ended reports whether nothing more happens to the task.
func (t *Task) Ended() bool {
	return t.State == "completed" || t.State == "failed" || t.State == "canceled"
}

// Add creates tasks.
func (s *Server) Add(sources ...string) []Task {
	s.t.Helper()
	return s.AddWith(map[string]any{"sources": sources})
}

// AddWith creates tasks from a whole request.
func (s *Server) AddWith(request map[string]any) []Task {
	s.t.Helper()
	var out struct{ Items []Task }
	s.Must("POST", "/tasks", request, &out)
	return out.Items
}

// Upload creates a task from a torrent file.
func (s *Server) Upload(name string, torrent []byte, request map[string]any) *Answer {
	s.t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	if request != nil {
		raw, err := json.Marshal(request)
		if err != nil {
			s.t.Fatal(err)
		}
		if err := w.WriteField("request", string(raw)); err != nil {
			s.t.Fatal(err)
		}
	}
	part, err := w.CreateFormFile("torrent", name)
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := part.Write(torrent); err != nil {
		s.t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		s.t.Fatal(err)
	}
	a, err := s.try("POST", "/tasks", &b, w.FormDataContentType())
	if err != nil {
		s.t.Fatal(err)
	}
	return a
}

// Task returns one task.
func (s *Server) Task(id string) Task {
	s.t.Helper()
	var out Task
	s.Must("GET", "/tasks/"+id, nil, &out)
	return out
}

// Tasks returns all tasks in a state, or all with "".
func (s *Server) Tasks(state string) []Task {
	s.t.Helper()
	var all []Task
	for cursor := ""; ; {
		var page struct {
			Items      []Task
			NextCursor string `json:"next_cursor"`
		}
		path := "/tasks?limit=1000&cursor=" + cursor
		if state != "" {
			path += "&state=" + state
		}
		s.Must("GET", path, nil, &page)
		all = append(all, page.Items...)
		if page.NextCursor == "" {
			return all
		}
		cursor = page.NextCursor
	}
}

// WaitEnded waits until a task has ended, and returns it.
func (s *Server) WaitEnded(id string, within time.Duration) Task {
	s.t.Helper()
	var task Task
	WaitFor(s.t, within, "task "+id+" to end", func() bool {
		task = s.Task(id)
		return task.Ended()
	})
	return task
}

// WaitCompleted waits until tasks are completed; one that fails fails the test.
func (s *Server) WaitCompleted(within time.Duration, ids ...string) {
	s.t.Helper()
	deadline := time.Now().Add(within)
	for _, id := range ids {
		task := s.WaitEnded(id, max(time.Until(deadline), time.Second))
		if task.State != "completed" {
			s.t.Fatalf("task %s (%s): %s, %+v", id, task.Name, task.State, task.Error)
		}
	}
}

// Downloader is a downloader as the server shows it.
type Downloader struct {
	ID, Name, Plugin string
	Health           struct{ State, Code, Message, Version string }
	PluginPID        int `json:"plugin_pid"`
	Restarts         int
}

// Downloader returns one downloader.
func (s *Server) Downloader(name string) Downloader {
	s.t.Helper()
	var out Downloader
	s.Must("GET", "/downloaders/"+name, nil, &out)
	return out
}

// WaitHealthy waits until a downloader can take jobs.
func (s *Server) WaitHealthy(name string) Downloader {
	s.t.Helper()
	var d Downloader
	WaitFor(s.t, 30*time.Second, "downloader "+name+" to be well", func() bool {
		a := s.Do("GET", "/downloaders/"+name, nil)
		if a.Status != http.StatusOK {
			return false
		}
		a.JSON(s.t, &d)
		return d.Health.State == "ok"
	})
	return d
}

// CLI runs the command line against the server and returns what it printed and
// its exit code.
func (s *Server) CLI(args ...string) (string, int) {
	s.t.Helper()
	cmd := exec.Command(s.bin.Haul, args...)
	cmd.Env = append(os.Environ(), "HAUL_URL="+s.URL, "HAUL_TOKEN="+s.Token, "HOME="+s.t.TempDir())
	out, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		s.t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

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

// Children returns the processes below a process, from /proc.
func Children(t testing.TB, pid int) []int {
	t.Helper()
	var out []int
	dirs, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, stat := range dirs {
		raw, err := os.ReadFile(stat)
		if err != nil {
			continue // it has ended
		}
		fields := strings.Fields(string(raw[bytes.LastIndexByte(raw, ')')+1:]))
		if len(fields) < 2 || fields[1] != strconv.Itoa(pid) {
			continue
		}
		child, err := strconv.Atoi(filepath.Base(filepath.Dir(stat)))
		if err != nil {
			continue
		}
		out = append(out, child)
		out = append(out, Children(t, child)...)
	}
	return out
}
