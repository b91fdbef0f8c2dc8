package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/haul-dl/haul/internal/lab"
)

const (
	crashDownloads = 20
	crashSize      = 4 << 20
	crashRate      = 256 << 10
)

// TestKill9 ends haul, the plugin, or aria2 in the middle of 20 downloads:
// afterwards every file is there, once, whole, and nothing is left over.
func TestKill9(t *testing.T) {
	victims := map[string]func(t *testing.T, s *Server){
		"haul": func(t *testing.T, s *Server) {
			children := Children(t, s.PID())
			s.Kill9()
			waitGone(t, children)
			s.Restart()
		},
		"the plugin": func(t *testing.T, s *Server) {
			plugin := s.WaitHealthy("aria2").PluginPID
			daemons := Children(t, plugin)
			if len(daemons) == 0 {
				t.Fatal("the plugin has no aria2c")
			}
			kill9(t, plugin)
			waitGone(t, append(daemons, plugin))
		},
		"aria2": func(t *testing.T, s *Server) {
			daemons := Children(t, s.WaitHealthy("aria2").PluginPID)
			for _, pid := range daemons {
				kill9(t, pid)
			}
			waitGone(t, daemons)
		},
	}
	for name, kill := range victims {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			crashDuring(t, kill)
		})
	}
}

func crashDuring(t *testing.T, kill func(t *testing.T, s *Server)) {
	web := lab.StartWeb(t)
	s := Start(t, Options{})
	var sources []string
	for i := range crashDownloads {
		sources = append(sources, fmt.Sprintf("%s/slow/%d/%d/file-%02d.bin", web.URL, crashRate, crashSize, i))
	}
	tasks := s.Add(sources...)
	WaitFor(t, 30*time.Second, "all to be loading", func() bool {
		return len(s.Tasks("downloading")) == crashDownloads && s.Task(tasks[0].ID).Progress.DoneBytes > 0
	})
	kill(t, s)
	assertEachOnceAtAria2(t, s, sources)
	for _, task := range tasks {
		s.WaitCompleted(time.Minute, task.ID)
	}
	assertHome(t, s, crashDownloads)
	assertNothingLeft(t, s)
	processes := Children(t, s.PID())
	if took := s.Stop(); took > 10*time.Second {
		t.Errorf("stopping took %s", took)
	}
	waitGone(t, processes)
	assertNoSockets(t, s)
}

// assertEachOnceAtAria2 waits until aria2 has all sources again, and checks
// that it has none of them twice.
func assertEachOnceAtAria2(t *testing.T, s *Server, sources []string) {
	t.Helper()
	var has map[string]int
	WaitFor(t, 30*time.Second, "aria2 to have everything again", func() bool {
		has = map[string]int{}
		for _, download := range downloadsAtAria2(t, s) {
			has[download]++
		}
		return len(has) == len(sources)
	})
	for uri, n := range has {
		if n != 1 || !slices.Contains(sources, uri) {
			t.Errorf("aria2 has %s %d times", uri, n)
		}
	}
}

// downloadsAtAria2 asks the server's own aria2 for the URL of each download;
// none while it is down.
func downloadsAtAria2(t *testing.T, s *Server) []string {
	t.Helper()
	a := ownAria2(t, s)
	if a == nil {
		return nil
	}
	var out []string
	for method, window := range map[string][]any{"tellActive": {}, "tellWaiting": {0, 1000}, "tellStopped": {0, 1000}} {
		result, err := rpc(a, "aria2."+method, append(append([]any{"token:" + a.Secret}, window...), []string{"files"}))
		if err != nil {
			return nil
		}
		var downloads []struct {
			Files []struct{ URIs []struct{ URI string } }
		}
		if err := json.Unmarshal(result, &downloads); err != nil {
			t.Fatal(err)
		}
		for _, d := range downloads {
			if len(d.Files) == 1 && len(d.Files[0].URIs) > 0 {
				out = append(out, d.Files[0].URIs[0].URI)
			}
		}
	}
	return out
}

func kill9(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatalf("kill %d: %v", pid, err)
	}
}

// waitGone waits until processes have ended; what its parent has not waited
// for yet counts as ended.
func waitGone(t *testing.T, pids []int) {
	t.Helper()
	for _, pid := range pids {
		WaitFor(t, 10*time.Second, fmt.Sprintf("process %d to be gone", pid), func() bool {
			raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
			return err != nil || strings.Contains(string(raw), ") Z ")
		})
	}
}

// assertHome checks that exactly the wanted files are in the home, each whole.
func assertHome(t *testing.T, s *Server, want int) {
	t.Helper()
	entries, err := os.ReadDir(s.Home())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		if info.Size() != crashSize {
			t.Errorf("%s has %d bytes, want %d", e.Name(), info.Size(), crashSize)
		}
		if got := fileSHA256(t, filepath.Join(s.Home(), e.Name())); got != lab.SlowSHA256(crashSize) {
			t.Errorf("%s has wrong bytes", e.Name())
		}
	}
	if len(names) != want {
		t.Errorf("the home has %d files, want %d: %v", len(names), want, names)
	}
}

// assertNothingLeft checks that the node has no job's directory any more.
func assertNothingLeft(t *testing.T, s *Server) {
	t.Helper()
	WaitFor(t, 10*time.Second, "the jobs' directories to be gone", func() bool {
		left, err := os.ReadDir(filepath.Join(s.Data, "node", "jobs"))
		return err == nil && len(left) == 0
	})
}

func assertNoSockets(t *testing.T, s *Server) {
	t.Helper()
	err := filepath.WalkDir(s.Data, func(path string, e os.DirEntry, err error) error {
		if err == nil && e.Type()&os.ModeSocket != 0 {
			t.Errorf("socket left: %s", path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
