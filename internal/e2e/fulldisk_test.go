package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/haul-dl/haul/internal/lab"
)

// onTmpfs puts a small file system at dir, with mount options such as "size=1m",
// and returns the options to start a server with that sees it. Who is not root
// becomes it in name spaces of the server's own.
func onTmpfs(t *testing.T, data, dir, mountOptions string) Options {
	t.Helper()
	o := Options{Data: data}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() != 0 {
		o.Wrap = []string{
			"unshare", "--map-root-user", "--mount", "sh", "-c",
			`mount -t tmpfs -o "$1" tmpfs "$2" && shift 2 && exec "$@"`, "sh", mountOptions, dir,
		}
		return o
	}
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", mountOptions, "tmpfs", dir).CombinedOutput(); err != nil {
		t.Fatalf("mount: %v\n%s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", "--lazy", dir).CombinedOutput(); err != nil {
			t.Errorf("umount: %v\n%s", err, out)
		}
	})
	return o
}

func TestADownloadThatTheDiskCannotHoldFailsWithItsReason(t *testing.T) {
	t.Parallel()
	web := lab.StartWeb(t)
	data := t.TempDir()
	s := Start(t, onTmpfs(t, data, filepath.Join(data, "node", "jobs"), "size=1m"))
	task := s.WaitEnded(s.Add(web.URL + "/bytes/4000000/a.bin")[0].ID, 30*time.Second)
	if task.State != "failed" || task.Error == nil || task.Error.Code != "out_of_space" || task.Error.Hint == "" {
		t.Fatalf("%s, %+v", task.State, task.Error)
	}
	small := s.Add(web.URL + "/bytes/100000/b.bin")[0]
	s.WaitCompleted(30*time.Second, small.ID)
	if _, err := os.Stat(filepath.Join(s.Home(), "a.bin")); !os.IsNotExist(err) {
		t.Errorf("a part of the file was delivered: %v", err)
	}
}

// fill leaves so much free on a file system that the server sees at dir, and
// returns a function that makes room again.
func (s *Server) fill(dir string, leave int64) (empty func()) {
	s.t.Helper()
	// The server may see it in a name space of its own.
	seen := filepath.Join("/proc", strconv.Itoa(s.PID()), "root", dir)
	var fs syscall.Statfs_t
	if err := syscall.Statfs(seen, &fs); err != nil {
		s.t.Fatal(err)
	}
	filler := filepath.Join(seen, "filler")
	if err := os.WriteFile(filler, make([]byte, int64(fs.Bavail)*fs.Bsize-leave), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return func() {
		if err := os.Remove(filler); err != nil {
			s.t.Error(err)
		}
	}
}

// waitForSpace waits until a task says that it waits for free space.
func (s *Server) waitForSpace(id string) {
	s.t.Helper()
	WaitFor(s.t, 30*time.Second, "the task to wait for space", func() bool {
		task := s.Task(id)
		if task.Ended() || task.State == "paused" {
			s.t.Fatalf("%s, %+v", task.State, task.Error)
		}
		return task.Waiting != nil && task.Waiting.Code == "waiting_for_space" && strings.Contains(task.Waiting.Message, "more")
	})
}

func TestADiskThatSomebodyFillsHoldsDownloadsBackUntilThereIsRoom(t *testing.T) {
	t.Parallel()
	web := lab.StartWeb(t)
	data := t.TempDir()
	dir := filepath.Join(data, "node", "jobs")
	s := Start(t, onTmpfs(t, data, dir, "size=64m")) // 5 % of it is the mark
	running := s.Add(web.URL + "/slow/300000/3000000/running.bin")[0]
	WaitFor(t, 30*time.Second, "the download to begin", func() bool { return s.Task(running.ID).Progress.DoneBytes > 0 })
	empty := s.fill(dir, 2<<20)
	s.waitForSpace(running.ID)
	WaitFor(t, 30*time.Second, "the downloader to stop", func() bool { return s.Task(running.ID).Progress.DownloadRate == 0 })
	next := s.Add(web.URL + "/bytes/100000/next.bin")[0]
	s.waitForSpace(next.ID)
	s.waitForSpace(running.ID)
	empty()
	s.WaitCompleted(60*time.Second, running.ID, next.ID)
	for name, size := range map[string]int64{"running.bin": 3000000, "next.bin": 100000} {
		if info, err := os.Stat(filepath.Join(s.Home(), name)); err != nil || info.Size() != size {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
}

func TestAFullDestinationHoldsTheFileUntilThereIsRoom(t *testing.T) {
	t.Parallel()
	web := lab.StartWeb(t)
	data := t.TempDir()
	s := Start(t, onTmpfs(t, data, filepath.Join(data, "files"), "size=1m"))
	s.WaitCompleted(30*time.Second, s.Add(web.URL + "/bytes/700000/first.bin")[0].ID)
	second := s.Add(web.URL + "/bytes/600000/second.bin")[0]
	WaitFor(t, 30*time.Second, "the second to be held", func() bool { return s.Task(second.ID).State == "held" })
	if held := s.Task(second.ID); held.Error == nil || held.Error.Code != "out_of_space" {
		t.Errorf("held for %+v", held.Error)
	}
	first := s.Tasks("completed")[0]
	s.Must("DELETE", "/tasks/"+first.ID+"?data=delete", nil, nil)
	// It is tried again by itself; who is too impatient for that may come too late.
	if a := s.Do("POST", "/tasks/"+second.ID+"/retry", nil); a.Status != 200 && s.Task(second.ID).State != "completed" {
		t.Errorf("retry: status %d, %s", a.Status, a.Body)
	}
	s.WaitCompleted(30*time.Second, second.ID)
	a := s.Do("GET", "/tasks/"+second.ID+"/files/0/content", nil)
	if a.Status != 200 || len(a.Body) != 600000 {
		t.Errorf("status %d, %d bytes", a.Status, len(a.Body))
	}
}

func TestADownloadFolderThatCannotBeWrittenIsExplained(t *testing.T) {
	t.Parallel()
	web := lab.StartWeb(t)
	data := t.TempDir()
	s := Start(t, onTmpfs(t, data, filepath.Join(data, "node", "jobs"), "size=1m,ro"))
	task := s.Add(web.URL + "/bytes/1000/a.bin")[0]
	WaitFor(t, 30*time.Second, "the reason to be shown", func() bool {
		got := s.Task(task.ID)
		return got.Waiting != nil && got.Waiting.Code == "path_not_writable" || got.Error != nil && got.Error.Code == "path_not_writable"
	})
}
