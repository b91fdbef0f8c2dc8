package e2e

import (
	"bytes"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/haul-dl/haul/internal/lab"
)

// as returns the same server as somebody else sees it.
func (s *Server) as(token string) *Server {
	other := *s
	other.Token = token
	return &other
}

// makeUser makes a user and returns the server as they see it.
func makeUser(t *testing.T, s *Server, name string) *Server {
	t.Helper()
	s.Must("POST", "/users", map[string]string{"name": name, "password": "pw of " + name, "group": "users"}, nil)
	return s.as(s.Login(name, "pw of "+name))
}

func refused(t *testing.T, a *Answer, status int, code string) {
	t.Helper()
	var p Problem
	a.JSON(t, &p)
	if a.Status != status || p.Code != code {
		t.Errorf("status %d, %s; want %d, %s\n%s", a.Status, p.Code, status, code, a.Body)
	}
}

func TestUsersSeeNothingOfEachOther(t *testing.T) {
	t.Parallel()
	web := lab.StartWeb(t)
	s := Start(t, Options{})
	alice, bob := makeUser(t, s, "alice"), makeUser(t, s, "bob")
	done := alice.Add(web.URL + "/data/file.bin")[0]
	alice.WaitCompleted(time.Minute, done.ID)
	if _, err := os.Stat(filepath.Join(filepath.Dir(s.Home()), "alice", "file.bin")); err != nil {
		t.Error(err)
	}
	for _, request := range []struct {
		method, path string
		body         any
	}{
		{"GET", "", nil},
		{"PATCH", "", map[string]any{"name": "mine"}},
		{"DELETE", "", nil},
		{"POST", "/pause", nil},
		{"POST", "/resume", nil},
		{"POST", "/cancel", nil},
		{"POST", "/retry", nil},
		{"POST", "/retry", map[string]any{"destination": "x"}},
		{"POST", "/recheck", nil},
		{"GET", "/files", nil},
		{"GET", "/files/0/content", nil},
		{"GET", "/history", nil},
	} {
		a := bob.Do(request.method, "/tasks/"+done.ID+request.path, request.body)
		refused(t, a, http.StatusNotFound, "not_found")
		const none = "019aa000-0000-7000-8000-000000000000"
		missing := bob.Do(request.method, "/tasks/"+none+request.path, request.body)
		if strings.ReplaceAll(string(a.Body), done.ID, none) != string(missing.Body) {
			t.Errorf("%s %s tells that the task exists:\n%s\n%s", request.method, request.path, a.Body, missing.Body)
		}
	}
	if tasks := bob.Tasks(""); len(tasks) != 0 {
		t.Errorf("bob sees %+v", tasks)
	}
	for _, path := range []string{"/users", "/groups", "/users/alice"} {
		refused(t, bob.Do("GET", path, nil), http.StatusForbidden, "forbidden")
	}
	refused(t, bob.Do("POST", "/storages", map[string]any{"name": "mine", "kind": "local", "settings": map[string]string{"path": t.TempDir()}}),
		http.StatusForbidden, "forbidden")
	if a := bob.Do("GET", "/storages", nil); strings.Contains(string(a.Body), filepath.Dir(s.Home())) {
		t.Errorf("a user sees where the server keeps files: %s", a.Body)
	}
	alice.Must("GET", "/tasks/"+done.ID, nil, nil)
}

func TestAUserLeavesWhenTheirTasksHaveEnded(t *testing.T) {
	t.Parallel()
	web := lab.StartWeb(t)
	s := Start(t, Options{})
	alice := makeUser(t, s, "alice")
	task := alice.AddWith(map[string]any{"sources": []string{web.URL + "/data/file.bin"}, "paused": true})[0]
	refused(t, s.Do("DELETE", "/users/alice", nil), http.StatusConflict, "in_use")
	refused(t, s.Do("DELETE", "/users/admin", nil), http.StatusConflict, "last_admin")

	alice.Must("PATCH", "/me", map[string]string{"password": "another one", "current_password": "pw of alice"}, nil)
	refused(t, alice.Do("GET", "/me", nil), http.StatusUnauthorized, "unauthenticated")
	alice = s.as(s.Login("alice", "another one"))
	alice.Must("POST", "/tasks/"+task.ID+"/cancel", nil, nil)
	alice.WaitEnded(task.ID, 10*time.Second)
	s.Must("DELETE", "/users/alice", nil, nil)
	refused(t, alice.Do("GET", "/me", nil), http.StatusUnauthorized, "unauthenticated")
	var shown struct{ Owner string }
	s.Must("GET", "/tasks/"+task.ID, nil, &shown)
	if shown.Owner == "" {
		t.Error("the task of who is gone has no owner")
	}
}

func TestASourceIsInspectedWithoutATask(t *testing.T) {
	t.Parallel()
	swarm, web := lab.StartSwarm(t), lab.StartWeb(t)
	s := Start(t, Options{})
	multi := swarm.Torrent("multi")
	type info struct {
		Kind, Name  string
		InfoHash    string `json:"info_hash"`
		Size        *int64
		Files       []struct{ Path string }
		Resumable   bool
		Downloaders []string
	}
	inspect := func(source any) info {
		var out info
		s.Must("POST", "/sources/inspect", map[string]any{"source": source}, &out)
		return out
	}
	byURL := inspect(swarm.URL + "/torrents/multi.torrent")
	if byURL.Kind != "torrent" || byURL.InfoHash != multi.InfoHash || len(byURL.Files) != len(multi.Files) || len(byURL.Downloaders) == 0 {
		t.Errorf("the torrent by URL: %+v", byURL)
	}
	if magnet := inspect(multi.Magnet); magnet.Kind != "magnet" || magnet.InfoHash != multi.InfoHash || magnet.Files != nil {
		t.Errorf("the magnet link: %+v", magnet)
	}
	if file := inspect(web.URL + "/data/file.bin"); file.Kind != "http" || file.Name != "file.bin" || file.Size == nil || !file.Resumable {
		t.Errorf("the file: %+v", file)
	}
	uploaded := uploadForInspection(t, s, multi.Bytes)
	if uploaded.Status != http.StatusOK || !bytes.Contains(uploaded.Body, []byte(multi.InfoHash)) {
		t.Errorf("the upload: %d, %s", uploaded.Status, uploaded.Body)
	}
	refused(t, uploadForInspection(t, s, []byte("<html>")), http.StatusBadRequest, "invalid_torrent")
	refused(t, s.Do("POST", "/sources/inspect", map[string]any{"source": "nonsense"}), http.StatusBadRequest, "invalid_source")
	if tasks := s.Tasks(""); len(tasks) != 0 {
		t.Errorf("there are tasks: %+v", tasks)
	}
}

func uploadForInspection(t *testing.T, s *Server, torrent []byte) *Answer {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	part, err := w.CreateFormFile("torrent", "a.torrent")
	if err != nil {
		t.Fatal(err)
	}
	_, _ = part.Write(torrent) // a buffer takes all
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	a, err := s.try("POST", "/sources/inspect", &b, w.FormDataContentType())
	if err != nil {
		t.Fatal(err)
	}
	return a
}
