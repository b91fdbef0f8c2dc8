package pluginhost

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

func TestPluginsThatOthersCanReplaceAreRefused(t *testing.T) {
	tests := []struct {
		name  string
		spoil func(t *testing.T, r *rig)
		want  errs.Code
	}{
		{"a file that anybody can write", func(t *testing.T, r *rig) { must(t, os.Chmod(r.path("good"), 0o757)) }, errs.PluginUntrusted},
		{"a folder that anybody can write", func(t *testing.T, r *rig) { must(t, os.Chmod(r.plugins, 0o777)) }, errs.PluginUntrusted},
		{"a link into a folder that anybody can write", func(t *testing.T, r *rig) {
			open := filepath.Join(r.dir, "open")
			must(t, os.Mkdir(open, 0o700))
			must(t, os.Chmod(open, 0o777))
			must(t, os.Rename(r.path("good"), filepath.Join(open, "x")))
			must(t, os.Symlink(filepath.Join(open, "x"), r.path("good")))
		}, errs.PluginUntrusted},
		{"a folder that anybody can write, although sticky", func(t *testing.T, r *rig) {
			must(t, os.Chmod(r.plugins, 0o777|os.ModeSticky))
		}, errs.PluginUntrusted},
		{"a folder above that anybody can write", func(t *testing.T, r *rig) { must(t, os.Chmod(r.dir, 0o777)) }, errs.PluginUntrusted},
		{"a stranger's file", func(t *testing.T, r *rig) {
			needRoot(t)
			must(t, os.Chown(r.path("good"), 12345, -1))
		}, errs.PluginUntrusted},
		{"a stranger's folder", func(t *testing.T, r *rig) {
			needRoot(t)
			must(t, os.Chown(r.plugins, 12345, -1))
		}, errs.PluginUntrusted},
		{"a stranger's folder above", func(t *testing.T, r *rig) {
			needRoot(t)
			must(t, os.Chown(r.dir, 12345, -1))
		}, errs.PluginUntrusted},
		{"a stranger's link", func(t *testing.T, r *rig) {
			needRoot(t)
			must(t, os.Rename(r.path("good"), filepath.Join(r.dir, "x")))
			must(t, os.Symlink("../x", r.path("good")))
			must(t, os.Lchown(r.path("good"), 12345, -1))
		}, errs.PluginUntrusted},
		{"a file on the way that is a folder of links in a circle", func(t *testing.T, r *rig) {
			must(t, os.Remove(r.path("good")))
			must(t, os.Symlink(filePrefix+"good", r.path("good")))
		}, errs.PluginMissing},
		{"a file that cannot be executed", func(t *testing.T, r *rig) { must(t, os.Chmod(r.path("good"), 0o644)) }, errs.PluginIncompatible},
		{"a folder of a plugin's name", func(t *testing.T, r *rig) {
			must(t, os.Remove(r.path("good")))
			must(t, os.Mkdir(r.path("good"), 0o755))
		}, errs.PluginIncompatible},
		{"a named pipe that nobody writes to", func(t *testing.T, r *rig) {
			must(t, os.Remove(r.path("good")))
			must(t, syscall.Mkfifo(r.path("good"), 0o755))
		}, errs.PluginIncompatible},
		{"a link to nothing", func(t *testing.T, r *rig) {
			must(t, os.Remove(r.path("good")))
			must(t, os.Symlink("nowhere", r.path("good")))
		}, errs.PluginMissing},
		{"a text file", func(t *testing.T, r *rig) {
			must(t, os.Remove(r.path("good")))
			must(t, os.WriteFile(r.path("good"), []byte("no program"), 0o755))
		}, errs.PluginIncompatible},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, testTuning())
			b, err := os.ReadFile(builtPlugin)
			must(t, err)
			must(t, os.WriteFile(r.path("good"), b, 0o755)) // its own: links share their mode
			tt.spoil(t, r)
			must(t, r.Rescan(t.Context()))
			list := r.Plugins()
			if len(list) != 1 || list[0].Name != "good" || !errs.Is(list[0].Err, tt.want) {
				t.Fatalf("found %+v", list)
			}
			if s := r.await(r.start("good", `{}`), StateFailed); !errs.Is(s.Err, tt.want) {
				t.Errorf("an instance fails with %v", s.Err)
			}
			if errs.HintOf(list[0].Err) == "" {
				t.Error("no hint")
			}
		})
	}
}

func TestChangedBinaryIsNotStartedBeforeARescan(t *testing.T) {
	r := newRig(t, testTuning(), "good")
	r.replace("good", builtPlugin)
	in := r.start("good", `{}`)
	if s := r.await(in, StateFailed); !errs.Is(s.Err, errs.PluginUntrusted) {
		t.Errorf("failed with %v", s.Err)
	}
	must(t, r.Rescan(t.Context()))
	r.await(in, StateRunning)
}

func TestCatalogueKnowsWhatPluginsSay(t *testing.T) {
	r := newRig(t, testTuning(), "good", "poor")
	// Names that are no plugin's.
	for _, name := range []string{"good.bak", "Good", ".hidden", ""} {
		must(t, os.WriteFile(r.path(name), nil, 0o755))
	}
	must(t, r.Rescan(t.Context()))
	list := r.Plugins()
	if len(list) != 2 || list[0].Name != "good" || list[1].Name != "poor" {
		t.Fatalf("found %+v", list)
	}
	p := list[0]
	if p.Err != nil || p.Version != "1.2.3" || p.Path != r.path("good") || len(p.SHA256) != 64 ||
		!slices.Contains(p.Capabilities, downloader.CapabilityTest) {
		t.Errorf("found %+v", p)
	}
}

// shelf is a catalogue whose plugins say of themselves what their file holds:
// a version, or the code of an error.
type shelf struct {
	*catalog
	t     *testing.T
	asked int
}

func newShelf(t *testing.T, dirs ...string) *shelf {
	s := &shelf{t: t}
	var mu sync.Mutex // guards asked
	s.catalog = &catalog{dirs: dirs, describe: func(_ context.Context, b binary, k key) (downloader.Description, error) {
		mu.Lock()
		s.asked++
		mu.Unlock()
		content, err := os.ReadFile(b.path)
		must(t, err)
		if code, failed := strings.CutPrefix(string(content), "!"); failed {
			return downloader.Description{}, errs.New(errs.Code(code), "no")
		}
		return downloader.Description{Name: k.name, Version: string(content)}, nil
	}}
	return s
}

func (s *shelf) put(content string, path ...string) {
	s.t.Helper()
	file := filepath.Join(path...)
	must(s.t, os.MkdirAll(filepath.Dir(file), 0o755))
	must(s.t, os.WriteFile(file, []byte(content), 0o755))
}

func TestTheNewestVersionThatIsGoodIsUsed(t *testing.T) {
	const name = filePrefix + "a"
	tests := []struct {
		name  string
		files [][]string // content, then the path below the two directories
		want  string
		fails errs.Code
	}{
		{"of two files in two directories", [][]string{{"1.2.0", "0", name}, {"1.10.0", "1", name}}, "1/" + name, ""},
		{"of a file and a folder of versions", [][]string{{"1.9.0", "0", name}, {"1.10.0", "0", "a", "1.10.0", name}}, "0/a/1.10.0/" + name, ""},
		{"of two folders", [][]string{{"2.0.0", "0", "a", "2.0.0", name}, {"10.0.0", "0", "a", "v10.0.0", name}}, "0/a/v10.0.0/" + name, ""},
		{"a release before its candidate", [][]string{{"2.0.0-rc.1", "0", name}, {"2.0.0", "1", name}}, "1/" + name, ""},
		{"the same version in the first directory", [][]string{{"1.0.0", "0", name}, {"1.0.0", "1", name}}, "0/" + name, ""},
		{"a version before none", [][]string{{"dev", "0", name}, {"0.0.1", "1", name}}, "1/" + name, ""},
		{"none, by its folder", [][]string{{"dev", "0", "a", "2.0.0", name}, {"1.0.0", "1", name}}, "0/a/2.0.0/" + name, ""},
		{"what it says before its folder", [][]string{{"1.0.0", "0", "a", "2.0.0", name}, {"1.5.0", "1", name}}, "1/" + name, ""},
		{"an older one before a newer of another contract", [][]string{{"!plugin_incompatible", "0", "a", "9.0.0", name}, {"1.0.0", "1", name}}, "1/" + name, ""},
		{"an older one before a newer that crashes", [][]string{{"!plugin_crashed", "0", "a", "9.0.0", name}, {"1.0.0", "1", name}}, "1/" + name, ""},
		{"one that crashed before one that cannot run", [][]string{{"!plugin_incompatible", "0", name}, {"!plugin_crashed", "1", name}}, "1/" + name, ""},
		{"none where none can run", [][]string{{"!plugin_incompatible", "0", name}}, "", errs.PluginIncompatible},
		{"none where nothing is", [][]string{{"1.0.0", "0", "a", "current", name}, {"1.0.0", "0", "a", name}, {"1.0.0", "0", "a", "1.0.0", filePrefix + "b"}}, "", errs.PluginMissing},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			root := t.TempDir()
			s := newShelf(t, filepath.Join(root, "0"), filepath.Join(root, "1"))
			for _, f := range tt.files {
				s.put(f[0], append([]string{root}, f[1:]...)...)
			}
			must(t, s.scan(t.Context()))
			found, err := s.find(key{KindDownloader, "a"})
			if errs.CodeOf(err) != tt.fails {
				t.Fatalf("find: %v", err)
			}
			for _, p := range s.list() {
				if want := tt.want != "" && p.Path == filepath.Join(root, tt.want); p.Active != want {
					t.Errorf("%s: active is %v", p.Path, p.Active)
				}
			}
			if tt.want != "" && found.Path != filepath.Join(root, tt.want) {
				t.Errorf("uses %s", found.Path)
			}
			if n := len(s.list()); tt.fails != errs.PluginMissing && n != len(tt.files) {
				t.Errorf("lists %d of %d files", n, len(tt.files))
			}
		})
	}
}

func TestAFileThatDidNotChangeIsNotStartedAgain(t *testing.T) {
	dir := t.TempDir()
	s := newShelf(t, dir)
	s.put("1.0.0", dir, filePrefix+"a")
	for range 3 {
		must(t, s.scan(t.Context()))
	}
	if s.asked != 1 {
		t.Errorf("it was started %d times", s.asked)
	}
}

func TestAPinDecides(t *testing.T) {
	dir := t.TempDir()
	s := newShelf(t, dir)
	s.put("1.0.0", dir, filePrefix+"a")
	s.put("2.0.0", dir, "a", "2.0.0", filePrefix+"a")
	s.put("1.0.0", dir, filePrefix+"b")
	sum := sha256.Sum256([]byte("1.0.0"))
	s.pins = pins{"a": {hex.EncodeToString(sum[:])}}
	must(t, s.scan(t.Context()))
	if s.asked != 2 {
		t.Errorf("%d files were started, which must not be the one that is not pinned", s.asked)
	}
	list := s.list()
	if len(list) != 3 || list[0].Version != "1.0.0" || !list[0].Active || list[0].Err != nil {
		t.Fatalf("found %+v", list)
	}
	newer := sha256.Sum256([]byte("2.0.0"))
	err := list[1].Err
	if !errs.Is(err, errs.PluginUntrusted) || !strings.Contains(errs.MessageOf(err), hex.EncodeToString(newer[:])) || errs.HintOf(err) == "" {
		t.Errorf("the other one: %v", err)
	}
	if list[2].Name != "b" || !list[2].Active {
		t.Errorf("a plugin without a pin: %+v", list[2])
	}
}

func TestPluginWithADaemonOfItsOwnIsAskedAgain(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, filePrefix+"a"), nil, 0o755))
	managed := false
	c := &catalog{dirs: []string{dir}, describe: func(_ context.Context, _ binary, k key) (downloader.Description, error) {
		return downloader.Description{Name: k.name, Managed: managed, ManagedHint: "install it"}, nil
	}}
	must(t, c.scan(t.Context()))
	managed = true // the daemon was installed
	must(t, c.scan(t.Context()))
	if !c.list()[0].Managed {
		t.Error("the catalogue does not know of the daemon")
	}
}

func TestRescanThatIsGivenUpKeepsTheCatalogue(t *testing.T) {
	r := newRig(t, testTuning(), "good")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.Rescan(ctx); !errs.Is(err, errs.Canceled) {
		t.Errorf("Rescan answers %v", err)
	}
	if list := r.Plugins(); len(list) != 1 || list[0].Err != nil {
		t.Errorf("found %+v", list)
	}
}

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
}

func TestTrustedPaths(t *testing.T) {
	tests := []struct {
		name  string
		setup func(t *testing.T, r *rig)
	}{
		{"a file that a group may write", func(t *testing.T, r *rig) { must(t, os.Chmod(r.path("good"), 0o775)) }},
		{"a link to a file elsewhere", func(t *testing.T, r *rig) {
			must(t, os.Rename(r.path("good"), filepath.Join(r.dir, "x")))
			must(t, os.Symlink("../x", r.path("good")))
		}},
		{"a sticky folder above, such as /tmp", func(t *testing.T, r *rig) { must(t, os.Chmod(r.dir, 0o777|os.ModeSticky)) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, testTuning())
			b, err := os.ReadFile(builtPlugin)
			must(t, err)
			must(t, os.WriteFile(r.path("good"), b, 0o755))
			tt.setup(t, r)
			must(t, r.Rescan(t.Context()))
			if list := r.Plugins(); len(list) != 1 || list[0].Err != nil {
				t.Fatalf("found %+v", list)
			}
			works(t, r.startReady("good"))
		})
	}
}

func TestWhatWasHashedIsWhatRuns(t *testing.T) {
	r := newRig(t, testTuning(), "good")
	found, err := r.catalog.find(key{KindDownloader, "good"})
	must(t, err)
	file, err := found.binary.open()
	must(t, err)
	defer file.close()
	r.replace("good", builtPlugin)
	if err := file.recheck(); !errs.Is(err, errs.PluginUntrusted) {
		t.Errorf("another file in its place: %v", err)
	}
	path, unpin, err := pin(file.file, t.TempDir(), "name")
	must(t, err)
	defer unpin()
	running, err := os.Stat(path)
	must(t, err)
	if !os.SameFile(running, found.binary.info) {
		t.Error("another file would run")
	}
}
