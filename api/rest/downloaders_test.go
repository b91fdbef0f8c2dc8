package rest_test

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/haul-dl/haul/api/apigen"
	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/sdk/errs"
)

func TestDownloaders(t *testing.T) {
	h := newHarness(t)
	h.do("GET", "/api/v1/downloaders?limit=2", "").is(200)
	var d apigen.Downloader
	h.do("GET", "/api/v1/downloaders/aria2", "").is(200).into(&d)
	var settings map[string]string
	if err := json.Unmarshal(d.Settings, &settings); err != nil {
		t.Fatal(err)
	}
	if d.Node != "local" || settings["secret"] != core.RedactedSecret || *d.Health.Code != "downloader_unreachable" || *d.PluginPid != 42 ||
		string(d.Options) != `{"split":4}` || !reflect.DeepEqual(d.PathMap, apigen.PathMap{{Daemon: "/downloads", Node: "/srv/d"}}) {
		t.Errorf("got %+v", d)
	}
	h.do("GET", "/api/v1/downloaders/none", "").problem(404, "not_found")
	h.do("DELETE", "/api/v1/downloaders/aria2", "").is(204)
	h.downloaders.err = errs.New(errs.InUse, "3 jobs run there.")
	h.do("DELETE", "/api/v1/downloaders/aria2", "").problem(409, "in_use")
}

func TestDownloaderChangesAreHandedOver(t *testing.T) {
	h := newHarness(t)
	h.do("POST", "/api/v1/downloaders", `{"name":"a","plugin":"p","settings":{"address":"x","n":[1, 2]},"max_active":3}`).is(201)
	want := &core.DownloaderChange{Name: new("a"), Plugin: new("p"), Settings: []byte(`{"address":"x","n":[1, 2]}`), MaxActive: new(3)}
	if !reflect.DeepEqual(h.downloaders.change, want) {
		t.Errorf("create: got %+v", h.downloaders.change)
	}
	h.do("PATCH", "/api/v1/downloaders/aria2", `{"options":{"split":4},"path_map":[{"daemon":"/d","node":"/n"}]}`).is(200)
	want = &core.DownloaderChange{Options: []byte(`{"split":4}`), PathMap: &[]core.PathMapping{{Daemon: "/d", Node: "/n"}}}
	if !reflect.DeepEqual(h.downloaders.change, want) {
		t.Errorf("update: got %+v", h.downloaders.change)
	}
	h.do("PATCH", "/api/v1/downloaders/aria2", `{"path_map":[]}`).is(200)
	if want := (&core.DownloaderChange{PathMap: &[]core.PathMapping{}}); !reflect.DeepEqual(h.downloaders.change, want) {
		t.Errorf("update: got %+v", h.downloaders.change)
	}
	h.do("PATCH", "/api/v1/downloaders/aria2", `{"path_map":[{"daemon":"/d"}]}`).problem(400, "invalid_request")
	h.do("PATCH", "/api/v1/downloaders/aria2", `{"path_map":[{"daemon":"/d","node":"/n","x":1}]}`).problem(400, "unknown_field")
	h.do("PATCH", "/api/v1/downloaders/aria2", `{"options":[]}`).problem(400, "invalid_request")
	h.do("PATCH", "/api/v1/downloaders/aria2", `{"enabled":false}`).is(200)
	if want := (&core.DownloaderChange{Enabled: new(false)}); !reflect.DeepEqual(h.downloaders.change, want) {
		t.Errorf("update: got %+v", h.downloaders.change)
	}
	h.do("POST", "/api/v1/downloaders/test", `{"plugin":"p","settings":{},"path_map":[{"daemon":"/d","node":"/n"}]}`).is(200)
	if want := (&core.DownloaderChange{Plugin: new("p"), Settings: []byte(`{}`), PathMap: &[]core.PathMapping{{Daemon: "/d", Node: "/n"}}}); !reflect.DeepEqual(h.downloaders.change, want) {
		t.Errorf("test: got %+v", h.downloaders.change)
	}
	h.do("PATCH", "/api/v1/downloaders/aria2", `{"seed":{"ratio":1,"idle_seconds":60}}`).is(200)
	if want := (&core.DownloaderChange{Seed: &core.SeedChange{Policy: &core.SeedPolicy{Enabled: true, Ratio: 1, IdleSeconds: 60}}}); !reflect.DeepEqual(h.downloaders.change, want) {
		t.Errorf("update: got %+v", h.downloaders.change)
	}
	h.do("PATCH", "/api/v1/downloaders/aria2", `{"health":{}}`).problem(400, "unknown_field")
	h.do("POST", "/api/v1/downloaders", `{"name":"a"}`).problem(400, "invalid_request")
}

func TestTroubleWithADownloaderIsAPartOfTheTest(t *testing.T) {
	h := newHarness(t)
	a := h.do("POST", "/api/v1/downloaders/aria2/test", "").is(200)
	const want = `{"checks":[{"code":null,"hint":null,"message":"It answers.","name":"reachable","ok":true},` +
		`{"code":"downloader_auth_failed","hint":"HINT","message":"The secret is wrong.","name":"credentials","ok":false}],"ok":false,"version":"1.37.0"}`
	var got apigen.TestResult
	a.into(&got)
	if *got.Checks[1].Hint != errs.DownloaderAuthFailed.Hint() {
		t.Errorf("hint %q", *got.Checks[1].Hint)
	}
	*got.Checks[1].Hint = "HINT"
	if text, _ := json.Marshal(got); string(text) != want {
		t.Errorf("got %s", text)
	}
}

func TestPlugins(t *testing.T) {
	h := newHarness(t)
	for _, request := range [][2]string{{"GET", "/api/v1/plugins"}, {"POST", "/api/v1/plugins/rescan"}} {
		var list apigen.PluginList
		h.do(request[0], request[1], "").is(200).into(&list)
		good, bad := list.Items[0], list.Items[1]
		if string(*good.SettingsSchema) != `{"type":"object"}` || good.Error != nil || *good.Instances[0].Pid != 42 ||
			!good.Active || good.Kind != "downloader" || bad.Kind != "storage" || string(*good.OptionsSchema) != `{"type":"object","properties":{}}` || good.ReservedOptions[0] != "dir" {
			t.Errorf("got %+v", good)
		}
		if bad.Error == nil || bad.Error.Code != "plugin_untrusted" || bad.SettingsSchema != nil || bad.OptionsSchema != nil || bad.Active || bad.Version != nil {
			t.Errorf("got %+v", bad)
		}
	}
}
