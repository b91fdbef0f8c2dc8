package e2e

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/haul-dl/haul/internal/lab"
)

// TestFilesGoToStorages adds storages as docs/storages/rclone.md says, and has
// a torrent and a file delivered to each.
func TestFilesGoToStorages(t *testing.T) {
	t.Parallel()
	web, swarm := lab.StartWeb(t), lab.StartSwarm(t)
	cloud, dav, sftp := newCloud(t), lab.StartWebDAV(t), lab.StartSFTP(t)
	server := Start(t, withRclone(t))
	conf, hosts := filepath.Join(t.TempDir(), "rclone.conf"), filepath.Join(t.TempDir(), "known_hosts")
	write(t, conf, fmt.Sprintf(`[other]
type = s3
provider = AWS

[mine]
type = s3
provider = Other
endpoint = %s
access_key_id = %s
secret_access_key = %s
region = %s
`, cloud.Endpoint, cloud.AccessKey, cloud.SecretKey, cloud.Region))
	write(t, hosts, fmt.Sprintf("[%s]:%d %s", sftp.Host, sftp.Port, sftp.HostKey))
	type place struct {
		settings map[string]any // nil where it is added at the command line
		dir      string
	}
	for name, at := range map[string]place{
		"s3":           {cloud.settings, cloud.dir("admin")},
		"s3-of-a-conf": {nil, filepath.Join(cloud.Buckets, bucket, "of conf", "admin")},
		"s3-of-a-file": {map[string]any{"config_file": conf, "remote": "mine:" + bucket + "/of file"}, filepath.Join(cloud.Buckets, bucket, "of file", "admin")},
		"webdav": {map[string]any{"type": "webdav", "path": "downloads", "options": map[string]any{
			"url": dav.URL, "user": dav.Username, "pass": dav.Password,
		}}, filepath.Join(dav.Dir, "downloads", "admin")},
		"sftp": {map[string]any{"type": "sftp", "path": filepath.Join(sftp.Dir, "downloads"), "options": map[string]any{
			"host": sftp.Host, "port": sftp.Port, "user": sftp.Username, "pass": sftp.Password, "known_hosts_file": hosts,
		}}, filepath.Join(sftp.Dir, "downloads", "admin")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := server.in(t)
			if at.settings == nil {
				addByHand(t, s, name, conf)
			} else {
				assertTested(t, s, "/storages/test", map[string]any{"name": name, "kind": "rclone", "settings": at.settings})
				s.AddStorage(name, at.settings)
				assertTested(t, s, "/storages/"+name+"/test", nil)
			}
			to := map[string]any{"storage": name, "path": "new"}
			path := "/data/" + name + ".bin"
			tasks := s.AddWith(map[string]any{"sources": []string{web.URL + path, swarm.Torrent("multi").Magnet}, "destination": to})
			s.WaitCompleted(time.Minute, tasks[0].ID, tasks[1].ID)
			file := filepath.Join(at.dir, "new", filepath.Base(path))
			if fileSHA256(t, file) != web.SHA256(path) {
				t.Error("the file has other bytes")
			}
			if info, err := os.Stat(file); err != nil || info.Size() != lab.DataSize {
				t.Error("the file is not whole")
			}
			assertTree(t, filepath.Join(at.dir, "new", "multi"), swarm.Torrent("multi").Files...)
			assertOnlyVisible(t, at.dir, 1+len(swarm.Torrent("multi").Files))
			var files struct{ Items []struct{ Index int } }
			s.Must("GET", "/tasks/"+tasks[0].ID+"/files", nil, &files)
			assertProblem(t, s.Do("GET", fmt.Sprintf("/tasks/%s/files/%d/content", tasks[0].ID, files.Items[0].Index), nil), http.StatusUnprocessableEntity, "not_offered")

			for _, task := range tasks {
				s.Must("DELETE", "/tasks/"+task.ID+"?data=delete", nil, nil)
			}
			assertOnlyVisible(t, at.dir, 0)
			if _, err := os.Stat(filepath.Join(at.dir, "new", "multi")); !os.IsNotExist(err) {
				t.Errorf("the torrent's folder stays: %v", err)
			}
		})
	}
}

// addByHand adds a storage, and tests it, at the command line.
func addByHand(t *testing.T, s *Server, name, conf string) {
	t.Helper()
	for _, args := range [][]string{
		{"add", name, "--kind", "rclone", "--set", "remote=mine:" + bucket + "/of conf", "--set-file", "config=" + conf},
		{"test", name},
	} {
		if out, code := s.CLI(append([]string{"storage"}, args...)...); code != 0 {
			t.Fatalf("%q ended with %d:\n%s", args, code, out)
		}
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// assertTested checks that a test of a storage finds all well.
func assertTested(t *testing.T, s *Server, path string, request any) {
	t.Helper()
	result := s.tryStorage(path, request)
	if !result.OK || len(result.Checks) < 3 || !strings.HasPrefix(result.Version, "rclone ") {
		t.Errorf("%s found %+v", path, result)
	}
}

// assertOnlyVisible checks that a folder holds so many files, and none with a
// name that users should not see.
func assertOnlyVisible(t *testing.T, dir string, want int) {
	t.Helper()
	var there []string
	if _, err := os.Stat(dir); err == nil {
		there = slices.DeleteFunc(filesBelow(t, dir), func(path string) bool {
			return strings.Contains(path, "/.DAV/") // Apache's own
		})
	}
	if len(there) != want {
		t.Errorf("there are %d files, not %d: %q", len(there), want, there)
	}
	for _, path := range there {
		if name := filepath.Base(path); strings.HasPrefix(name, ".") {
			t.Errorf("there is %s", path)
		}
	}
}

const (
	cutSize  = 24 << 20
	cutAfter = 12 << 20
)

// cutOff is a delivery to S3 that stands still, with a part of one large file
// and of some small ones at the server.
type cutOff struct {
	*cloud
	server *Server
	web    *lab.Web
	paths  []string
	ids    []string
	// lost is how much may have to be sent again.
	lost int64
}

func newCutOff(t *testing.T) *cutOff {
	t.Helper()
	c := &cutOff{cloud: newCloud(t), server: Start(t, withRclone(t)), web: lab.StartWeb(t), lost: cutAfter}
	c.server.AddStorage("cloud", c.settings)
	c.paths = []string{fmt.Sprintf("/bytes/%d/large.bin", cutSize)}
	for i := range 3 {
		c.paths = append(c.paths, fmt.Sprintf("/bytes/%d/small-%d.bin", 3<<20, i))
	}
	var sources []string
	for _, path := range c.paths {
		sources = append(sources, c.web.URL+path)
	}
	c.ShutAfter(cutAfter)
	for _, task := range c.server.AddWith(map[string]any{"sources": sources, "destination": map[string]any{"storage": "cloud", "path": ""}}) {
		c.ids = append(c.ids, task.ID)
	}
	c.WaitShut()
	WaitFor(t, 30*time.Second, "everything to be loaded", func() bool {
		for _, id := range c.ids {
			if state := c.server.Task(id).State; state != "transferring" && state != "completed" {
				return false
			}
		}
		return true
	})
	c.assertWhole(t)
	return c
}

// assertWhole checks that what shows at the server is whole.
func (c *cutOff) assertWhole(t *testing.T) {
	t.Helper()
	for _, path := range c.paths {
		info, err := os.Stat(filepath.Join(c.dir("admin"), filepath.Base(path)))
		if err == nil && fmt.Sprint(info.Size()) != strings.Split(path, "/")[2] {
			t.Errorf("%s shows with %d bytes", path, info.Size())
		}
	}
}

// assertDelivered waits until all is delivered, and checks that nothing was
// loaded again, nor sent more often than it had to be.
func (c *cutOff) assertDelivered(t *testing.T, within time.Duration) {
	t.Helper()
	c.server.WaitCompleted(within, c.ids...)
	for _, path := range c.paths {
		if fileSHA256(t, filepath.Join(c.dir("admin"), filepath.Base(path))) != c.web.SHA256(path) {
			t.Errorf("%s has other bytes", path)
		}
		if n := c.web.Requests(path); n != 1 {
			t.Errorf("%s was asked for %d times", path, n)
		}
	}
	assertNothingLeft(t, c.server)
	assertOnlyVisible(t, c.dir("admin"), len(c.paths))
	if left, err := filepath.Glob(filepath.Join(c.Buckets, bucket, ".sgwtmp", "multipart", "*", "*")); err != nil || len(left) > 0 {
		t.Errorf("the server keeps parts: %q, %v", left, err)
	}
	const all = cutSize + 3*3<<20
	if sent := c.Passed(); sent > all+c.lost+1<<20 {
		t.Errorf("%d bytes were sent; there are %d, of which %d may have been lost", sent, all, c.lost)
	}
}

func TestAnOutageOfAStorageCostsNothingButTime(t *testing.T) {
	t.Parallel()
	outage := 5 * time.Second
	if os.Getenv("HAUL_BIG") != "" {
		outage = 5 * time.Minute
	}
	c := newCutOff(t)
	c.Kill9()
	began := time.Now()
	c.Open()
	WaitFor(t, time.Minute, "the task to be held", func() bool { return c.server.Task(c.ids[0]).State == "held" })
	t.Logf("held after %s", time.Since(began).Round(time.Millisecond))
	held := c.server.Task(c.ids[0])
	if held.Error == nil || held.Error.Code != "storage_unreachable" || held.Waiting == nil {
		t.Errorf("held: %+v, waiting %+v", held.Error, held.Waiting)
	}
	<-time.After(time.Until(began.Add(outage)))
	c.Restart()
	began = time.Now()
	c.assertDelivered(t, time.Minute)
	t.Logf("delivered %s after the server was back; %d bytes were sent", time.Since(began).Round(time.Millisecond), c.Passed())
	assertHistory(t, c.server, c.ids[0], "transferring", "held", "completed")

	c.Kill9()
	assertProblem(t, c.server.Do("DELETE", "/tasks/"+c.ids[0]+"?data=delete", nil), http.StatusServiceUnavailable, "storage_unreachable")
	c.Restart()
	c.server.Must("DELETE", "/tasks/"+c.ids[0]+"?data=delete", nil, nil)
	assertOnlyVisible(t, c.dir("admin"), len(c.paths)-1)
}

// TestUploadsThatAreInterrupted ends those who take part in an upload.
func TestUploadsThatAreInterrupted(t *testing.T) {
	t.Parallel()
	for name, interrupt := range map[string]func(t *testing.T, c *cutOff){
		"the plugin is killed": func(t *testing.T, c *cutOff) {
			pid := c.server.StoragePID("cloud")
			kill9(t, pid)
			waitGone(t, []int{pid})
			c.HangUp()
			c.Open()
		},
		"haul is killed": func(t *testing.T, c *cutOff) {
			children := Children(t, c.server.PID())
			c.server.Kill9()
			waitGone(t, children)
			c.HangUp()
			c.Open()
			c.assertWhole(t)
			c.server.Restart()
		},
		"haul is stopped": func(t *testing.T, c *cutOff) {
			children := Children(t, c.server.PID())
			if took := c.server.Stop(); took > 10*time.Second {
				t.Errorf("stopping took %s", took)
			}
			waitGone(t, children)
			c.HangUp()
			c.Open()
			c.assertWhole(t)
			c.server.Restart()
		},
		"the settings change": func(t *testing.T, c *cutOff) {
			c.settings["options"].(map[string]any)["chunk_size"] = "6M"
			c.server.Must("PATCH", "/storages/cloud", map[string]any{"settings": c.settings}, nil)
			c.Open()
			c.lost = cutSize // where that does not end before the plugin has to
		},
		"a task is canceled": func(t *testing.T, c *cutOff) {
			c.server.Must("POST", "/tasks/"+c.ids[0]+"/cancel", nil, nil)
			c.Open()
			if task := c.server.WaitEnded(c.ids[0], 30*time.Second); task.State != "canceled" {
				t.Errorf("the task is %s", task.State)
			}
			c.paths, c.ids = c.paths[1:], c.ids[1:]
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCutOff(t)
			interrupt(t, c)
			c.assertDelivered(t, time.Minute)
		})
	}
}

func TestOneTorrentGoesToTwoStorages(t *testing.T) {
	t.Parallel()
	cloud, swarm := newCloud(t), lab.StartSwarm(t, lab.SlowRate(8<<20))
	daemon := backends["aria2"](t)
	s := Start(t, withRclone(t))
	s.Must("POST", "/downloaders", map[string]any{"name": "daemon", "plugin": daemon.plugin, "settings": daemon.settings}, nil)
	s.WaitHealthy("daemon")
	s.AddStorage("cloud", cloud.settings)
	ann, bob := makeUser(t, s, "ann"), makeUser(t, s, "bob")
	torrent := swarm.Torrent("slowmulti")
	request := map[string]any{"sources": []string{torrent.Magnet}, "downloader": "daemon", "destination": "x"}
	first := ann.AddWith(request)[0]
	request["destination"] = map[string]any{"storage": "cloud", "path": "x"}
	second := bob.AddWith(request)[0]
	(&workbench{server: bob}).loading(t, second)
	if n := daemon.jobs(t); n != 1 {
		t.Errorf("the daemon has %d jobs", n)
	}
	ann.WaitCompleted(time.Minute, first.ID)
	bob.WaitCompleted(time.Minute, second.ID)
	assertTree(t, filepath.Join(s.homeOf("ann"), "x", "slowmulti"), torrent.Files...)
	assertTree(t, filepath.Join(cloud.dir("bob"), "x", "slowmulti"), torrent.Files...)
	if sent := int64(swarm.Counts("slowmulti").Blocks) * 16 << 10; sent > torrent.Total+torrent.Total/4 {
		t.Errorf("%d bytes were loaded for %d", sent, torrent.Total)
	}
	WaitFor(t, 30*time.Second, "the daemon to have nothing left", func() bool { return daemon.jobs(t) == 0 })
	assertNothingLeft(t, s)
}
