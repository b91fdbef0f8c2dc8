package nodes

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

// version is a plugin of several versions that can do more.
func version(v string, active bool) core.ObservedPlugin {
	p := plugin("p", false)
	p.Version, p.Active, p.Path = v, active, "/plugins/p-"+v
	p.OptionsSchema = []byte(testOptions)
	p.ReservedOptions = []string{"dir"}
	p.Capabilities = []downloader.Capability{downloader.CapabilitySetLimits}
	return p
}

func TestADownloadersOptionsAndPathMapAreCheckedStoredAndSent(t *testing.T) {
	w := newWorld(t, false)
	w.online(version("1", true))
	paths := []core.PathMapping{{Daemon: "/downloads", Node: "/srv/d"}}
	v, err := w.service.Create(w.admin, &core.DownloaderChange{
		Name: text("d"), Plugin: text("p"), PathMap: &paths,
		Options: []byte(`{"upload_limit": 1000, "split":2, "cookie":"hunter2"}`),
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"cookie":"\u003csecret\u003e","split":2,"upload_limit":1000}`; string(v.Options) != want || !reflect.DeepEqual(v.PathMap, paths) {
		t.Errorf("shown: %s, %+v", v.Options, v.PathMap)
	}
	if o := receive(t, w.far.orders, "the downloader"); !reflect.DeepEqual(o.Downloaders[0].PathMap, paths) {
		t.Errorf("the node gets %+v", o.Downloaders[0])
	}
	if v, err := w.service.Get(w.user, "d"); err != nil || len(v.PathMap) != 0 || strings.Contains(string(v.Settings), "/srv") {
		t.Errorf("users see %+v, %v", v, err)
	}
	if _, err = w.service.Update(w.admin, "d", &core.DownloaderChange{Options: v.Options}); err != nil {
		t.Fatal(err)
	}
	stored, err := w.service.Downloader("d")
	if err != nil || string(stored.Options) != `{"cookie":"hunter2","split":2,"upload_limit":1000}` {
		t.Errorf("stored: %s, %v", stored.Options, err)
	}
	none := []core.PathMapping{}
	if v, err = w.service.Update(w.admin, "d", &core.DownloaderChange{Options: []byte(`{}`), PathMap: &none}); err != nil || len(v.Options) != 0 || len(v.PathMap) != 0 {
		t.Errorf("taken away: %+v, %v", v, err)
	}
}

func TestWrongOptionsOfADownloaderAreRefusedByField(t *testing.T) {
	w := newWorld(t, false)
	w.online(version("1", true))
	w.create("d", `{}`)
	for raw, want := range map[string]errs.Field{
		`{"dir":"/etc"}`:        {Name: "options.dir", Message: string(errs.OptionNotAllowed)},
		`{"--D_I_R":"/etc"}`:    {Name: "options.--D_I_R", Message: string(errs.OptionNotAllowed)},
		`{"split":0}`:           {Name: "options.split", Message: string(errs.InvalidOptions)},
		`{"download_limit":-1}`: {Name: "options.download_limit", Message: string(errs.InvalidOptions)},
		`[]`:                    {Name: "options", Message: string(errs.InvalidOptions)},
	} {
		_, err := w.service.Update(w.admin, "d", &core.DownloaderChange{Options: []byte(raw)})
		e, ok := errors.AsType[*errs.Error](err)
		if !ok || string(e.Code) != want.Message || len(e.Fields) != 1 || e.Fields[0].Name != want.Name {
			t.Errorf("%s: got %#v", raw, err)
		}
	}
	wrong := []core.PathMapping{{Daemon: "x", Node: "/y"}}
	_, err := w.service.Update(w.admin, "d", &core.DownloaderChange{PathMap: &wrong})
	if e, ok := errors.AsType[*errs.Error](err); !ok || e.Code != errs.InvalidRequest || e.Fields[0].Name != "path_map[0].daemon" {
		t.Errorf("got %#v", err)
	}
}

func TestOfSeveralVersionsTheActiveOneCounts(t *testing.T) {
	w := newWorld(t, false)
	old := version("1", false)
	old.OptionsSchema = nil
	w.online(old, version("2", true))
	v, err := w.service.Create(w.admin, &core.DownloaderChange{Name: text("d"), Plugin: text("p"), Options: []byte(`{"split":2}`)})
	if err != nil {
		t.Fatalf("the newer version's options are not taken: %v", err)
	}
	versions := func() map[string]int {
		t.Helper()
		plugins, err := w.service.Plugins(w.user)
		if err != nil || len(plugins) != 2 {
			t.Fatalf("%d versions are shown, %v", len(plugins), err)
		}
		out := map[string]int{}
		for _, p := range plugins {
			out[p.Version] = len(p.Instances)
			if p.Active != (p.Version == "2") {
				t.Errorf("version %s is shown as active: %v", p.Version, p.Active)
			}
			if !strings.Contains(string(p.OptionsSchema), "download_limit") {
				t.Errorf("the schema of version %s does not show the limits: %s", p.Version, p.OptionsSchema)
			}
		}
		return out
	}
	if got := versions(); got["1"] != 0 || got["2"] != 1 {
		t.Errorf("instances before any runs: %v", got)
	}
	w.far.reports <- &core.Report{Downloaders: []core.ObservedDownloader{{ID: v.ID, PluginVersion: "1"}}}
	receive(t, w.seen.wakes, "the report to be taken in")
	if got := versions(); got["1"] != 1 || got["2"] != 0 {
		t.Errorf("instances while the old version still runs: %v", got)
	}
}

func TestADownloaderWhosePluginIsGoneCanStillBeDisabled(t *testing.T) {
	w := newWorld(t, false)
	w.online(version("1", true))
	w.create("d", `{}`)
	w.far.reports <- &core.Report{Plugins: []core.ObservedPlugin{}}
	receive(t, w.seen.wakes, "the report to be taken in")
	off := false
	if v, err := w.service.Update(w.admin, "d", &core.DownloaderChange{Enabled: &off}); err != nil || v.Enabled {
		t.Errorf("%+v, %v", v, err)
	}
	if _, err := w.service.Update(w.admin, "d", &core.DownloaderChange{Settings: []byte(`{}`)}); !errs.Is(err, errs.PluginMissing) {
		t.Errorf("its settings: %v", err)
	}
}

func TestTheSchedulerHearsWhatADownloaderCanDo(t *testing.T) {
	w := newWorld(t, false)
	w.online(version("1", true))
	d := w.create("d", `{}`)
	c := w.service.Candidates()[0]
	if !c.Has(downloader.CapabilitySetLimits) || c.CheckOptions(`{"split":1}`) != nil || !errs.Is(c.CheckOptions(`{"dir":1}`), errs.OptionNotAllowed) {
		t.Errorf("%+v", c)
	}
	raw := []byte(`{"cookie":"hunter2","split":1}`)
	for _, id := range []core.DownloaderID{d.ID, "", "gone"} {
		if shown := string(w.service.RedactOptions(id, raw)); strings.Contains(shown, "hunter2") {
			t.Errorf("downloader %q: %s", id, shown)
		}
	}
}
