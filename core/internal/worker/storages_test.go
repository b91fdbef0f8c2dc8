package worker

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/pluginhost"
	"github.com/haul-dl/haul/sdk/errs"
	"github.com/haul-dl/haul/sdk/plugintest/scripted"
	"github.com/haul-dl/haul/sdk/plugintest/scriptedstorage"
	"github.com/haul-dl/haul/sdk/storage"
)

const cloudID = core.StorageID("01900000-0000-7000-8000-0000000000c1")

func cloud(settings string, revision int64) core.DesiredStorage {
	return core.DesiredStorage{ID: cloudID, Name: "cloud", Kind: "scripted", Settings: []byte(settings), Revision: revision}
}

// withCloud are full orders with another storage.
func (w *world) withCloud(s core.DesiredStorage) *core.Orders {
	o := w.full()
	o.Storages = append(o.Storages, s)
	return o
}

func (r *running) storage(id core.StorageID) core.ObservedStorage {
	i := slices.IndexFunc(r.storages, func(s core.ObservedStorage) bool { return s.ID == id })
	if i < 0 {
		return core.ObservedStorage{}
	}
	return r.storages[i]
}

func (r *running) waitStorage(id core.StorageID, state core.HealthState, code errs.Code) core.ObservedStorage {
	r.t.Helper()
	r.waitFor("the storage to be "+string(state), func() bool {
		s := r.storage(id)
		return s.Health.State == state && s.Health.Code == code
	})
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.storage(id)
}

func TestHealthAndSpaceOfStoragesAreReported(t *testing.T) {
	w := newWorld(t, scripted.Options{})
	r := w.start()
	r.send(w.withCloud(cloud(`{"capacity":1000}`, 1)))
	s := r.waitStorage(cloudID, core.HealthOK, "")
	if s.FreeBytes != 1000 || s.TotalBytes != 1000 || s.PluginPID != 4712 || s.PluginVersion != "1.0.0" {
		t.Errorf("got %+v", s)
	}
	if s := r.waitStorage(storageID, core.HealthOK, ""); s.FreeBytes <= 0 || s.TotalBytes < s.FreeBytes {
		t.Errorf("the local one: got %+v", s)
	}
}

func TestAStorageThatRefusesIsDegradedUntilItsSettingsAreMended(t *testing.T) {
	w := newWorld(t, scripted.Options{})
	r := w.start()
	r.send(w.withCloud(cloud(`{"token":"wrong"}`, 1)))
	r.waitStorage(cloudID, core.HealthDegraded, errs.StorageAuthFailed)
	r.send(&core.Orders{AllStorages: true, Storages: w.withCloud(cloud(`{"token":"right"}`, 2)).Storages})
	r.waitStorage(cloudID, core.HealthOK, "")
}

func TestAStorageWithoutItsPluginHasFailed(t *testing.T) {
	w := newWorld(t, scripted.Options{})
	r := w.start()
	s := cloud(`{}`, 1)
	s.Kind = "none"
	r.send(w.withCloud(s))
	r.waitStorage(cloudID, core.HealthFailed, errs.PluginMissing)
}

func TestACrashedStorageIsTestedAnew(t *testing.T) {
	w := newWorld(t, scripted.Options{})
	r := w.start()
	r.send(w.withCloud(cloud(`{}`, 1)))
	r.waitStorage(cloudID, core.HealthOK, "")
	r.host.setStorage(string(cloudID), pluginhost.Status{State: pluginhost.StateBackingOff, Err: errs.New(errs.PluginCrashed, "It is gone.")})
	r.waitStorage(cloudID, core.HealthFailed, errs.PluginCrashed)
	r.host.setStorage(string(cloudID), pluginhost.Status{State: pluginhost.StateRunning, PID: 4713, Restarts: 1})
	if s := r.waitStorage(cloudID, core.HealthOK, ""); s.PluginPID != 4713 || s.Restarts != 1 {
		t.Errorf("got %+v", s)
	}
}

func TestALocalFolderThatIsGoneIsDegraded(t *testing.T) {
	w := newWorld(t, scripted.Options{})
	r := w.start()
	o := w.full()
	o.Storages = append(o.Storages, core.DesiredStorage{ID: cloudID, Name: "gone", Kind: core.StorageLocal, Root: filepath.Join(w.dir, "gone"), Revision: 1})
	r.send(o)
	r.waitStorage(cloudID, core.HealthDegraded, errs.DestinationReadOnly)
}

func TestANodeKnowsItsStoragesAfterARestart(t *testing.T) {
	w := newWorld(t, scripted.Options{})
	r := w.start()
	r.send(w.withCloud(cloud(`{"token":"hunter2"}`, 1)))
	r.stop()
	kept, err := w.kv.Get(t.Context(), keyStorage+string(cloudID))
	if err != nil || kept == nil || bytes.Contains(kept.Value, []byte("hunter2")) {
		t.Fatalf("the journal has %v, %v", kept, err)
	}
	r = w.start()
	if in := r.host.storage(string(cloudID)); in == nil || string(in.spec.Settings) != `{"token":"hunter2"}` {
		t.Fatalf("got %+v", in)
	}
	r.waitStorage(cloudID, core.HealthOK, "")
}

func TestADeletedStorageIsClosedAndForgotten(t *testing.T) {
	w := newWorld(t, scripted.Options{})
	r := w.start()
	r.send(w.withCloud(cloud(`{}`, 1)))
	r.waitStorage(cloudID, core.HealthOK, "")
	r.send(&core.Orders{AllStorages: true, Storages: w.full().Storages})
	r.waitFor("the storage to be gone", func() bool { return r.storage(cloudID).ID == "" && r.host.storage(string(cloudID)) == nil })
	if _, err := r.session.FindTaken(t.Context(), cloudID, ".", []string{"a"}); !errs.Is(err, errs.StorageMissing) {
		t.Errorf("got %v", err)
	}
	if keys := w.keys(keyStorage); len(keys) != 1 {
		t.Errorf("the journal has %v", keys)
	}
	r.stop()
	if !slices.Contains(r.host.discarded, string(cloudID)) {
		t.Error("what its driver has kept stays")
	}
}

func TestAStorageIsTriedOut(t *testing.T) {
	w := newWorld(t, scripted.Options{})
	r := w.start()
	r.send(w.withCloud(cloud(`{}`, 1)))
	r.waitStorage(cloudID, core.HealthOK, "")
	tests := []struct {
		name  string
		want  core.DesiredStorage
		code  errs.Code
		check string
		tried int32 // in a process of its own
	}{
		{"the stored one in its own process", cloud(`{}`, 1), "", "credentials", 0},
		{"other settings in another", cloud(`{"token":"wrong"}`, 1), errs.StorageAuthFailed, "credentials", 1},
		{"no plugin is a part of the result", core.DesiredStorage{ID: "x", Kind: "none"}, errs.PluginMissing, "plugin", 1},
		{"settings that it does not take too", core.DesiredStorage{ID: "x", Kind: "scripted", Settings: []byte(`7`)}, errs.InvalidSettings, "plugin", 1},
		{"a folder", core.DesiredStorage{ID: "x", Kind: core.StorageLocal, Root: w.root}, "", "writable", 0},
		{"a folder that is not there", core.DesiredStorage{ID: "x", Kind: core.StorageLocal, Root: filepath.Join(w.root, "no")}, errs.DestinationReadOnly, "writable", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := r.host.tried.Load()
			result, err := r.session.TestStorage(t.Context(), tt.want)
			if err != nil || len(result.Checks) == 0 {
				t.Fatalf("got %+v, %v", result, err)
			}
			last := result.Checks[len(result.Checks)-1]
			if last.Name != tt.check || tt.code == "" && last.Err != nil || tt.code != "" && !errs.Is(last.Err, tt.code) {
				t.Errorf("got %+v", last)
			}
			if n := r.host.tried.Load() - before; n != tt.tried {
				t.Errorf("%d processes, want %d", n, tt.tried)
			}
		})
	}
}

func TestNamesAndFilesOfAStorage(t *testing.T) {
	w := newWorld(t, scripted.Options{})
	r := w.start()
	r.send(w.withCloud(cloud(`{}`, 1)))
	r.waitStorage(cloudID, core.HealthOK, "")
	files := r.host.storage(string(cloudID)).Storage
	for _, name := range []string{"home/a/one", "home/a/b/two", "home/changed", "home/kept"} {
		if _, err := files.Put(t.Context(), storage.PutRequest{Path: name, Size: 3, Content: strings.NewReader("abc")}); err != nil {
			t.Fatal(err)
		}
	}
	taken, err := r.session.FindTaken(t.Context(), cloudID, "home", []string{"kept", "free", "a"})
	if err != nil || !slices.Equal(taken, []string{"kept", "a"}) {
		t.Errorf("taken: %v, %v", taken, err)
	}
	left, err := r.session.RemoveFiles(t.Context(), cloudID, "home", []core.DeliveredFile{
		{Path: "a/one", Size: 3}, {Path: "a/b/two", Size: 3}, {Path: "changed", Size: 4}, {Path: "gone", Size: 1}, {Path: "kept", Size: 3, Skipped: true},
	})
	if err != nil || len(left) > 0 || !slices.Equal(files.Names(), []string{"home/changed", "home/kept"}) {
		t.Errorf("after the removal: %v, %v", files.Names(), err)
	}
	if _, err := files.Stat(t.Context(), "home/a"); !errs.Is(err, errs.NotFound) {
		t.Errorf("an empty folder stays: %v", err)
	}
	if err := os.WriteFile(filepath.Join(w.root, "local"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if taken, err := r.session.FindTaken(context.Background(), storageID, ".", []string{"local", "other"}); err != nil || !slices.Equal(taken, []string{"local"}) {
		t.Errorf("of a folder: %v, %v", taken, err)
	}
}

// stubborn is a storage that does not remove one file.
type stubborn struct {
	storage.Driver
	keeps string
	err   error
}

func (s stubborn) Remove(ctx context.Context, name string) error {
	if name == s.keeps {
		return s.err
	}
	return s.Driver.Remove(ctx, name)
}

func TestWhatAStorageDoesNotRemoveIsLeft(t *testing.T) {
	for _, code := range []errs.Code{errs.DestinationReadOnly, errs.StorageUnreachable} {
		files := scriptedstorage.New(scriptedstorage.Settings{})
		delivered := []core.DeliveredFile{{Path: "one", Size: 3}, {Path: "kept", Size: 3}, {Path: "gone", Size: 3}}
		for _, name := range []string{"home/one", "home/kept"} {
			if _, err := files.Put(t.Context(), storage.PutRequest{Path: name, Size: 3, Content: strings.NewReader("abc")}); err != nil {
				t.Fatal(err)
			}
		}
		left, err := removeObjects(t.Context(), stubborn{files, "home/kept", errs.New(code, "no")}, "home", delivered)
		if !errs.Is(err, code) || !slices.Contains(left, delivered[1]) {
			t.Errorf("%s: left are %v, %v", code, left, err)
		}
		for _, f := range left {
			if f != delivered[1] && code == errs.DestinationReadOnly {
				t.Errorf("%s is settled, and left", f.Path)
			}
		}
	}
}
