package worker

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/hashicorp/go-hclog"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/pluginhost"
	"github.com/haul-dl/haul/core/internal/upload"
	"github.com/haul-dl/haul/sdk/errs"
	"github.com/haul-dl/haul/sdk/plugintest/scripted"
	"github.com/haul-dl/haul/sdk/storage"
)

func uploads(o *Options) { o.Uploader = upload.New(hclog.NewNullLogger()) }

// toCloud returns a job whose files go to the cloud.
func toCloud() core.DesiredJob {
	j := newJob()
	j.Deliveries[0].Storage = cloudID
	return j
}

func TestFilesGoToAStorageThatIsNoFolder(t *testing.T) {
	w := newWorld(t, scripted.Options{})
	w.change = uploads
	r := w.start()
	j, o := toCloud(), w.withCloud(cloud(`{"lose_put":1}`, 1))
	o.Jobs = []core.DesiredJob{j}
	r.send(o)
	r.waitAdded(j.ID)
	w.finish(j.ID, "a.bin", "content")
	r.waitPhase(j.ID, core.JobDelivered)
	files := r.host.storage(string(cloudID)).Storage
	if got := string(files.Content("home/a.bin")); got != "content" {
		t.Errorf("got %q of %v", got, files.Names())
	}
}

func TestFilesAreHeldUntilTheStorageTakesThem(t *testing.T) {
	w := newWorld(t, scripted.Options{})
	w.change = uploads
	r := w.start()
	j, o := toCloud(), w.withCloud(cloud(`{"token":"wrong"}`, 1))
	o.Jobs = []core.DesiredJob{j}
	r.send(o)
	r.waitAdded(j.ID)
	w.finish(j.ID, "a.bin", "content")
	held := r.waitPhase(j.ID, core.JobHeld)
	if f := held.Deliveries[0].Failure; f == nil || f.Code != errs.StorageAuthFailed {
		t.Errorf("held for %+v", f)
	}
	r.send(&core.Orders{AllStorages: true, Storages: w.withCloud(cloud(`{"token":"right"}`, 2)).Storages})
	r.waitPhase(j.ID, core.JobDelivered)
}

// processHost has real processes for storages, and none for downloaders.
type processHost struct {
	*fakeHost
	real Host
}

func (h processHost) OpenStorage(spec pluginhost.StorageSpec) StorageInstance {
	return h.real.OpenStorage(spec)
}

func (h processHost) TryOutStorage(ctx context.Context, spec pluginhost.StorageSpec, use func(context.Context, storage.Driver) error) error {
	return h.real.TryOutStorage(ctx, spec, use)
}

func TestFilesGoToAStorageInAProcess(t *testing.T) {
	plugins := t.TempDir()
	build := exec.Command("go", "build", "-o", filepath.Join(plugins, "haul-storage-scripted"), "./testdata/haul-storage-scripted")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if err := os.Chmod(plugins, 0o755); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, scripted.Options{})
	var node *Node
	host, err := pluginhost.New(pluginhost.Options{
		Dirs: []string{plugins}, RuntimeDir: filepath.Join(t.TempDir(), "run"), StateDir: t.TempDir(),
		OnChange: func(id string) { node.InstanceChanged(id) }, Logger: hclog.NewNullLogger(),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := host.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	if err := host.Rescan(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.change = func(o *Options) {
		uploads(o)
		fake, ok := o.Host.(*fakeHost)
		if !ok {
			t.Fatalf("got %T", o.Host)
		}
		o.Host = processHost{fake, FromPluginHost(host)}
	}
	w.born = func(n *Node) { node = n }
	r := w.start()
	j, o := toCloud(), w.withCloud(cloud(`{"capacity":1000}`, 1))
	o.Jobs = []core.DesiredJob{j}
	r.send(o)
	if s := r.waitStorage(cloudID, core.HealthOK, ""); s.PluginPID == 0 || s.PluginVersion != "1.0.0" || s.FreeBytes != 1000 {
		t.Errorf("got %+v", s)
	}
	w.finish(j.ID, "a.bin", "content")
	r.waitPhase(j.ID, core.JobDelivered)
	taken, err := r.session.FindTaken(t.Context(), cloudID, "home", []string{"a.bin", "b.bin"})
	if err != nil || len(taken) != 1 {
		t.Errorf("taken: %v, %v", taken, err)
	}
	result, err := r.session.TestStorage(t.Context(), core.DesiredStorage{ID: "other", Kind: "scripted", Settings: []byte(`{"token":"wrong"}`)})
	if err != nil || result.OK() {
		t.Errorf("a test of wrong settings: %+v, %v", result, err)
	}
}
