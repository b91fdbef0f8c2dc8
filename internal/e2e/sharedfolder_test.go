package e2e

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/haul-dl/haul/internal/lab"
)

// haulUser is the system user of the server here; the daemons run as another
// one, which is in haul's group or not.
var (
	haulUser = lab.User{UID: 64001, GID: 64001}
	member   = lab.User{UID: 64002, GID: 64002, Groups: []int{64001}}
	stranger = lab.User{UID: 64003, GID: 64003}
)

// userDaemon is a daemon of another system user.
type userDaemon struct {
	plugin   string
	settings map[string]any
	jobs     func(t testing.TB) int
}

var userDaemons = map[string]func(testing.TB, lab.User) *userDaemon{
	"aria2": func(t testing.TB, u lab.User) *userDaemon {
		d := lab.StartAria2(t, lab.Aria2Options{User: &u})
		return &userDaemon{"aria2", map[string]any{"address": d.Address, "secret": d.Secret}, func(t testing.TB) int { return aria2Jobs(t, d) }}
	},
	"qbittorrent": func(t testing.TB, u lab.User) *userDaemon {
		d := lab.StartQBittorrent(t, lab.QBittorrentOptions{User: &u})
		return &userDaemon{
			"qbittorrent",
			map[string]any{"address": d.Address, "username": d.Username, "password": d.Password},
			func(t testing.TB) int { return qbittorrentJobs(t, d) },
		}
	},
	"transmission": func(t testing.TB, u lab.User) *userDaemon {
		d := lab.StartTransmission(t, lab.TransmissionOptions{User: &u})
		return &userDaemon{
			"transmission",
			map[string]any{"address": d.Address, "username": d.Username, "password": d.Password},
			func(t testing.TB) int { return transmissionJobs(t, d) },
		}
	},
}

// startAsUser starts a server that is not root, in a data directory that its
// group may pass.
func startAsUser(t *testing.T, args ...string) *Server {
	t.Helper()
	data := filepath.Join(t.TempDir(), "haul")
	if err := os.Mkdir(data, 0o750); err != nil {
		t.Fatal(err)
	}
	return startIn(t, data, args...)
}

func startIn(t *testing.T, data string, args ...string) *Server {
	t.Helper()
	lab.Reach(t, data)
	lab.Reach(t, Build(t).Haul)
	haulUser.Own(t, data)
	return Start(t, Options{Data: data, Wrap: haulUser.Prefix(), Args: args})
}

// in returns the server for a subtest.
func (s *Server) in(t testing.TB) *Server {
	c := *s
	c.t = t
	return &c
}

// tryOut tests a daemon before it is stored.
func (s *Server) tryOut(d *userDaemon, pathMap []map[string]string) testResult {
	s.t.Helper()
	request := map[string]any{"plugin": d.plugin, "settings": d.settings}
	if pathMap != nil {
		request["path_map"] = pathMap
	}
	var got testResult
	s.Must("POST", "/downloaders/test", request, &got)
	return got
}

// last is the check that decided.
func (r *testResult) last() (name, code, message, hint string) {
	c := r.Checks[len(r.Checks)-1]
	return c.Name, c.Code, c.Message, c.Hint
}

func TestTheSharedFolderOfAnotherUserIsProven(t *testing.T) {
	lab.RequireUsers(t)
	tests := map[string]struct {
		user lab.User
		// paths is the path map, made for the server's folder of jobs.
		paths func(t *testing.T, jobs string) []map[string]string
		// fails is the check that fails, with this code; hints are what its
		// message and hint must name.
		fails, code string
		hints       []string
	}{
		"in haul's group, with the usual umask": {user: member},
		"in haul's group, with a strict umask":  {user: lab.User{UID: 64002, GID: 64002, Groups: []int{64001}, Umask: 0o077}},
		"not in haul's group": {
			user: stranger, fails: "folder_shared", code: "path_not_writable", hints: []string{"usermod -a -G 64001"},
		},
		"the path map names a folder of the daemon's own": {
			user: member, fails: "folder_shared", code: "path_not_shared", hints: []string{"path_map", "own-downloads"},
			paths: func(t *testing.T, jobs string) []map[string]string {
				own := filepath.Join(t.TempDir(), "own-downloads")
				if err := os.Mkdir(own, 0o755); err != nil {
					t.Fatal(err)
				}
				lab.Reach(t, own)
				member.Own(t, own)
				return []map[string]string{{"daemon": own, "node": jobs}}
			},
		},
		"the path map names a folder that is not there": {
			user: member, fails: "folder_shared", code: "path_not_shared", hints: []string{"path_map", "/nowhere"},
			paths: func(_ *testing.T, jobs string) []map[string]string {
				return []map[string]string{{"daemon": "/nowhere", "node": jobs}}
			},
		},
		"the path map lacks the folder": {
			user: member, fails: "folder_shared", code: "path_not_shared", hints: []string{"path_map"},
			paths: func(*testing.T, string) []map[string]string {
				return []map[string]string{{"daemon": "/downloads", "node": "/elsewhere"}}
			},
		},
		"the path map leads to the same folder by another name": {
			user: member,
			paths: func(t *testing.T, jobs string) []map[string]string {
				link := filepath.Join(t.TempDir(), "downloads")
				if err := os.Symlink(jobs, link); err != nil {
					t.Fatal(err)
				}
				lab.Reach(t, link)
				return []map[string]string{{"daemon": link, "node": jobs}}
			},
		},
	}
	s := startAsUser(t)
	jobs := s.jobs()
	for plugin, start := range userDaemons {
		t.Run(plugin, func(t *testing.T) {
			t.Parallel()
			for name, tt := range tests {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					d, s := start(t, tt.user), s.in(t)
					var paths []map[string]string
					if tt.paths != nil {
						paths = tt.paths(t, jobs)
					}
					began := time.Now()
					got := s.tryOut(d, paths)
					check, code, message, hint := got.last()
					t.Logf("after %.1fs: %s %s: %s | %s", time.Since(began).Seconds(), check, code, message, hint)
					want := tt.fails
					if want == "" {
						want = "folder_movable"
					}
					if got.OK != (tt.code == "") || code != tt.code || check != want {
						t.Errorf("got %+v", got)
					}
					for _, text := range tt.hints {
						if !strings.Contains(message+hint, text) {
							t.Errorf("it does not name %q", text)
						}
					}
					WaitFor(t, 10*time.Second, "the daemon to have nothing left", func() bool { return d.jobs(t) == 0 })
				})
			}
		})
	}
	t.Cleanup(func() { assertNoJobFolders(t, jobs) })
}

// jobs is the folder of the server's jobs, unless it was given another one.
func (s *Server) jobs() string { return filepath.Join(s.Data, "node", "jobs") }

func assertNoJobFolders(t *testing.T, jobs string) {
	t.Helper()
	WaitFor(t, 10*time.Second, "the jobs' folders to be gone", func() bool {
		left, err := filepath.Glob(filepath.Join(jobs, "[^.]*"))
		return err == nil && len(left) == 0
	})
}

func TestADownloadOfAnotherUserEndsInTheHomeWithNothingLeft(t *testing.T) {
	lab.RequireUsers(t)
	s, swarm := startAsUser(t), lab.StartSwarm(t)
	loadAs(t, s, s.jobs(), swarm, member)
}

// loadAs loads a torrent with nested folders by each daemon, as a user, and
// checks that nothing stays in the folder of jobs.
func loadAs(t *testing.T, s *Server, jobs string, swarm *lab.Swarm, u lab.User) {
	t.Helper()
	daemons := map[string]*userDaemon{} // they outlive the subtests: jobs are removed later
	for plugin, start := range userDaemons {
		daemons[plugin] = start(t, u)
	}
	t.Run("each", func(t *testing.T) {
		for plugin, d := range daemons {
			t.Run(plugin, func(t *testing.T) {
				t.Parallel()
				name, s := plugin+"-of-another", s.in(t)
				s.Must("POST", "/downloaders", map[string]any{"name": name, "plugin": d.plugin, "settings": d.settings}, nil)
				s.WaitHealthy(name)
				torrent := swarm.Torrent("webmulti")
				a := s.Upload("webmulti.torrent", torrent.Bytes, map[string]any{"downloader": name, "destination": plugin})
				if a.Status != http.StatusCreated {
					t.Fatalf("%d %s", a.Status, a.Body)
				}
				var out struct{ Items []Task }
				a.JSON(t, &out)
				s.WaitCompleted(90*time.Second, out.Items[0].ID)
				for i, f := range torrent.Files {
					path := torrent.Path(filepath.Join(s.Home(), plugin), i)
					if info, err := os.Stat(path); err != nil || info.Size() != f.Size {
						t.Errorf("%s: %v", path, err)
					}
				}
				WaitFor(t, 20*time.Second, "the daemon to have nothing left", func() bool { return d.jobs(t) == 0 })
			})
		}
	})
	assertNoJobFolders(t, jobs)
	assertOnlyWanted(t, s.Home())
}

// withoutLists puts a file system without access lists in the place of the
// server's folder of jobs.
func withoutLists(t *testing.T, data string) {
	t.Helper()
	jobs := filepath.Join(data, "node", "jobs")
	if err := os.MkdirAll(jobs, 0o750); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mount", "-t", "ramfs", "-o", "mode=750", "ramfs", jobs).CombinedOutput(); err != nil {
		t.Skipf("this test needs the right to mount: %v: %s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", "--lazy", jobs).CombinedOutput(); err != nil {
			t.Errorf("umount: %v\n%s", err, out)
		}
	})
}

func TestWithoutAccessListsTheUmaskDecides(t *testing.T) {
	lab.RequireUsers(t)
	data := filepath.Join(t.TempDir(), "haul")
	withoutLists(t, data)
	s := startIn(t, data)
	open := member
	open.Umask = 0o002
	t.Run("test", func(t *testing.T) {
		for plugin, start := range userDaemons {
			t.Run(plugin, func(t *testing.T) {
				t.Parallel()
				s := s.in(t)
				got := s.tryOut(start(t, member), nil)
				name, code, message, hint := got.last()
				t.Logf("%s %s: %s | %s", name, code, message, hint)
				if got.OK || name != "folder_movable" || code != "path_not_writable" {
					t.Errorf("with the usual umask: %+v", got)
				}
				for _, text := range []string{"the user 64001", "the user 64002", "umask 0002", "usermod -a -G 64001"} {
					if !strings.Contains(message+hint, text) {
						t.Errorf("it does not name %q", text)
					}
				}
				if got := s.tryOut(start(t, open), nil); !got.OK {
					t.Errorf("with umask 0002: %+v", got)
				}
			})
		}
	})
	// aria2 deletes nothing, so what nobody else may delete has stayed.
	left, err := filepath.Glob(filepath.Join(s.jobs(), "[^.]*"))
	if err != nil || len(left) != 1 {
		t.Errorf("%d folders stay, want that of aria2's test: %v", len(left), err)
	}
	for _, dir := range left {
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
	}
	loadAs(t, s, s.jobs(), lab.StartSwarm(t), open)
}

func TestADaemonThatCannotReachTheNodeIsStillProven(t *testing.T) {
	lab.RequireUsers(t)
	s := startAsUser(t)
	// Whatever this daemon asks for goes to a proxy that is not there.
	d := lab.StartAria2(t, lab.Aria2Options{User: &member, Args: []string{"--all-proxy=http://127.0.0.1:1"}})
	got := s.tryOut(&userDaemon{plugin: "aria2", settings: map[string]any{"address": d.Address, "secret": d.Secret}}, nil)
	if !got.OK {
		t.Errorf("got %+v", got)
	}
	if left := aria2Jobs(t, d); left > 0 {
		t.Errorf("%d jobs are left", left)
	}
	assertNoJobFolders(t, s.jobs())
}

func TestAServerThatLetsNobodyInSaysWhichFolder(t *testing.T) {
	lab.RequireUsers(t)
	s := startAsUser(t)
	if err := os.Chmod(s.Data, 0o700); err != nil {
		t.Fatal(err)
	}
	d := userDaemons["aria2"](t, member)
	got := s.tryOut(d, nil)
	_, code, _, hint := got.last()
	if got.OK || code != "path_not_writable" || !strings.Contains(hint, "chmod g+x "+s.Data) {
		t.Errorf("got %+v", got)
	}
}

// TestRecipes does what docs/shared-folder.md says, for daemons that are not in
// haul's group.
func TestRecipes(t *testing.T) {
	lab.RequireUsers(t)
	run := func(t *testing.T, command string, args ...string) {
		t.Helper()
		if out, err := exec.Command(command, args...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", command, err, out)
		}
	}
	recipes := map[string]func(t *testing.T) (s *Server, jobs string){
		"access lists for the daemon's user": func(t *testing.T) (s *Server, jobs string) {
			if _, err := exec.LookPath("setfacl"); err != nil {
				t.Skip("setfacl is missing, install it: apt-get install acl")
			}
			s = startAsUser(t)
			node := filepath.Join(s.Data, "node")
			run(t, "setfacl", "-m", "u:64003:x", s.Data, node)
			run(t, "setfacl", "-m", "u:64003:x,d:u:64003:rwx", s.jobs())
			return s, s.jobs()
		},
		"a download folder of the daemon's group": func(t *testing.T) (s *Server, jobs string) {
			downloads := filepath.Join(t.TempDir(), "downloads")
			lab.Reach(t, downloads)
			run(t, "install", "-d", "-o", "64001", "-g", "64003", "-m", "2770", downloads)
			return startAsUser(t, "--downloads", downloads), downloads
		},
	}
	for name, prepare := range recipes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, jobs := prepare(t)
			for plugin, start := range userDaemons {
				if got := s.tryOut(start(t, stranger), nil); !got.OK {
					t.Errorf("%s: %+v", plugin, got)
				}
			}
			loadAs(t, s, jobs, lab.StartSwarm(t), stranger)
		})
	}
}
