package pluginhost

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
	"github.com/haul-dl/haul/sdk/plugintest/storageconformance"
	"github.com/haul-dl/haul/sdk/storage"
)

// installStorage puts the plugin there as one of storages.
func (r *rig) installStorage(name string) string {
	r.t.Helper()
	path := filepath.Join(r.plugins, storagePrefix+name)
	must(r.t, os.Link(builtPlugin, path))
	return path
}

func newStorageRig(t *testing.T, o Options, names ...string) *rig {
	t.Helper()
	r := newRigWith(t, testTuning(), o)
	for _, name := range names {
		r.installStorage(name)
	}
	must(t, r.Rescan(t.Context()))
	return r
}

func (r *rig) openStorage(id, plugin, settings string) *StorageInstance {
	r.t.Helper()
	return r.OpenStorage(StorageSpec{ID: id, Name: "my-" + plugin, Plugin: plugin, Settings: []byte(settings)})
}

func put(ctx context.Context, d storage.Driver, path, content string) error {
	_, err := d.Put(ctx, storage.PutRequest{Path: path, Size: int64(len(content)), Content: strings.NewReader(content)})
	return err
}

func TestAStorageInAProcessKeepsTheContract(t *testing.T) {
	r := newStorageRig(t, Options{}, "s")
	storageconformance.Run(t, func(t *testing.T) storage.Driver {
		t.Helper()
		in := r.openStorage(strings.ReplaceAll(filepath.Base(t.Name()), " ", "-"), "s", `{"capacity":1000000000}`)
		t.Cleanup(func() { must(t, in.Close(context.Background())) })
		r.await(in.in, StateRunning)
		return in.Driver()
	})
}

func TestPluginsOfBothKindsMayHaveTheSameName(t *testing.T) {
	r := newRig(t, testTuning(), "good")
	r.installStorage("good")
	must(t, r.Rescan(t.Context()))
	var kinds []Kind
	for _, p := range r.Plugins() {
		if p.Err != nil || p.Name != "good" || !p.Active {
			t.Errorf("got %+v", p)
		}
		kinds = append(kinds, p.Kind)
	}
	if !slices.Equal(kinds, []Kind{KindDownloader, KindStorage}) {
		t.Errorf("got %v", kinds)
	}
	s, d := r.openStorage("storage", "good", `{}`), r.start("good", `{}`)
	r.await(s.in, StateRunning)
	r.await(d, StateRunning)
	must(t, put(t.Context(), s.Driver(), "f", "content"))
	if _, err := d.Driver().Check(t.Context(), []downloader.Ref{{JobID: "a"}}); err != nil {
		t.Error(err)
	}
}

func TestAStorageThatCrashesInAPutIsStartedAgain(t *testing.T) {
	r := newStorageRig(t, Options{}, "s")
	in := r.openStorage("id", "s", `{"crash_put":2}`)
	first := r.await(in.in, StateRunning).PID
	must(t, put(t.Context(), in.Driver(), "first", "content"))
	if err := put(t.Context(), in.Driver(), "second", "content"); !errs.Is(err, errs.PluginCrashed) {
		t.Fatalf("got %v, want %s", err, errs.PluginCrashed)
	}
	r.awaitRestart(in.in, first)
	must(t, put(t.Context(), in.Driver(), "third", "content"))
}

func TestAStorageWithWrongSettingsIsNotStarted(t *testing.T) {
	r := newStorageRig(t, Options{}, "s")
	in := r.openStorage("id", "s", `{"fail_put":"x"}`)
	r.await(in.in, StateFailed)
	if err := put(t.Context(), in.Driver(), "f", ""); !errs.Is(err, errs.InvalidSettings) {
		t.Errorf("got %v", err)
	}
}

func TestAMissingStoragePluginIsNamed(t *testing.T) {
	r := newRig(t, testTuning())
	in := r.openStorage("id", "none", `{}`)
	r.await(in.in, StateFailed)
	_, err := in.Driver().Stat(t.Context(), "f")
	if !errs.Is(err, errs.PluginMissing) || !strings.Contains(errs.HintOf(err), "haul-storage-none") {
		t.Errorf("got %v, %s", err, errs.HintOf(err))
	}
}

func TestStoragesHavePinsOfTheirOwn(t *testing.T) {
	wrong := []string{strings.Repeat("0", 64)}
	r := newStorageRig(t, Options{Pins: map[string][]string{"storage-pinned": wrong, "free": wrong}}, "pinned", "free")
	for _, p := range r.Plugins() {
		if untrusted := errs.Is(p.Err, errs.PluginUntrusted); untrusted != (p.Name == "pinned") {
			t.Errorf("%s: %v", p.Name, p.Err)
		}
	}
}

func TestADownloaderNamedAsAStorageIsRefused(t *testing.T) {
	r := newRig(t, testTuning())
	script := "#!/bin/sh\nexec " + filepath.Join(r.dir, filePrefix+"good") + "\n"
	must(t, os.Link(builtPlugin, filepath.Join(r.dir, filePrefix+"good")))
	must(t, os.WriteFile(filepath.Join(r.plugins, storagePrefix+"good"), []byte(script), 0o755))
	must(t, r.Rescan(t.Context()))
	if p := r.Plugins()[0]; p.Err == nil || p.Kind != KindStorage {
		t.Errorf("got %+v", p)
	}
}

func TestTryOutOfAStorage(t *testing.T) {
	r := newStorageRig(t, Options{}, "s")
	var result downloader.TestResult
	err := r.TryOutStorage(t.Context(), StorageSpec{Name: "n", Plugin: "s", Settings: []byte(`{"token":"wrong"}`)},
		func(ctx context.Context, d storage.Driver) (err error) {
			result, err = d.Test(ctx)
			return err
		})
	must(t, err)
	if len(result.Checks) != 2 || !errs.Is(result.Checks[1].Err, errs.StorageAuthFailed) {
		t.Errorf("got %+v", result)
	}
}

func TestAPutOutlivesTheUpgradeOfItsPlugin(t *testing.T) {
	r := newStorageRig(t, Options{}, "s")
	in := r.openStorage("id", "s", `{}`)
	first := r.await(in.in, StateRunning).PID
	begun := make(chan struct{})
	reader := &gated{content: bytes.Repeat([]byte("x"), 1<<20), begun: begun, open: make(chan struct{})}
	done := make(chan error, 1)
	go func() {
		_, err := in.Driver().Put(t.Context(), storage.PutRequest{Path: "f", Size: 1 << 20, Content: reader})
		done <- err
	}()
	<-begun
	b, err := os.ReadFile(builtPlugin)
	must(t, err)
	path := filepath.Join(r.plugins, storagePrefix+"s")
	must(t, os.WriteFile(path+".new", append(b, "another build"...), 0o755))
	must(t, os.Rename(path+".new", path))
	must(t, r.Rescan(t.Context()))
	eventually(t, func() bool { s := in.Status(); return s.State == StateRunning && s.PID != first },
		func() string { return "another process takes over" })
	close(reader.open)
	must(t, <-done)
}

// gated is content that waits in its middle.
type gated struct {
	content []byte
	read    int
	begun   chan struct{}
	open    chan struct{}
}

func (g *gated) Read(p []byte) (int, error) {
	if g.read > 0 && g.begun != nil {
		close(g.begun)
		g.begun = nil
		<-g.open
	}
	n := copy(p, g.content[g.read:min(len(g.content), g.read+1000)])
	g.read += n
	return n, nil
}
