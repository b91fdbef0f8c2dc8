package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"os/exec"
	"testing"
	"time"
)

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
