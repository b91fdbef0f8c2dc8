package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
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

func TestAFullDiskFailsTheDownloadWithItsReason(t *testing.T) {
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

func TestAFullDestinationHoldsTheFileUntilThereIsRoom(t *testing.T) {
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
	s := Start(t, onTmpfs(t, data, filepath.Join(data, "node", "jobs"), "size=1m,ro"))
	task := s.Add(web.URL + "/bytes/1000/a.bin")[0]
	WaitFor(t, 30*time.Second, "the reason to be shown", func() bool {
		got := s.Task(task.ID)
		return got.Waiting != nil && got.Waiting.Code == "path_not_writable" || got.Error != nil && got.Error.Code == "path_not_writable"
	})
}
