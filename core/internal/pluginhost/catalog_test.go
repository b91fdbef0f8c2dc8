package pluginhost

import (
	"context"
	"os"
	"path/filepath"
	"slices"
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
		{"a stranger's file, for root", func(t *testing.T, r *rig) {
			if os.Geteuid() != 0 {
				t.Skip("needs root")
			}
			must(t, os.Chown(r.path("good"), 12345, -1))
		}, errs.PluginUntrusted},
		{"a stranger's folder, for root", func(t *testing.T, r *rig) {
			if os.Geteuid() != 0 {
				t.Skip("needs root")
			}
			must(t, os.Chown(r.plugins, 12345, -1))
		}, errs.PluginUntrusted},
		{"a file that cannot be executed", func(t *testing.T, r *rig) { must(t, os.Chmod(r.path("good"), 0o644)) }, errs.PluginIncompatible},
		{"a folder of a plugin's name", func(t *testing.T, r *rig) {
			must(t, os.Remove(r.path("good")))
			must(t, os.Mkdir(r.path("good"), 0o755))
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

func TestFirstDirectoryWins(t *testing.T) {
	first, second := t.TempDir(), t.TempDir()
	for _, dir := range []string{first, second} {
		must(t, os.WriteFile(filepath.Join(dir, filePrefix+"a"), []byte(dir), 0o755))
	}
	asked := 0
	c := &catalog{dirs: []string{first, second}, describe: func(_ context.Context, _ binary, name string) (downloader.Description, error) {
		asked++
		return downloader.Description{Name: name}, nil
	}}
	for range 3 {
		must(t, c.scan(t.Context()))
	}
	if list := c.list(); len(list) != 1 || filepath.Dir(list[0].Path) != first {
		t.Errorf("found %+v", list)
	}
	if asked != 1 {
		t.Errorf("the same file was started %d times", asked)
	}
}

func TestPluginWithADaemonOfItsOwnIsAskedAgain(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, filePrefix+"a"), nil, 0o755))
	managed := false
	c := &catalog{dirs: []string{dir}, describe: func(_ context.Context, _ binary, name string) (downloader.Description, error) {
		return downloader.Description{Name: name, Managed: managed, ManagedHint: "install it"}, nil
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
