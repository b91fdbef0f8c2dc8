package crash

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/haul-dl/haul/internal/lab"
)

const (
	// tick is how often the harness looks.
	tick = 5 * time.Millisecond
	// pollEvery is how often it lists the tasks.
	pollEvery = 100 * time.Millisecond
	// openTasks is how many tasks there are that have not ended.
	openTasks = 12
)

// world is one server with its surroundings, and what its users want of it.
type world struct {
	t      *testing.T
	name   string
	random *rand.Rand
	report *report

	server  *server
	users   []*client
	names   []string // of the users
	web     *lab.Web
	swarm   *lab.Swarm
	daemons []*daemon
	cloud   *lab.SFTP // nil where there is local storage alone
	points  []string  // failpoints

	errands     []*errand // of this round
	made        int
	daemonKills int
	polled      time.Time
}

// newWorld starts everything. The first world has qBittorrent. In the second
// downloads go to another file system where there is one, and some of the files
// to a cloud. The third has Transmission. All have aria2.
func newWorld(t *testing.T, number int, bin binaries, r *report, seed uint64) *world {
	t.Helper()
	name := fmt.Sprint("world-", number)
	dir := r.dirFor(name)
	w := &world{
		t: t, name: name, random: rand.New(rand.NewPCG(seed, 0)), report: r,
		web: lab.StartWeb(t), swarm: lab.StartSwarm(t, lab.SlowRate(1<<20), lab.Interval(time.Second)), points: failpoints(t),
	}
	w.daemons = []*daemon{startAria2(t, filepath.Join(dir, "aria2.log"))}
	var args []string
	switch number % 3 {
	case 0:
		w.daemons = append(w.daemons, startQBittorrent(t))
	case 1:
		args = []string{"--downloads", otherFileSystem(t)}
		w.cloud = lab.StartSFTP(t)
	default:
		w.daemons = append(w.daemons, startTransmission(t))
	}
	w.server = newServer(t, bin, dir, args...)
	w.setUp()
	return w
}

// otherFileSystem returns a folder on memory; where there is none, on the disk.
func otherFileSystem(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "haul-crash-*")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// setUp makes downloaders, storages and users.
func (w *world) setUp() {
	w.t.Helper()
	w.server.start("")
	if !w.server.waitReady(time.Minute) {
		w.t.Fatal("the server does not become ready")
	}
	admin := newClient(w.server.url())
	if err := admin.login("admin"); err != nil {
		w.t.Fatal(err)
	}
	w.users, w.names = []*client{admin}, []string{"admin"}
	w.must(admin, "DELETE", "/downloaders/aria2", nil)
	for _, d := range w.daemons {
		w.must(admin, "POST", "/downloaders", map[string]any{"name": d.name, "plugin": d.plugin, "settings": d.settings})
	}
	if w.cloud != nil {
		w.must(admin, "POST", "/storages", map[string]any{"name": cloudStorage, "kind": "rclone", "settings": w.cloudSettings()})
	}
	w.must(admin, "POST", "/users", map[string]any{"name": "bob", "password": password, "group": "users"})
	bob := newClient(w.server.url())
	if err := bob.login("bob"); err != nil {
		w.t.Fatal(err)
	}
	w.users, w.names = append(w.users, bob), append(w.names, "bob")
}

func (w *world) must(c *client, method, path string, body any) {
	w.t.Helper()
	a, err := c.send(method, path, body, "")
	if err != nil || !a.ok() {
		w.t.Fatalf("%s %s: %v %v", method, path, a, err)
	}
}

// The names of the storages.
const (
	localStorage = "local"
	cloudStorage = "cloud"
)

// cloudSettings are those of the storage.
func (w *world) cloudSettings() map[string]any {
	hosts := filepath.Join(w.server.dir, "known_hosts")
	line := fmt.Sprintf("[%s]:%d %s", w.cloud.Host, w.cloud.Port, w.cloud.HostKey)
	if err := os.WriteFile(hosts, []byte(line), 0o600); err != nil {
		w.t.Fatal(err)
	}
	return map[string]any{"type": "sftp", "path": w.cloud.Dir, "options": map[string]any{
		"host": w.cloud.Host, "port": w.cloud.Port, "user": w.cloud.Username, "pass": w.cloud.Password, "known_hosts_file": hosts,
	}}
}

// folder is where the files of a place of a user are.
func (w *world) folder(user int, p place) string {
	home := filepath.Join(w.server.data(), "files", w.names[user])
	if p.Storage == cloudStorage {
		home = filepath.Join(w.cloud.Dir, w.names[user])
	}
	return filepath.Join(home, p.Path)
}

// choosePlace returns a new folder at one of the storages.
func (w *world) choosePlace(path string) place {
	if w.cloud != nil && w.random.IntN(2) == 0 {
		return place{cloudStorage, path}
	}
	return place{localStorage, path}
}

func (w *world) violate(format string, args ...any) {
	w.report.violation(w.name, fmt.Sprintf(format, args...))
	w.t.Errorf(format, args...)
}

// work lets users ask for things until a time, or until stop says so.
func (w *world) work(until time.Time, stop func() bool) {
	for ; time.Now().Before(until) && !stop(); time.Sleep(tick) {
		w.keepBusy()
		w.next()
	}
}

// keepBusy makes new errands where there are too few.
func (w *world) keepBusy() {
	open := 0
	for _, e := range w.errands {
		if !e.over {
			open++
		}
	}
	if open < openTasks {
		w.errands = append(w.errands, w.newErrands()...)
	}
}

// next does one thing that is due.
func (w *world) next() {
	for _, e := range w.errands {
		if e.task == "" && !e.over {
			w.submit(e)
			return
		}
	}
	now := time.Now()
	for _, e := range w.errands {
		if e.task != "" && len(e.steps) > 0 && now.After(e.due) && w.act(e) {
			return
		}
	}
	if now.Sub(w.polled) >= pollEvery {
		w.polled = now
		w.poll()
	}
}

// poll looks how far the tasks are; it reports whether the server answered.
func (w *world) poll() bool {
	for user, c := range w.users {
		seen, err := c.tasks()
		if err != nil {
			return false
		}
		for _, e := range w.errands {
			if e.user == user && e.task != "" {
				w.look(e, seen)
			}
		}
	}
	return true
}

// look takes in what the server says of one task.
func (w *world) look(e *errand, seen map[string]task) {
	t, found := seen[e.task]
	if !found {
		if len(e.steps) == 0 && e.gone() {
			e.over = true
		}
		return
	}
	if e.last.ended() && t.State != e.last.State {
		w.violate("a task that had ended as %s goes on: %v", e.last.State, &t)
	}
	if t.ended() && !e.last.ended() {
		e.asked = w.asked(e)
	}
	e.last = t
	e.over = t.ended() && len(e.steps) == 0
}

// asked is how often the source of a task was asked for data.
func (w *world) asked(e *errand) int {
	if e.torrent != "" {
		return w.swarm.Counts(e.torrent).Blocks
	}
	return w.web.Requests(e.url)
}

func (w *world) settled() bool {
	return !slices.ContainsFunc(w.errands, func(e *errand) bool { return !e.over })
}

func taskIDs(body []byte) []string {
	var out struct{ Items []task }
	if json.Unmarshal(body, &out) != nil {
		return nil
	}
	ids := make([]string, 0, len(out.Items))
	for _, t := range out.Items {
		ids = append(ids, t.ID)
	}
	return ids
}
