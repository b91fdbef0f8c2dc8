package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/haul-dl/haul/internal/lab"
)

func fileSHA256(t testing.TB, path string) string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(h.Sum(nil))
}

func TestEachKindOfSourceEndsInTheHomeWithTheSameBytes(t *testing.T) {
	swarm := lab.StartSwarm(t)
	web := lab.StartWeb(t)
	s := Start(t, Options{})
	big := swarm.Torrent("big")
	multi := swarm.Torrent("multi")

	httpTask := s.Add(web.URL + "/data/file.bin")[0]
	magnet := s.AddWith(map[string]any{"sources": []string{multi.Magnet}, "destination": "music/new"})[0]
	var uploaded struct{ Items []Task }
	s.Upload("big.torrent", big.Bytes, nil).JSON(t, &uploaded)
	byURL := s.Add(swarm.URL + "/torrents/small.torrent")[0]

	s.WaitCompleted(time.Minute, httpTask.ID, magnet.ID, uploaded.Items[0].ID, byURL.ID)
	home := s.Home()
	if got := fileSHA256(t, filepath.Join(home, "file.bin")); got != web.SHA256("/data/file.bin") {
		t.Error("the HTTP file has other bytes")
	}
	if got := fileSHA256(t, filepath.Join(home, "big.bin")); got != big.Files[0].SHA256 {
		t.Error("the uploaded torrent's file has other bytes")
	}
	if got := fileSHA256(t, filepath.Join(home, "small.bin")); got != swarm.Torrent("small").Files[0].SHA256 {
		t.Error("the file of the torrent by URL has other bytes")
	}
	for i, f := range multi.Files {
		if got := fileSHA256(t, multi.Path(filepath.Join(home, "music/new"), i)); got != f.SHA256 {
			t.Errorf("%s has other bytes", f.Path)
		}
	}
	assertNothingLeft(t, s)
	assertOnlyWanted(t, home)
	assertContent(t, s, httpTask.ID, web.SHA256("/data/file.bin"))
}

// assertOnlyWanted checks that no control file came along.
func assertOnlyWanted(t *testing.T, home string) {
	t.Helper()
	err := filepath.WalkDir(home, func(path string, _ os.DirEntry, err error) error {
		if name := filepath.Base(path); strings.HasSuffix(name, ".aria2") || strings.HasSuffix(name, ".torrent") || strings.HasPrefix(name, ".haul") {
			t.Errorf("%s does not belong into a home", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func assertContent(t *testing.T, s *Server, id, sum string) {
	t.Helper()
	var files struct {
		Items []struct {
			Index int
			Path  string
			Size  int64
		}
	}
	s.Must("GET", "/tasks/"+id+"/files", nil, &files)
	if len(files.Items) != 1 || files.Items[0].Path != "file.bin" {
		t.Fatalf("files: %+v", files.Items)
	}
	a := s.Do("GET", "/tasks/"+id+"/files/0/content", nil)
	got := sha256.Sum256(a.Body)
	if hex.EncodeToString(got[:]) != sum {
		t.Error("the content has other bytes")
	}
	req, err := http.NewRequestWithContext(t.Context(), "GET", s.URL+"/api/v1/tasks/"+id+"/files/0/content", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+s.Token)
	req.Header.Set("Range", "bytes=10-19")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	part, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusPartialContent || string(part) != string(a.Body[10:20]) {
		t.Errorf("range request: status %d, %d bytes, %v", resp.StatusCode, len(part), err)
	}
}

func TestNothingThatExistsIsOverwritten(t *testing.T) {
	web := lab.StartWeb(t)
	s := Start(t, Options{})
	if err := os.MkdirAll(s.Home(), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.Home(), "file.bin"), []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		s.WaitCompleted(30*time.Second, s.Add(web.URL + "/data/file.bin")[0].ID)
	}
	if mine, err := os.ReadFile(filepath.Join(s.Home(), "file.bin")); err != nil || string(mine) != "mine" {
		t.Errorf("file.bin was touched: %q, %v", mine, err)
	}
	for _, name := range []string{"file (1).bin", "file (2).bin"} {
		if fileSHA256(t, filepath.Join(s.Home(), name)) != web.SHA256("/data/file.bin") {
			t.Errorf("%s has other bytes", name)
		}
	}
}

func TestATaskCanBeCanceledRetriedAndDeleted(t *testing.T) {
	web := lab.StartWeb(t)
	s := Start(t, Options{})
	task := s.Add(web.URL + "/slow/100000/1000000/a.bin")[0]
	WaitFor(t, 20*time.Second, "it to load", func() bool { return s.Task(task.ID).State == "downloading" })
	s.Must("POST", "/tasks/"+task.ID+"/cancel", nil, nil)
	if got := s.WaitEnded(task.ID, 10*time.Second); got.State != "canceled" {
		t.Fatalf("state %s", got.State)
	}
	assertNothingLeft(t, s)
	assertProblem(t, s.Do("POST", "/tasks/"+task.ID+"/cancel", nil), 409, "wrong_state")
	s.Must("POST", "/tasks/"+task.ID+"/retry", nil, nil)
	s.WaitCompleted(30*time.Second, task.ID)
	if got := s.Task(task.ID); got.Attempt != 2 {
		t.Errorf("attempt %d", got.Attempt)
	}
	s.Must("DELETE", "/tasks/"+task.ID+"?data=delete", nil, nil)
	assertProblem(t, s.Do("GET", "/tasks/"+task.ID, nil), 404, "not_found")
	if _, err := os.Stat(filepath.Join(s.Home(), "a.bin")); !os.IsNotExist(err) {
		t.Errorf("the file should be gone: %v", err)
	}
}

func TestARequestThatIsRepeatedMakesNoSecondTask(t *testing.T) {
	web := lab.StartWeb(t)
	s := Start(t, Options{})
	post := func(uri string) *Answer {
		req, err := http.NewRequestWithContext(t.Context(), "POST", s.URL+"/api/v1/tasks", strings.NewReader(`{"sources":["`+uri+`"]}`))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+s.Token)
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Idempotency-Key", "k1")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		raw, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return &Answer{resp.StatusCode, resp.Header, raw}
	}
	var first, second struct{ Items []Task }
	post(web.URL+"/data/a.bin").JSON(t, &first)
	post(web.URL+"/data/a.bin").JSON(t, &second)
	if len(first.Items) != 1 || len(second.Items) != 1 || first.Items[0].ID != second.Items[0].ID {
		t.Errorf("got %+v and %+v", first.Items, second.Items)
	}
	assertProblem(t, post(web.URL+"/data/b.bin"), 409, "idempotency_key_reused")
	if n := len(s.Tasks("")); n != 1 {
		t.Errorf("%d tasks", n)
	}
}

func TestTheCommandLineDownloadsAFile(t *testing.T) {
	web := lab.StartWeb(t)
	s := Start(t, Options{})
	out, code := s.CLI("add", web.URL+"/data/file.bin", "--to", "x", "--wait")
	if code != 0 {
		t.Fatalf("exit code %d:\n%s", code, out)
	}
	if fileSHA256(t, filepath.Join(s.Home(), "x", "file.bin")) != web.SHA256("/data/file.bin") {
		t.Error("the file has other bytes")
	}
	if out, code = s.CLI("ls"); code != 0 || !strings.Contains(out, "file.bin") || !strings.Contains(out, "completed") {
		t.Errorf("ls, exit code %d:\n%s", code, out)
	}
	if out, code = s.CLI("add", "nonsense"); code != 1 || !strings.Contains(out, "invalid_source") {
		t.Errorf("add nonsense, exit code %d:\n%s", code, out)
	}
	if out, code = s.CLI("show", "00000000-0000-7000-8000-000000000000"); code != 3 {
		t.Errorf("show of nothing, exit code %d:\n%s", code, out)
	}
	if out, code = s.CLI("add", web.URL+"/status/404", "--wait"); code != 1 || !strings.Contains(out, "source_not_found") {
		t.Errorf("add of a dead URL, exit code %d:\n%s", code, out)
	}
	if out, code = s.CLI("plugin", "ls"); code != 0 || !strings.Contains(out, "aria2") {
		t.Errorf("plugin ls, exit code %d:\n%s", code, out)
	}
	if out, code = s.CLI("downloader", "test", "aria2"); code != 0 {
		t.Errorf("downloader test, exit code %d:\n%s", code, out)
	}
}

func TestTheServerDoesNotLogSecretsOrURLs(t *testing.T) {
	web := lab.StartWeb(t)
	s := Start(t, Options{})
	s.WaitCompleted(30*time.Second, s.Add(web.URL + "/data/very-private-name.bin")[0].ID)
	for _, secret := range []string{AdminPassword, s.Token, "very-private-name", web.URL} {
		if strings.Contains(s.Log(), secret) {
			t.Errorf("the log holds %q", secret)
		}
	}
}
