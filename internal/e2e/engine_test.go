package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/haul-dl/haul/internal/lab"
)

// homeOf is the folder of a user's files in the storage of the first start.
func (s *Server) homeOf(name string) string { return filepath.Join(s.Data, "files", name) }

// TestTwoUsersShareATorrent has two users want one magnet link, in different
// parts and places: it is loaded once, each gets what they chose, and neither
// can tell.
func TestTwoUsersShareATorrent(t *testing.T) {
	t.Parallel()
	for _, daemon := range []string{"aria2", "qbittorrent", "transmission"} {
		t.Run(daemon, func(t *testing.T) {
			t.Parallel()
			b := newWorkbench(t, backends[daemon])
			nas := filepath.Join(t.TempDir(), "nas")
			b.server.Must("POST", "/storages", map[string]any{"name": "nas", "kind": "local", "settings": map[string]any{"path": nas}}, nil)
			ann, bob, cat := makeUser(t, b.server, "ann"), makeUser(t, b.server, "bob"), makeUser(t, b.server, "cat")
			source := b.swarm.Torrent("slowmulti").Magnet
			first := ann.AddWith(map[string]any{
				"sources": []string{source}, "downloader": "daemon", "destination": "a", "files": []any{0, 1},
			})[0]
			(&workbench{server: ann}).loading(t, first)
			second := bob.AddWith(map[string]any{
				"sources": []string{source}, "downloader": "daemon", "files": []any{"t*.bin"},
				"destination": map[string]any{"storage": "nas", "path": "b"},
			})[0]
			lone := cat.AddWith(map[string]any{
				"sources": []string{b.swarm.Torrent("parts-0001").Magnet}, "downloader": "daemon", "files": []any{"t*.bin"},
				"destination": map[string]any{"storage": "nas", "path": "c"},
			})[0]
			WaitFor(t, time.Minute, "the daemon to have both torrents", func() bool { return b.jobs(t) == 2 })
			if a := bob.Do("GET", "/tasks/"+first.ID, nil); a.Status != http.StatusNotFound {
				t.Errorf("bob sees ann's task: %d", a.Status)
			}
			bob.WaitCompleted(90*time.Second, second.ID)
			ann.WaitCompleted(90*time.Second, first.ID)
			cat.WaitCompleted(90*time.Second, lone.ID)

			files := b.swarm.Torrent("slowmulti").Files
			assertTree(t, filepath.Join(b.server.homeOf("ann"), "a", "slowmulti"), files[0], files[1])
			assertTree(t, filepath.Join(nas, "bob", "b", "slowmulti"), files[1], files[2])
			if got := ann.Task(first.ID).Progress.TotalBytes; got != files[0].Size+files[1].Size {
				t.Errorf("ann's task has %d bytes", got)
			}
			if got := bob.Task(second.ID).Progress.TotalBytes; got != files[1].Size+files[2].Size {
				t.Errorf("bob's task has %d bytes", got)
			}
			const block = 16 << 10
			total := b.swarm.Torrent("slowmulti").Total
			if sent := int64(b.swarm.Counts("slowmulti").Blocks) * block; sent > total+total/4 {
				t.Errorf("%d bytes were loaded for %d", sent, total)
			}
			assertAlike(t, bob, second.ID, cat, lone.ID)
		})
	}
}

// assertTree checks that a folder holds exactly these files, each with one name
// on the disk.
func assertTree(t *testing.T, dir string, want ...lab.File) {
	t.Helper()
	there := filesBelow(t, dir)
	if len(there) != len(want) {
		t.Errorf("%s holds %v", dir, there)
	}
	for _, f := range want {
		path := filepath.Join(dir, filepath.FromSlash(f.Path))
		if fileSHA256(t, path) != f.SHA256 {
			t.Errorf("%s has other bytes", path)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if s, ok := info.Sys().(*syscall.Stat_t); !ok || s.Nlink != 1 {
			t.Errorf("%s has %d names", path, s.Nlink)
		}
	}
}

// assertAlike checks that two completed tasks tell the same, but for numbers,
// names and times.
func assertAlike(t *testing.T, a *Server, idA string, b *Server, idB string) {
	t.Helper()
	for _, path := range []string{"", "/history", "/files"} {
		one, two := shape(t, a, "/tasks/"+idA+path), shape(t, b, "/tasks/"+idB+path)
		if !reflect.DeepEqual(one, two) {
			t.Errorf("%s tells %v of the one and %v of the other", path, one, two)
		}
	}
}

// shape returns the keys of an answer with the kinds of their values, and the
// words that are the same for everybody.
func shape(t *testing.T, s *Server, path string) map[string]string {
	t.Helper()
	var v any
	s.Must("GET", path, nil, &v)
	out := map[string]string{}
	var walk func(at string, v any)
	walk = func(at string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for _, key := range slices.Sorted(maps.Keys(v)) {
				walk(at+"."+key, v[key])
			}
		case []any:
			for _, item := range v {
				walk(at+"[]", item)
			}
		case string:
			out[at] = "text"
			if last := at[strings.LastIndex(at, ".")+1:]; last == "state" || last == "code" || last == "wish" || last == "kind" {
				if !strings.Contains(at, "[]") { // how many states were seen is a matter of speed
					out[at] = v
				}
			}
		default:
			out[at] = fmt.Sprintf("%T", v)
		}
	}
	walk("", v)
	return out
}

// TestShortDownloadsDoNotWaitForLongOnes starts 5 short downloads and 500 long
// ones: the short ones are delivered while the others load.
func TestShortDownloadsDoNotWaitForLongOnes(t *testing.T) {
	t.Parallel()
	web := lab.StartWeb(t)
	daemon := lab.StartAria2(t, lab.Aria2Options{Args: []string{"--max-concurrent-downloads=1000"}})
	s := Start(t, Options{})
	s.Must("POST", "/downloaders", map[string]any{
		"name": "daemon", "plugin": "aria2", "max_active": 1000, "settings": map[string]any{"address": daemon.Address, "secret": daemon.Secret},
	}, nil)
	s.WaitHealthy("daemon")
	var sources, short []string
	for i := range 5 {
		sources = append(sources, fmt.Sprintf("%s/paced/%d/%d/short-%d.bin", web.URL, 20_000, 40_000, i))
	}
	for i := range 500 {
		sources = append(sources, fmt.Sprintf("%s/paced/%d/%d/long-%03d.bin", web.URL, 1024, 1<<20, i))
	}
	for i, task := range s.AddWith(map[string]any{"sources": sources, "downloader": "daemon"}) {
		if i < 5 {
			short = append(short, task.ID)
		}
	}
	s.WaitCompleted(time.Minute, short...)
	if n := len(s.Tasks("completed")); n != 5 {
		t.Errorf("%d tasks are completed", n)
	}
	for _, id := range short {
		var task struct {
			Downloaded time.Time `json:"downloaded_at"`
			Delivered  time.Time `json:"delivered_at"`
		}
		s.Must("GET", "/tasks/"+id, nil, &task)
		t.Logf("delivered %s after it was loaded", task.Delivered.Sub(task.Downloaded))
	}
	var ids []string
	for _, task := range s.Tasks("") {
		ids = append(ids, task.ID)
	}
	s.Must("POST", "/tasks/actions", map[string]any{"action": "delete", "ids": ids}, nil)
	WaitFor(t, time.Minute, "the daemon to have nothing left", func() bool { return aria2Jobs(t, daemon) == 0 })
}

// TestAHeldTaskGoesElsewhere fills the destination: what is loaded stays, says
// why, and goes to another place when its owner says so.
func TestAHeldTaskGoesElsewhere(t *testing.T) {
	t.Parallel()
	web := lab.StartWeb(t)
	small := filepath.Join(t.TempDir(), "small")
	s := Start(t, onTmpfs(t, t.TempDir(), small, "size=1m"))
	s.Must("POST", "/storages", map[string]any{"name": "small", "kind": "local", "settings": map[string]any{"path": filepath.Join(small, "files")}}, nil)
	const path = "/bytes/4000000/a.bin"
	task := s.AddWith(map[string]any{"sources": []string{web.URL + path}, "destination": map[string]any{"storage": "small", "path": ""}})[0]
	WaitFor(t, 30*time.Second, "the task to be held", func() bool { return s.Task(task.ID).State == "held" })
	var held struct {
		HeldUntil *time.Time `json:"held_until"`
		Error     *Problem
		Waiting   *struct{ Code, Message string }
	}
	s.Must("GET", "/tasks/"+task.ID, nil, &held)
	if held.Error == nil || held.Error.Code != "out_of_space" || held.HeldUntil == nil || held.Waiting == nil {
		t.Errorf("held: %+v", held)
	}
	s.Must("POST", "/tasks/"+task.ID+"/retry", map[string]any{"destination": map[string]any{"storage": "local", "path": "saved"}}, nil)
	s.WaitCompleted(30*time.Second, task.ID)
	if fileSHA256(t, filepath.Join(s.Home(), "saved", "a.bin")) != web.SHA256(path) {
		t.Error("the file has other bytes")
	}
	if n := web.Requests(path); n != 1 {
		t.Errorf("it was loaded %d times", n)
	}
	if left := filesBelow(t, small); len(left) != 0 {
		t.Errorf("at the first destination stays %v", left)
	}
	assertHistory(t, s, task.ID, "transferring", "held", "completed")
}

// assertHistory checks that a task's history has these states in this order.
func assertHistory(t *testing.T, s *Server, id string, states ...string) {
	t.Helper()
	var history struct {
		Items []struct {
			Seq                        int
			Kind, State, Code, Message string
			At                         time.Time
		}
	}
	s.Must("GET", "/tasks/"+id+"/history", nil, &history)
	at := 0
	for _, e := range history.Items {
		if e.Message == "" || e.At.IsZero() {
			t.Errorf("an event says nothing: %+v", e)
		}
		if at < len(states) && e.State == states[at] {
			at++
		}
	}
	if at < len(states) {
		t.Errorf("the history lacks %q: %+v", states[at], history.Items)
	}
}

// TestConflictsAreSettledAsAsked puts a file where a download goes.
func TestConflictsAreSettledAsAsked(t *testing.T) {
	t.Parallel()
	web := lab.StartWeb(t)
	s := Start(t, Options{})
	const path = "/bytes/50000/same.bin"
	for policy, want := range map[string][]string{
		"rename": {"same (1).bin", "same.bin"}, "skip": {"same.bin"}, "overwrite": {"same.bin"},
	} {
		dir := filepath.Join(s.Home(), policy)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "same.bin"), []byte("mine"), 0o600); err != nil {
			t.Fatal(err)
		}
		task := s.AddWith(map[string]any{"sources": []string{web.URL + path}, "destination": policy, "on_conflict": policy})[0]
		s.WaitCompleted(30*time.Second, task.ID)
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, e := range entries {
			names = append(names, e.Name())
		}
		if !slices.Equal(names, want) {
			t.Errorf("%s: %v", policy, names)
		}
		mine, err := os.ReadFile(filepath.Join(dir, "same.bin"))
		if err != nil || (string(mine) == "mine") == (policy == "overwrite") {
			t.Errorf("%s: what was there is %d bytes now, %v", policy, len(mine), err)
		}
	}
	a := s.Do("POST", "/tasks", map[string]any{"sources": []string{web.URL + path}, "destination": "skip", "on_conflict": "fail"})
	assertProblem(t, a, http.StatusConflict, "destination_exists")
}

// TestSourcesAreInspectedWithoutATask previews each kind.
func TestSourcesAreInspectedWithoutATask(t *testing.T) {
	t.Parallel()
	web, swarm := lab.StartWeb(t), lab.StartSwarm(t)
	s := Start(t, Options{})
	multi := swarm.Torrent("multi")
	for source, want := range map[string]struct {
		kind, name string
		size       int64
		files      int
	}{
		web.URL + "/bytes/1234/a.bin":           {"http", "a.bin", 1234, 0},
		swarm.URL + "/torrents/multi.torrent":   {"torrent", "multi", multi.Total, len(multi.Files)},
		swarm.Torrent("small").Magnet + "&dn=x": {"magnet", "x", 0, 0},
	} {
		var got struct {
			Kind, Name  string
			Size        *int64
			Files       []json.RawMessage
			Downloaders []string
		}
		s.Must("POST", "/sources/inspect", map[string]any{"source": source}, &got)
		if got.Kind != want.kind || len(got.Files) != want.files || !slices.Contains(got.Downloaders, "aria2") ||
			want.size > 0 && (got.Size == nil || *got.Size != want.size) || want.kind != "magnet" && got.Name != want.name {
			t.Errorf("%s is %+v", source, got)
		}
	}
	if n := len(s.Tasks("")); n != 0 {
		t.Errorf("there are %d tasks", n)
	}
}
