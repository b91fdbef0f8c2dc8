package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/haul-dl/haul/internal/lab"
)

// startWithPython starts a server that finds the Python example beside the
// plugins that come with haul.
func startWithPython(t *testing.T) *Server {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.Command("make", "-C", "../../sdk/examples/python", "OUT="+dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build the Python example: %v\n%s", err, out)
	}
	s := Start(t, Options{Args: []string{"--plugins", dir}})
	s.WaitHealthy(python)
	return s
}

const python = "python-http"

func addToPython(s *Server, uri string) string {
	return s.AddWith(map[string]any{"sources": []string{uri}, "downloader": python})[0].ID
}

func TestAPluginInPythonDownloads(t *testing.T) {
	t.Parallel()
	web := lab.StartWeb(t)
	s := startWithPython(t)

	id := addToPython(s, web.URL+"/data/file.bin")
	s.WaitCompleted(30*time.Second, id)
	if got := s.Task(id).Downloader; got != s.Downloader(python).ID && got != python {
		t.Errorf("the task went to %s", got)
	}
	if fileSHA256(t, filepath.Join(s.Home(), "file.bin")) != web.SHA256("/data/file.bin") {
		t.Error("the file has other bytes")
	}
	assertNothingLeft(t, s)

	for path, code := range map[string]string{
		"/status/404": "source_not_found",
		"/status/403": "source_forbidden",
	} {
		task := s.WaitEnded(addToPython(s, web.URL+path), 30*time.Second)
		if task.State != "failed" || task.Error == nil || task.Error.Code != code || task.Error.Hint == "" {
			t.Errorf("%s: %s, %+v", path, task.State, task.Error)
		}
	}
}

func TestAPluginInPythonGoesOnAfterAnyEnd(t *testing.T) {
	t.Parallel()
	ends := map[string]func(*testing.T, *Server){
		"the server is killed": func(_ *testing.T, s *Server) { s.Kill9(); s.Restart() },
		"the server restarts":  func(_ *testing.T, s *Server) { s.Stop(); s.Restart() },
		"the plugin is killed": func(t *testing.T, s *Server) {
			if err := syscall.Kill(s.Downloader(python).PluginPID, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
		},
	}
	web := lab.StartWeb(t)
	s := startWithPython(t)
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			const path = "/slow/400000/1500000"
			id := addToPython(s, web.URL+path+"/"+filepath.Base(t.Name())+".bin")
			WaitFor(t, 20*time.Second, "a part to be there", func() bool { return s.Task(id).Progress.DoneBytes > 200_000 })
			end(t, s)
			s.WaitCompleted(time.Minute, id)
			got := fileSHA256(t, filepath.Join(s.Home(), s.Task(id).Name))
			if got != web.SHA256(path) {
				t.Error("the file has other bytes")
			}
		})
	}
	assertNothingLeft(t, s)
}

func TestAPluginInPythonEndsWithTheServer(t *testing.T) {
	web := lab.StartWeb(t)
	s := startWithPython(t)
	id := addToPython(s, web.URL+"/hang")
	WaitFor(t, 20*time.Second, "the server to be asked", func() bool { return web.Requests("/hang") > 0 })
	pid := s.Downloader(python).PluginPID
	began := time.Now()
	s.Stop()
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %s to stop", took)
	}
	if _, err := os.Stat(filepath.Join("/proc", strconv.Itoa(pid))); err == nil {
		t.Error("the plugin is still there")
	}
	s.Restart()
	s.Must("DELETE", "/tasks/"+id, nil, nil)
}
