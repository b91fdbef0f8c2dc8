package nodes

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/store"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

const s3Schema = `{"type":"object","additionalProperties":false,"required":["endpoint"],"properties":{
	"endpoint":{"type":"string","x-haul-endpoint":true},"secret":{"type":"string","writeOnly":true}}}`

func storagePlugin(name string) core.ObservedPlugin {
	return core.ObservedPlugin{Kind: core.PluginStorage, Active: true, Description: downloader.Description{
		Name: name, Version: "1.0.0", SettingsSchema: []byte(s3Schema),
	}}
}

// withStorages is an online world with a plugin of storages; orders of storages
// are in far.orders.
func withStorages(t *testing.T) *world {
	t.Helper()
	w := newWorld(t, false)
	w.service.data = t.TempDir()
	w.online(plugin("p", false), storagePlugin("s3"))
	return w
}

func (w *world) createStorage(name, kind, settings string) (*core.StorageView, error) {
	return w.service.CreateStorage(w.admin, &core.StorageChange{Name: text(name), Kind: text(kind), Settings: []byte(settings)})
}

func (w *world) mustCreateStorage(name, kind, settings string) *core.StorageView {
	w.t.Helper()
	v, err := w.createStorage(name, kind, settings)
	if err != nil {
		w.t.Fatal(err)
	}
	return v
}

func TestAStorageIsChangedWithoutLosingItsSecret(t *testing.T) {
	w := withStorages(t)
	v := w.mustCreateStorage("cloud", "s3", `{"endpoint":"h:1","secret":"hunter2"}`)
	if strings.Contains(string(v.Settings), "hunter2") || !strings.Contains(string(v.Settings), "h:1") {
		t.Errorf("shown: %s", v.Settings)
	}
	o := receive(t, w.far.orders, "the storage")
	if len(o.Storages) != 1 || !o.AllStorages || !strings.Contains(string(o.Storages[0].Settings), "hunter2") || o.Storages[0].Kind != "s3" {
		t.Fatalf("the node gets %+v", o)
	}
	if _, err := w.service.UpdateStorage(w.admin, "cloud", &core.StorageChange{Name: text("sky"), Settings: v.Settings}); err != nil {
		t.Fatal(err)
	}
	o = receive(t, w.far.orders, "the change")
	if s := o.Storages[0]; s.Name != "sky" || !strings.Contains(string(s.Settings), "hunter2") || s.Revision != 2 {
		t.Errorf("the node gets %+v", s)
	}
	_, err := w.service.UpdateStorage(w.admin, "sky", &core.StorageChange{Settings: []byte(`{"endpoint":"evil","secret":"<secret>"}`)})
	if !errs.Is(err, errs.InvalidSettings) {
		t.Errorf("the secret follows to another address: %v", err)
	}
	if result, err := w.service.TestStorage(w.admin, "sky"); err != nil || !strings.Contains(result.Version, "hunter2") {
		t.Errorf("the node tests %+v, %v", result, err)
	}
}

func TestWrongStoragesAreRefusedByField(t *testing.T) {
	w := withStorages(t)
	data := w.service.data
	outside := t.TempDir()
	link := filepath.Join(outside, "link")
	if err := os.Symlink(data, link); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(outside, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	w.mustCreateStorage("taken", "s3", `{"endpoint":"h"}`)
	tests := []struct {
		name                 string
		called, kind, config string
		code                 errs.Code
		field                string
	}{
		{"no name", "", "s3", `{"endpoint":"h"}`, errs.InvalidRequest, "name"},
		{"a name that is a path of the API", "test", "s3", `{"endpoint":"h"}`, errs.InvalidRequest, "name"},
		{"a name that is taken", "taken", "s3", `{"endpoint":"h"}`, errs.NameTaken, ""},
		{"no kind", "x", "", `{}`, errs.InvalidRequest, "kind"},
		{"a kind without a plugin", "x", "ftp", `{}`, errs.PluginMissing, "kind"},
		{"a downloader's plugin", "x", "p", `{}`, errs.PluginMissing, "kind"},
		{"a setting that is missing", "x", "s3", `{}`, errs.InvalidSettings, "settings.endpoint"},
		{"a setting that does not exist", "x", "s3", `{"endpoint":"h","more":1}`, errs.InvalidSettings, "settings.more"},
		{"settings that are no object", "x", "s3", `7`, errs.InvalidSettings, "settings"},
		{"a folder without a path", "x", "local", `{}`, errs.InvalidSettings, "settings.path"},
		{"a relative folder", "x", "local", `{"path":"files"}`, errs.InvalidSettings, "settings.path"},
		{"the root of all folders", "x", "local", `{"path":"/.."}`, errs.InvalidSettings, "settings.path"},
		{"a folder in haul's own", "x", "local", `{"path":"` + data + `/node"}`, errs.InvalidSettings, "settings.path"},
		{"haul's own folder", "x", "local", `{"path":"` + data + `"}`, errs.InvalidSettings, "settings.path"},
		{"a folder around haul's own", "x", "local", `{"path":"` + filepath.Dir(data) + `"}`, errs.InvalidSettings, "settings.path"},
		{"a link into haul's own", "x", "local", `{"path":"` + link + `/new"}`, errs.InvalidSettings, "settings.path"},
		{"a file", "x", "local", `{"path":"` + file + `"}`, errs.InvalidSettings, "settings.path"},
		{"a folder with another setting", "x", "local", `{"path":"/srv/x","mode":1}`, errs.InvalidSettings, "settings.mode"},
		{"a path that is a number", "x", "local", `{"path":7}`, errs.InvalidSettings, "settings.path"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := w.createStorage(tt.called, tt.kind, tt.config)
			e, ok := errors.AsType[*errs.Error](err)
			if !ok || e.Code != tt.code || tt.field != "" && (len(e.Fields) != 1 || e.Fields[0].Name != tt.field || e.Fields[0].Message == "") {
				t.Fatalf("got %#v", err)
			}
		})
	}
}

func TestALocalStorageIsAFolderThatIsMade(t *testing.T) {
	w := withStorages(t)
	for _, path := range []string{filepath.Join(t.TempDir(), "a", "b"), filepath.Join(w.service.data, "files", "more")} {
		v := w.mustCreateStorage("l"+filepath.Base(path), "local", `{"path":"`+path+`"}`)
		if v.Root != path || string(v.Settings) != `{"path":"`+path+`"}` {
			t.Errorf("got %+v, %s", v.Storage, v.Settings)
		}
		if info, err := os.Stat(path); err != nil || !info.IsDir() {
			t.Error(err)
		}
	}
}

func TestTheLocalStorageStaysWhatItIs(t *testing.T) {
	w := withStorages(t)
	w.mustCreateStorage(core.LocalStorageName, "local", `{"path":"`+t.TempDir()+`"}`)
	if err := w.service.DeleteStorage(w.admin, core.LocalStorageName); !errs.Is(err, errs.InUse) {
		t.Errorf("deleted: %v", err)
	}
	for name, c := range map[string]core.StorageChange{
		"name": {Name: text("x")}, "kind": {Kind: text("s3")}, "settings": {Settings: []byte(`{"path":"/srv"}`)},
	} {
		if _, err := w.service.UpdateStorage(w.admin, core.LocalStorageName, &c); !errs.Is(err, errs.InvalidRequest) {
			t.Errorf("%s changed: %v", name, err)
		}
	}
}

func TestAStorageInUseIsNotDeleted(t *testing.T) {
	w := withStorages(t)
	v := w.mustCreateStorage("cloud", "s3", `{"endpoint":"h"}`)
	task := &core.Task{
		ID: core.NewID[core.TaskID](), Owner: core.NewID[core.UserID](), State: core.StateHeld,
		Destination: core.Destination{Storage: v.ID, Path: "x"},
	}
	put := func(fn func(tx *store.Tx) error) {
		t.Helper()
		if err := w.store.Update(t.Context(), fn); err != nil {
			t.Fatal(err)
		}
	}
	put(func(tx *store.Tx) error { return tx.PutTask(task) })
	if err := w.service.DeleteStorage(w.admin, "cloud"); !errs.Is(err, errs.InUse) {
		t.Errorf("got %v", err)
	}
	task.State = core.StateCanceled
	put(func(tx *store.Tx) error { return tx.PutTask(task) })
	if err := w.service.DeleteStorage(w.admin, "cloud"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.service.GetStorage(w.admin, "cloud"); !errs.Is(err, errs.NotFound) {
		t.Errorf("it is still there: %v", err)
	}
}

func TestAStorageWhosePluginIsGoneCanBeRenamed(t *testing.T) {
	w := withStorages(t)
	w.mustCreateStorage("cloud", "s3", `{"endpoint":"h","secret":"hunter2"}`)
	w.far.reports <- &core.Report{Plugins: []core.ObservedPlugin{}}
	receive(t, w.seen.wakes, "the report to be taken in")
	v, err := w.service.UpdateStorage(w.admin, "cloud", &core.StorageChange{Name: text("sky")})
	if err != nil || v.Name != "sky" || strings.Contains(string(v.Settings), "hunter2") {
		t.Errorf("got %+v, %v", v, err)
	}
}

func TestHealthAndSpaceOfAStorageAreShownToThoseWhoMaySeeThem(t *testing.T) {
	w := withStorages(t)
	v := w.mustCreateStorage("cloud", "s3", `{"endpoint":"h"}`)
	w.far.reports <- &core.Report{Plugins: []core.ObservedPlugin{storagePlugin("s3")}, Storages: []core.ObservedStorage{{
		ID: v.ID, Health: core.Health{State: core.HealthDegraded, Code: errs.StorageAuthFailed, Message: "no"},
		FreeBytes: 5, TotalBytes: 7, PluginPID: 12, PluginVersion: "1.0.0", Restarts: 2,
	}}}
	receive(t, w.seen.wakes, "the report to be taken in")
	got, err := w.service.GetStorage(w.admin, string(v.ID))
	if err != nil || got.Health.Code != errs.StorageAuthFailed || got.FreeBytes != 5 || got.TotalBytes != 7 {
		t.Errorf("an admin sees %+v, %v", got, err)
	}
	page, err := w.service.ListStorages(w.user, 0, "")
	if err != nil || len(page.Items) != 1 {
		t.Fatalf("got %+v, %v", page, err)
	}
	if s := page.Items[0]; string(s.Settings) != "{}" || s.FreeBytes != -1 || s.Health.Code != errs.StorageAuthFailed {
		t.Errorf("a user sees %+v", s)
	}
	plugins, err := w.service.Plugins(w.admin)
	if err != nil || len(plugins) != 1 || len(plugins[0].Instances) != 1 {
		t.Fatalf("plugins: %+v, %v", plugins, err)
	}
	if in := plugins[0].Instances[0]; in.Storage != v.ID || in.PID != 12 || in.Restarts != 2 || in.Version != "1.0.0" {
		t.Errorf("got %+v", in)
	}
}

func TestOnlyAdminsChangeStorages(t *testing.T) {
	w := withStorages(t)
	w.mustCreateStorage("cloud", "s3", `{"endpoint":"h"}`)
	change := &core.StorageChange{Name: text("x"), Kind: text("s3"), Settings: []byte(`{"endpoint":"h"}`)}
	calls := map[string]func(context.Context) error{
		"create": func(ctx context.Context) error { _, err := w.service.CreateStorage(ctx, change); return err },
		"update": func(ctx context.Context) error { _, err := w.service.UpdateStorage(ctx, "cloud", change); return err },
		"delete": func(ctx context.Context) error { return w.service.DeleteStorage(ctx, "cloud") },
		"test":   func(ctx context.Context) error { _, err := w.service.TestStorage(ctx, "cloud"); return err },
		"unsaved": func(ctx context.Context) error {
			_, err := w.service.TestUnsavedStorage(ctx, change)
			return err
		},
	}
	for name, call := range calls {
		if err := call(w.user); !errs.Is(err, errs.Forbidden) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := w.service.GetStorage(t.Context(), "cloud"); !errs.Is(err, errs.Unauthenticated) {
		t.Errorf("without a user: %v", err)
	}
}

func TestSettingsOfAStorageAreTriedBeforeTheyAreStored(t *testing.T) {
	w := withStorages(t)
	result, err := w.service.TestUnsavedStorage(w.admin, &core.StorageChange{Kind: text("s3"), Settings: []byte(`{"endpoint":"h"}`)})
	if err != nil || result.Version != `s3{"endpoint":"h"}` {
		t.Errorf("got %+v, %v", result, err)
	}
	if page, err := w.service.ListStorages(w.admin, 0, ""); err != nil || len(page.Items) != 0 {
		t.Errorf("it was stored: %+v, %v", page, err)
	}
}

func TestADownloadersSeedingIsChecked(t *testing.T) {
	w := withStorages(t)
	w.create("d", `{"address":"h:1"}`)
	two := &core.SeedPolicy{Enabled: true, Ratio: 2}
	if v, err := w.service.Update(w.admin, "d", &core.DownloaderChange{Seed: &core.SeedChange{Policy: two}}); err != nil || v.Seed == nil || v.Seed.Ratio != 2 {
		t.Errorf("got %+v, %v", v, err)
	}
	bad := &core.SeedChange{Policy: &core.SeedPolicy{Ratio: -1}}
	if _, err := w.service.Update(w.admin, "d", &core.DownloaderChange{Seed: bad}); !errs.Is(err, errs.InvalidRequest) {
		t.Errorf("got %v", err)
	}
	if v, err := w.service.Update(w.admin, "d", &core.DownloaderChange{Seed: &core.SeedChange{}}); err != nil || v.Seed != nil {
		t.Errorf("taken back: %+v, %v", v, err)
	}
}
