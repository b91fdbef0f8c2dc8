package e2e

import (
	"bytes"
	"encoding/base32"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/haul-dl/haul/internal/lab"
)

// TestBadRequestsAreRefusedAtOnce checks that each kind of bad input has a code
// and a hint of its own, and leaves nothing behind.
func TestBadRequestsAreRefusedAtOnce(t *testing.T) {
	s := Start(t, Options{})
	type object = map[string]any
	sources := func(uri any) object { return object{"sources": []any{uri}} }
	tests := []struct {
		name   string
		body   any
		status int
		code   string
	}{
		{"not a URL", sources("hello world"), 400, "invalid_source"},
		{"an empty source", sources(""), 400, "invalid_request"},
		{"a URL without a host", sources("http:///x"), 400, "invalid_source"},
		{"no sources", object{"sources": []any{}}, 400, "invalid_source"},
		{"a scheme that nobody knows", sources("gopher://example.org/x"), 400, "source_scheme_unsupported"},
		{"a local file", sources("file:///etc/passwd"), 400, "source_scheme_unsupported"},
		{"a magnet link without a hash", sources("magnet:?dn=x"), 400, "invalid_magnet"},
		{"a magnet link with a short hex hash", sources("magnet:?xt=urn:btih:abc"), 400, "invalid_magnet"},
		{"a magnet link with a bad base32 hash", sources("magnet:?xt=urn:btih:" + strings.Repeat("1", 32)), 400, "invalid_magnet"},
		{"a magnet link with a bad v2 hash", sources("magnet:?xt=urn:btmh:1220zz"), 400, "invalid_magnet"},
		{"a destination above the home", object{"sources": []any{"http://127.0.0.1:1/x"}, "destination": "../other"}, 400, "invalid_destination"},
		{"an absolute destination", object{"sources": []any{"http://127.0.0.1:1/x"}, "destination": "/etc"}, 400, "invalid_destination"},
		{"a storage that does not exist", object{"sources": []any{"http://127.0.0.1:1/x"}, "destination": object{"storage": "nowhere", "path": ""}}, 400, "invalid_destination"},
		{"an unknown field", object{"sources": []any{"http://127.0.0.1:1/x"}, "priority": 1}, 400, "unknown_field"},
		{"an unknown field of a source", object{"sources": []any{object{"uri": "http://127.0.0.1:1/x", "colour": 1}}}, 400, "unknown_field"},
		{"an unknown downloader", object{"sources": []any{"http://127.0.0.1:1/x"}, "downloader": "nobody"}, 400, "invalid_request"},
		{"a kind that does not fit", sources(object{"uri": "http://127.0.0.1:1/x", "kind": "magnet"}), 400, "invalid_source"},
		{"no JSON", strings.NewReader("{"), 400, "invalid_json"},
		{"a body over the limit", bytes.NewReader(append([]byte(`{"sources":["`), bytes.Repeat([]byte("x"), 2<<20)...)), 413, "body_too_large"},
		{"one good and one bad source", object{"sources": []any{"http://127.0.0.1:1/x", "nonsense"}}, 400, "invalid_source"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			assertProblem(t, s.Do("POST", "/tasks", tt.body), tt.status, tt.code)
		})
	}
	if tasks := s.Tasks(""); len(tasks) != 0 {
		t.Errorf("bad requests left %d tasks behind", len(tasks))
	}
}

func assertProblem(t *testing.T, a *Answer, status int, code string) {
	t.Helper()
	var p Problem
	a.JSON(t, &p)
	if a.Status != status || p.Code != code || p.Status != status {
		t.Errorf("status %d, code %q, want %d %q:\n%s", a.Status, p.Code, status, code, a.Body)
	}
	if p.Hint == "" || p.Title == "" || a.Header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("a problem needs a title, a hint and its content type: %s %s", a.Header.Get("Content-Type"), a.Body)
	}
}

func TestBadTorrentsAreRefusedAtOnce(t *testing.T) {
	swarm := lab.StartSwarm(t)
	s := Start(t, Options{Args: []string{"--torrent-limit", "1MiB"}})
	small := swarm.Torrent("small").Bytes
	tests := []struct {
		name   string
		bytes  []byte
		status int
		code   string
	}{
		{"a truncated torrent", small[:len(small)/2], 400, "invalid_torrent"},
		{"a web page", []byte("<!doctype html><title>404</title>"), 400, "invalid_torrent"},
		{"an empty file", nil, 400, "invalid_torrent"},
		{"trailing rubbish", append(bytes.Clone(small), 'x'), 400, "invalid_torrent"},
		{"a path with dots", swarm.Torrent("evil-dotdot").Bytes, 400, "unsafe_torrent"},
		{"a name with a slash", swarm.Torrent("evil-name").Bytes, 400, "unsafe_torrent"},
		{"a name of two dots", swarm.Torrent("evil-root").Bytes, 400, "unsafe_torrent"},
		{"an absolute path", swarm.Torrent("evil-abs").Bytes, 400, "unsafe_torrent"},
		{"a path with slashes inside", swarm.Torrent("evil-slash").Bytes, 400, "unsafe_torrent"},
		{"one over the limit", bytes.Repeat([]byte("d"), 1<<20+1), 413, "torrent_too_large"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			assertProblem(t, s.Upload("x.torrent", tt.bytes, nil), tt.status, tt.code)
		})
	}
	if tasks := s.Tasks(""); len(tasks) != 0 {
		t.Errorf("bad torrents left %d tasks behind", len(tasks))
	}
}

func TestEveryFormOfInfoHashIsTaken(t *testing.T) {
	s := Start(t, Options{})
	v1 := bytes.Repeat([]byte{0xab}, 20)
	for name, uri := range map[string]string{
		"hex":    "magnet:?xt=urn:btih:" + strings.Repeat("AB", 20),
		"base32": "magnet:?xt=urn:btih:" + base32.StdEncoding.EncodeToString(v1),
	} {
		t.Run(name, func(t *testing.T) {
			task := s.Add(uri)[0]
			if want := strings.Repeat("ab", 20); task.InfoHash != want {
				t.Errorf("info hash %q, want %q", task.InfoHash, want)
			}
			s.Must("DELETE", "/tasks/"+task.ID, nil, nil)
		})
	}
}

func TestADeadURLFailsWithItsReason(t *testing.T) {
	web, tls := lab.StartWeb(t), lab.StartTLSWeb(t)
	s := Start(t, Options{})
	tests := map[string]struct{ uri, code string }{
		"404":                      {web.URL + "/status/404", "source_not_found"},
		"403":                      {web.URL + "/status/403", "source_forbidden"},
		"500":                      {web.URL + "/status/500", "source_server_error"},
		"connection refused":       {"http://" + closedAddress(t) + "/x.bin", "source_unreachable"},
		"self-signed certificate":  {tls.URL + "/data/x.bin", "source_tls_error"},
		"a torrent that is a page": {web.URL + "/page.torrent", "invalid_torrent"},
		"a torrent that is gone":   {web.URL + "/status/404/x.torrent", "source_not_found"},
	}
	ids := map[string]string{}
	for name, tt := range tests {
		ids[name] = s.Add(tt.uri)[0].ID
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			task := s.WaitEnded(ids[name], 30*time.Second)
			if task.State != "failed" || task.Error == nil || task.Error.Code != tt.code || task.Error.Hint == "" {
				t.Errorf("%s, %+v, want failed with %s and a hint", task.State, task.Error, tt.code)
			}
		})
	}
	assertNothingLeft(t, s)
	if left, err := os.ReadDir(s.Home()); err == nil && len(left) > 0 {
		t.Errorf("the home holds %v", left)
	}
}

func TestADestinationThatCannotBeWrittenHoldsTheFile(t *testing.T) {
	web := lab.StartWeb(t)
	s := Start(t, Options{})
	if err := os.MkdirAll(s.Home(), 0o755); err != nil {
		t.Fatal(err)
	}
	blocked := filepath.Join(s.Home(), "blocked")
	if err := os.WriteFile(blocked, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	task := s.AddWith(map[string]any{"sources": []string{web.URL + "/slow/1000000/1000/a.bin"}, "destination": "blocked"})[0]
	WaitFor(t, 20*time.Second, "the task to be held", func() bool { return s.Task(task.ID).State == "held" })
	if held := s.Task(task.ID); held.Error == nil || held.Error.Code != "destination_not_writable" || held.Error.Hint == "" {
		t.Errorf("held for %+v", held.Error)
	}
	if err := os.Remove(blocked); err != nil {
		t.Fatal(err)
	}
	s.Must("POST", "/tasks/"+task.ID+"/retry", nil, nil)
	s.WaitCompleted(10*time.Second, task.ID)
	if _, err := os.Stat(filepath.Join(s.Home(), "blocked", "a.bin")); err != nil {
		t.Error(err)
	}
}

func TestEveryEndpointButLoginAndHealthNeedsAToken(t *testing.T) {
	s := Start(t, Options{AsInstalled: true})
	for _, path := range []string{"/me", "/tasks", "/downloaders", "/plugins", "/openapi.yaml"} {
		a := s.Do("GET", path, nil)
		assertProblem(t, a, http.StatusUnauthorized, "unauthenticated")
	}
	assertProblem(t, s.Do("POST", "/auth/login", map[string]string{"username": "admin", "password": "wrong"}), 401, "invalid_login")
	resp, err := http.Get(s.URL + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("/healthz: %d", resp.StatusCode)
	}
}
