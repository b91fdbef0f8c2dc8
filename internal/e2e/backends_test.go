package e2e

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/haul-dl/haul/internal/lab"
)

// backend is a real daemon of one kind, and how haul reaches it.
type backend struct {
	plugin   string
	settings map[string]any
	// loadsURLs tells that it takes HTTP URLs.
	loadsURLs bool
	// kill9 ends the daemon without a word, restart brings it up again.
	kill9, restart func()
	// jobs returns how many downloads it has.
	jobs func(t testing.TB) int
}

var backends = map[string]func(t testing.TB) *backend{
	"aria2": func(t testing.TB) *backend {
		d := lab.StartAria2(t, lab.Aria2Options{})
		return &backend{
			plugin: "aria2", settings: map[string]any{"address": d.Address, "secret": d.Secret}, loadsURLs: true,
			kill9: d.Kill9, restart: d.Restart, jobs: func(t testing.TB) int { return aria2Jobs(t, d) },
		}
	},
	"qbittorrent": func(t testing.TB) *backend {
		d := lab.StartQBittorrent(t, lab.QBittorrentOptions{})
		return &backend{
			plugin: "qbittorrent", settings: map[string]any{"address": d.Address, "username": d.Username, "password": d.Password},
			kill9: d.Kill9, restart: d.Restart, jobs: func(t testing.TB) int { return qbittorrentJobs(t, d) },
		}
	},
	"transmission": func(t testing.TB) *backend {
		d := lab.StartTransmission(t, lab.TransmissionOptions{})
		return &backend{
			plugin: "transmission", settings: map[string]any{"address": d.Address, "username": d.Username, "password": d.Password},
			kill9: d.Kill9, restart: d.Restart, jobs: func(t testing.TB) int { return transmissionJobs(t, d) },
		}
	},
}

// workbench is a server with one daemon of somebody else, and something to load.
type workbench struct {
	*backend
	server *Server
	swarm  *lab.Swarm
	web    *lab.Web
}

func newWorkbench(t testing.TB, start func(testing.TB) *backend) *workbench {
	t.Helper()
	w := &workbench{
		backend: start(t), server: Start(t, Options{}),
		swarm: lab.StartSwarm(t, lab.SlowRate(3<<20)), web: lab.StartWeb(t),
	}
	w.server.Must("POST", "/downloaders", map[string]any{"name": "daemon", "plugin": w.plugin, "settings": w.settings}, nil)
	w.server.WaitHealthy("daemon")
	return w
}

// TestBackends holds every backend to the same: whatever loads a file, its user
// sees the same happen.
func TestBackends(t *testing.T) {
	cases := map[string]func(*testing.T, *workbench){
		"an HTTP file":                  httpFile,
		"a magnet link":                 magnetLink,
		"an uploaded torrent":           uploadedTorrent,
		"a torrent by URL":              torrentByURL,
		"some files of a torrent":       someFiles,
		"some files of a magnet link":   someFilesOfAMagnet,
		"a changed selection":           changedSelection,
		"a torrent with padding":        paddedTorrent,
		"pause and resume":              pauseAndResume,
		"added paused":                  addedPaused,
		"limits":                        limits,
		"canceled while it loads":       canceled,
		"deleted with and without data": deleted,
	}
	for name, start := range backends {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newWorkbench(t, start)
			t.Run("each", func(t *testing.T) {
				for name, run := range cases {
					t.Run(name, func(t *testing.T) {
						t.Parallel()
						run(t, b)
					})
				}
			})
			// It needs daemon and server for itself.
			t.Run("restart of everything", func(t *testing.T) { restartOfEverything(t, b) })
			WaitFor(t, 30*time.Second, "the daemon to have nothing left", func() bool { return b.jobs(t) == 0 })
			assertNothingLeft(t, b.server)
			assertOnlyWanted(t, b.server.Home())
		})
	}
}

// add makes a task at the daemon, in a folder of its own.
func (b *workbench) add(to string, more map[string]any) Task {
	b.server.t.Helper()
	return b.server.AddWith(b.request(to, more))[0]
}

func (b *workbench) request(to string, more map[string]any) map[string]any {
	request := map[string]any{"downloader": "daemon", "destination": to}
	for k, v := range more {
		request[k] = v
	}
	return request
}

// upload makes a task of a torrent file.
func (b *workbench) upload(t *testing.T, torrent, to string, more map[string]any) Task {
	t.Helper()
	var out struct{ Items []Task }
	a := b.server.Upload(torrent+".torrent", b.swarm.Torrent(torrent).Bytes, b.request(to, more))
	if a.Status != http.StatusCreated {
		t.Fatalf("upload of %s: status %d\n%s", torrent, a.Status, a.Body)
	}
	a.JSON(t, &out)
	return out.Items[0]
}

// completed waits for a task, and checks that exactly these files of the
// torrent, or all, are in its folder. Their names are as haul tells them: some
// daemons write odd ones in another way.
func (b *workbench) completed(t *testing.T, task Task, torrent, to string, files ...int) {
	t.Helper()
	b.ended(t, task, "completed")
	var listed struct {
		Items []struct {
			Index int
			Path  string
		}
	}
	b.server.Must("GET", "/tasks/"+task.ID+"/files", nil, &listed)
	all := b.swarm.Torrent(torrent).Files
	if len(files) == 0 {
		for i := range all {
			files = append(files, i)
		}
	}
	var paths []string
	for _, f := range listed.Items {
		path := filepath.Join(b.server.Home(), to, f.Path)
		paths = append(paths, path)
		if !slices.Contains(files, f.Index) {
			t.Errorf("%s was not wanted", f.Path)
		} else if got := fileSHA256(t, path); got != all[f.Index].SHA256 {
			t.Errorf("%s has other bytes", f.Path)
		}
	}
	if len(paths) != len(files) {
		t.Errorf("%d files are listed, %d were wanted", len(paths), len(files))
	}
	there := filesBelow(t, filepath.Join(b.server.Home(), to))
	slices.Sort(paths)
	slices.Sort(there)
	if !slices.Equal(paths, there) {
		t.Errorf("listed are %q, there are %q", paths, there)
	}
}

func (b *workbench) ended(t *testing.T, task Task, state string) {
	t.Helper()
	var now Task
	defer func() {
		if t.Failed() {
			t.Logf("%+v, waiting %+v, error %+v", now, now.Waiting, now.Error)
		}
	}()
	WaitFor(t, 90*time.Second, "the task to end", func() bool {
		now = b.server.Task(task.ID)
		return now.Ended()
	})
	if now.State != state {
		t.Fatalf("the task is %s, not %s: %+v", now.State, state, now.Error)
	}
}

// loading waits until bytes have come.
func (b *workbench) loading(t *testing.T, task Task) Task {
	t.Helper()
	var now Task
	WaitFor(t, 60*time.Second, "the first bytes", func() bool {
		now = b.server.Task(task.ID)
		if now.Ended() {
			t.Fatalf("the task is %s already: %+v", now.State, now.Error)
		}
		return now.State == "downloading" && now.Progress.DoneBytes > 0
	})
	return now
}

func (b *workbench) waitState(t *testing.T, task Task, state string) {
	t.Helper()
	now := task
	defer func() {
		if t.Failed() {
			t.Logf("the task is %s, wish %s, waiting %+v, error %+v", now.State, now.Wish, now.Waiting, now.Error)
		}
	}()
	WaitFor(t, 60*time.Second, "the task to be "+state, func() bool {
		now = b.server.Task(task.ID)
		return now.State == state
	})
}

func filesBelow(t *testing.T, dir string) (paths []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			paths = append(paths, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

func httpFile(t *testing.T, b *workbench) {
	if !b.loadsURLs {
		a := b.server.Do("POST", "/tasks", b.request("http", map[string]any{"sources": []string{b.web.URL + "/data/file.bin"}}))
		assertProblem(t, a, http.StatusUnprocessableEntity, "source_not_supported")
		return
	}
	task := b.add("http", map[string]any{"sources": []string{b.web.URL + "/data/file.bin"}})
	b.ended(t, task, "completed")
	if fileSHA256(t, filepath.Join(b.server.Home(), "http/file.bin")) != b.web.SHA256("/data/file.bin") {
		t.Error("the file has other bytes")
	}
}

func magnetLink(t *testing.T, b *workbench) {
	task := b.add("magnet", map[string]any{"sources": []string{b.swarm.Torrent("private").Magnet}})
	b.completed(t, task, "private", "magnet")
}

func uploadedTorrent(t *testing.T, b *workbench) {
	b.completed(t, b.upload(t, "unicode", "upload", nil), "unicode", "upload")
}

func torrentByURL(t *testing.T, b *workbench) {
	task := b.add("url", map[string]any{"sources": []string{b.swarm.URL + "/torrents/small.torrent"}})
	b.completed(t, task, "small", "url")
}

func someFiles(t *testing.T, b *workbench) {
	task := b.upload(t, "webmulti", "some", map[string]any{"files": []int{1}})
	b.completed(t, task, "webmulti", "some", 1)
}

func someFilesOfAMagnet(t *testing.T, b *workbench) {
	task := b.add("some-magnet", map[string]any{"sources": []string{b.swarm.Torrent("multi").Magnet}, "files": []int{0, 2, 4}})
	b.completed(t, task, "multi", "some-magnet", 0, 2, 4)
}

func changedSelection(t *testing.T, b *workbench) {
	task := b.upload(t, "slowmulti", "changed", map[string]any{"files": []int{0, 1}})
	b.loading(t, task)
	b.server.Must("PATCH", "/tasks/"+task.ID, map[string]any{"files": []int{0, 2}}, nil)
	b.completed(t, task, "slowmulti", "changed", 0, 2)
}

// What only aligns others counts among the files of a torrent, but nobody wants it.
func paddedTorrent(t *testing.T, b *workbench) {
	task := b.upload(t, "padded", "padded", map[string]any{"files": []int{0}})
	b.loading(t, task)
	b.server.Must("PATCH", "/tasks/"+task.ID, map[string]any{"files": []int{}}, nil)
	b.completed(t, task, "padded", "padded", 0, 2, 4)
	task = b.add("padded-magnet", map[string]any{"sources": []string{b.swarm.Torrent("padded").Magnet}, "files": []int{4}})
	b.completed(t, task, "padded", "padded-magnet", 4)
}

func pauseAndResume(t *testing.T, b *workbench) {
	task := b.upload(t, "slow", "paused", nil)
	b.loading(t, task)
	b.server.Must("POST", "/tasks/"+task.ID+"/pause", nil, nil)
	b.waitState(t, task, "paused")
	was := b.settled(t, task)
	time.Sleep(3 * time.Second) // a real daemon would load 9 MiB in that time
	if now := b.server.Task(task.ID); now.State != "paused" || now.Progress.DoneBytes != was {
		t.Errorf("%s: %d bytes became %d while it was paused", now.State, was, now.Progress.DoneBytes)
	}
	b.server.Must("POST", "/tasks/"+task.ID+"/resume", nil, nil)
	b.completed(t, task, "slow", "paused")
}

// settled returns the loaded bytes once the daemon has written what was on its way.
func (b *workbench) settled(t *testing.T, task Task) int64 {
	t.Helper()
	was, since := int64(-1), time.Now()
	WaitFor(t, 20*time.Second, "the number of bytes to stand still", func() bool {
		now := b.server.Task(task.ID).Progress.DoneBytes
		if now != was {
			was, since = now, time.Now()
		}
		return time.Since(since) > 2500*time.Millisecond
	})
	return was
}

func addedPaused(t *testing.T, b *workbench) {
	task := b.upload(t, "long", "later", map[string]any{"paused": true})
	b.waitState(t, task, "paused")
	b.server.Must("POST", "/tasks/"+task.ID+"/resume", nil, nil)
	b.completed(t, task, "long", "later")
}

func limits(t *testing.T, b *workbench) {
	const rate = 200 << 10
	task := b.upload(t, "big", "limited", map[string]any{"options": map[string]any{"download_limit": rate}})
	from := b.loading(t, task).Progress.DoneBytes
	const watched = 6
	time.Sleep(watched * time.Second)
	now := b.server.Task(task.ID)
	// Unlimited, the file would be there long since. A piece is 1 MiB.
	if got := now.Progress.DoneBytes - from; now.State != "downloading" || got > 2*watched*rate+1<<20 {
		t.Errorf("%s: %d bytes in %d s at a limit of %d a second", now.State, got, watched, rate)
	}
	b.server.Must("PATCH", "/tasks/"+task.ID, map[string]any{"options": map[string]any{"download_limit": 0}}, nil)
	b.completed(t, task, "big", "limited")
}

func canceled(t *testing.T, b *workbench) {
	task := b.add("canceled", map[string]any{"sources": []string{b.swarm.Torrent("stall").Magnet}})
	b.waitState(t, task, "downloading")
	b.server.Must("POST", "/tasks/"+task.ID+"/cancel", nil, nil)
	b.ended(t, task, "canceled")
	if _, err := os.Stat(filepath.Join(b.server.Home(), "canceled")); err == nil {
		t.Error("a canceled task has left a folder in the home")
	}
}

func deleted(t *testing.T, b *workbench) {
	for i, data := range []string{"keep", "delete"} {
		to := "deleted-" + data
		name := fmt.Sprintf("many-%04d", i)
		task := b.upload(t, name, to, nil)
		b.completed(t, task, name, to)
		b.server.Must("DELETE", "/tasks/"+task.ID+"?data="+data, nil, nil)
		_, err := os.Stat(filepath.Join(b.server.Home(), to, name+".bin"))
		if kept := err == nil; kept != (data == "keep") {
			t.Errorf("deleted with data=%s: %v", data, err)
		}
	}
}

func restartOfEverything(t *testing.T, b *workbench) {
	const torrent = "slowmulti"
	task := b.upload(t, torrent, "restarted", nil)
	b.loading(t, task)
	b.kill9()
	b.restart()
	b.loading(t, task)
	kill9(t, b.server.Downloader("daemon").PluginPID)
	b.server.Kill9()
	b.server.Restart()
	b.kill9()
	b.server.WaitHealthy("aria2")
	b.restart()
	b.completed(t, task, torrent, "restarted")
}
