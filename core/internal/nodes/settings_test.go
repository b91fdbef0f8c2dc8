package nodes

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

const testSchema = `{"type":"object","additionalProperties":false,"properties":{
	"address":{"type":"string","minLength":1,"x-haul-endpoint":true},
	"secret":{"type":"string","writeOnly":true},
	"tls":{"type":"object","properties":{"key":{"type":"string","writeOnly":true},"name":{"type":"string"}}}}}`

const testOptions = `{"type":"object","additionalProperties":false,"properties":{
	"split":{"type":"integer","minimum":1},"cookie":{"type":"string","writeOnly":true}}}`

func described(change func(*downloader.Description)) *knownPlugin {
	d := downloader.Description{Name: "p", Version: "1", SettingsSchema: []byte(testSchema), OptionsSchema: []byte(testOptions)}
	if change != nil {
		change(&d)
	}
	return newPlugin(&core.ObservedPlugin{Description: d}, time.Now())
}

func TestSecretsAreNeverShown(t *testing.T) {
	d := &core.Downloader{
		Settings: []byte(`{"address":"h:1","secret":"hunter2","tls":{"key":"hunter3","name":"n"}}`),
		Options:  []byte(`{"cookie":"hunter4","split":2}`),
	}
	settings, opts := described(nil).redact(d)
	if want := `{"address":"h:1","secret":"\u003csecret\u003e","tls":{"key":"\u003csecret\u003e","name":"n"}}`; string(settings) != want {
		t.Errorf("got %s", settings)
	}
	if want := `{"cookie":"\u003csecret\u003e","split":2}`; string(opts) != want {
		t.Errorf("got %s", opts)
	}
	for name, p := range map[string]*knownPlugin{
		"no plugin": nil, "a plugin without schemas": described(func(d *downloader.Description) { d.SettingsSchema, d.OptionsSchema = nil, nil }),
		"a plugin with broken ones": described(func(d *downloader.Description) { d.SettingsSchema = []byte(`{`) }),
	} {
		settings, opts := p.redact(d)
		if shown := string(settings) + string(opts); strings.Contains(shown, "hunter") || strings.Contains(shown, "h:1") {
			t.Errorf("%s: got %s", name, shown)
		}
	}
}

func TestAPluginWhoseSchemasAreBrokenCannotBeUsed(t *testing.T) {
	for name, change := range map[string]func(*downloader.Description){
		"settings": func(d *downloader.Description) { d.SettingsSchema = []byte(`{"type":7}`) },
		"options":  func(d *downloader.Description) { d.OptionsSchema = []byte(`[]`) },
	} {
		if p := described(change); p.Failure == nil || p.Failure.Code != errs.PluginIncompatible {
			t.Errorf("%s: %+v", name, p.Failure)
		}
	}
}

func TestASecretThatComesBackAsShownStaysWhatItWas(t *testing.T) {
	old := []byte(`{"address":"h:1","secret":"hunter2","tls":{"key":"hunter3"}}`)
	got, err := mergeSettings(old, []byte(`{"address":"h:1","secret":"<secret>","tls":{"key":"<secret>"}}`))
	if err != nil || string(got) != string(old) {
		t.Errorf("got %s, %v", got, err)
	}
	if got, err = mergeSettings(nil, []byte(`{"secret":"<secret>"}`)); err != nil || string(got) != `{}` {
		t.Errorf("one that never was: got %s, %v", got, err)
	}
	if _, err = mergeSettings(nil, []byte(`7`)); !errs.Is(err, errs.InvalidSettings) {
		t.Errorf("no object: got %v", err)
	}
}

func TestASecretDoesNotFollowToAnotherAddress(t *testing.T) {
	const old = `{"address":"h:1","secret":"hunter2","tls":{"key":"hunter3"}}`
	tests := []struct {
		name, changed string
		fields        []string
	}{
		{"the same address", `{"address":"h:1","secret":"<secret>","tls":{"key":"<secret>"}}`, nil},
		{"no address any more", `{"tls":{"name":"n"}}`, nil},
		{"another address with all secrets", `{"address":"evil","secret":"a","tls":{"key":"b"}}`, nil},
		{"another address and empty secrets", `{"address":"h:2","secret":"","tls":{"key":""}}`, nil},
		{"another address and the secrets as shown", `{"address":"evil","secret":"<secret>","tls":{"key":"<secret>"}}`, []string{"settings.secret", "settings.tls.key"}},
		{"another address and one as shown", `{"address":"evil","secret":"a","tls":{"key":"<secret>"}}`, []string{"settings.tls.key"}},
		{"another address alone", `{"address":"evil"}`, []string{"settings.secret", "settings.tls.key"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := described(nil).changeSettings([]byte(old), []byte(tt.changed))
			if tt.fields == nil {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			e, ok := errors.AsType[*errs.Error](err)
			if !ok || e.Code != errs.InvalidSettings || !slices.EqualFunc(e.Fields, tt.fields, func(f errs.Field, name string) bool { return f.Name == name }) {
				t.Fatalf("got %#v, want %v", err, tt.fields)
			}
		})
	}
}

func TestPathMapsAreChecked(t *testing.T) {
	tests := []struct {
		name  string
		paths []core.PathMapping
		field string
	}{
		{"none", nil, ""},
		{"two", []core.PathMapping{{Daemon: "/downloads", Node: "/srv/d"}, {Daemon: "/", Node: "/srv/all"}}, ""},
		{"a relative one", []core.PathMapping{{Daemon: "downloads", Node: "/srv"}}, "path_map[0].daemon"},
		{"one that leads up", []core.PathMapping{{Daemon: "/a", Node: "/srv/../etc"}}, "path_map[0].node"},
		{"a slash at the end", []core.PathMapping{{Daemon: "/a/", Node: "/srv"}}, "path_map[0].daemon"},
		{"an empty one", []core.PathMapping{{Daemon: "/a", Node: "/b"}, {Daemon: "/c"}}, "path_map[1].node"},
		{"a null byte", []core.PathMapping{{Daemon: "/a\x00", Node: "/b"}}, "path_map[0].daemon"},
		{"a very long one", []core.PathMapping{{Daemon: "/" + strings.Repeat("a", 5000), Node: "/b"}}, "path_map[0].daemon"},
		{"the same folder of the daemon twice", []core.PathMapping{{Daemon: "/a", Node: "/b"}, {Daemon: "/a", Node: "/c"}}, "path_map[1].daemon"},
		{"the same folder of the node twice", []core.PathMapping{{Daemon: "/a", Node: "/b"}, {Daemon: "/c", Node: "/b"}}, "path_map[1].node"},
		{"too many", make([]core.PathMapping, 33), "path_map"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := wrongPathMap(tt.paths)
			if tt.field == "" && len(got) > 0 || tt.field != "" && (len(got) != 1 || got[0].Name != tt.field || got[0].Message == "") {
				t.Errorf("got %+v, want %q", got, tt.field)
			}
		})
	}
}
