package e2e

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/haul-dl/haul/internal/lab"
)

// onTmpfs is a command that runs another one with a small file system of its
// own at dir. Who is not root becomes it in a name space of their own.
func onTmpfs(t *testing.T, dir, size string) []string {
	t.Helper()
	if err := os.MkdirAll(dir, 0o750); err != nil {
		t.Fatal(err)
	}
	wrap := []string{"unshare", "--mount"}
	if os.Geteuid() != 0 {
		wrap = append(wrap, "--map-root-user")
	}
	return append(wrap, "sh", "-c", `mount -t tmpfs -o size=$1 tmpfs "$2" && shift 2 && exec "$@"`, "sh", size, dir)
}

func TestAFullDiskFailsTheDownloadWithItsReason(t *testing.T) {
	web := lab.StartWeb(t)
	data := t.TempDir()
	s := Start(t, Options{Data: data, Wrap: onTmpfs(t, filepath.Join(data, "node", "jobs"), "1m")})
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

func TestAFullDestinationHoldsTheFileUntilThereIsRoom(t *testing.T) {
	web := lab.StartWeb(t)
	data := t.TempDir()
	s := Start(t, Options{Data: data, Wrap: onTmpfs(t, filepath.Join(data, "files"), "1m")})
	s.WaitCompleted(30*time.Second, s.Add(web.URL + "/bytes/700000/first.bin")[0].ID)
	second := s.Add(web.URL + "/bytes/600000/second.bin")[0]
	WaitFor(t, 30*time.Second, "the second to be held", func() bool { return s.Task(second.ID).State == "held" })
	if held := s.Task(second.ID); held.Error == nil || held.Error.Code != "out_of_space" {
		t.Errorf("held for %+v", held.Error)
	}
	first := s.Tasks("completed")[0]
	s.Must("DELETE", "/tasks/"+first.ID+"?data=delete", nil, nil)
	s.Must("POST", "/tasks/"+second.ID+"/retry", nil, nil)
	s.WaitCompleted(30*time.Second, second.ID)
	a := s.Do("GET", "/tasks/"+second.ID+"/files/0/content", nil)
	if a.Status != 200 || len(a.Body) != 600000 {
		t.Errorf("status %d, %d bytes", a.Status, len(a.Body))
	}
}

func TestADownloadFolderThatCannotBeWrittenIsExplained(t *testing.T) {
	web := lab.StartWeb(t)
	data := t.TempDir()
	wrap := onTmpfs(t, filepath.Join(data, "node", "jobs"), "1m")
	wrap[len(wrap)-4] = `mount -t tmpfs -o size=$1,ro tmpfs "$2" && shift 2 && exec "$@"`
	s := Start(t, Options{Data: data, Wrap: wrap})
	task := s.Add(web.URL + "/bytes/1000/a.bin")[0]
	WaitFor(t, 30*time.Second, "the reason to be shown", func() bool {
		got := s.Task(task.ID)
		return got.Waiting != nil && got.Waiting.Code == "path_not_writable" || got.Error != nil && got.Error.Code == "path_not_writable"
	})
}
