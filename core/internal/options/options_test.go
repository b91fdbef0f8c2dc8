package options_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/haul-dl/haul/core/internal/options"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

func rules(t *testing.T, change func(*downloader.Description)) *options.Rules {
	t.Helper()
	d := &downloader.Description{
		Name: "p", Capabilities: []downloader.Capability{downloader.CapabilitySetLimits},
		OptionsSchema: []byte(`{"type":"object","additionalProperties":false,"properties":{
			"split":{"type":"integer","minimum":1,"maximum":16},"referer":{"type":"string"},
			"password":{"type":"string","writeOnly":true,"maxLength":3}}}`),
		ReservedOptions: []string{"dir", "on-download-complete", "max-download-limit"},
	}
	if change != nil {
		change(d)
	}
	r, err := options.NewRules(d)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestCheck(t *testing.T) {
	r := rules(t, nil)
	noLimits := rules(t, func(d *downloader.Description) { d.Capabilities = nil })
	nothing := rules(t, func(d *downloader.Description) { d.OptionsSchema = nil })
	open := rules(t, func(d *downloader.Description) { d.OptionsSchema = []byte(`{"type":"object"}`) })
	tests := []struct {
		name    string
		rules   *options.Rules
		options string
		code    errs.Code
		field   string
	}{
		{"none", r, ``, "", ""},
		{"an empty object", r, `{}`, "", ""},
		{"good ones", r, `{"split":4,"download_limit":1000,"upload_limit":0}`, "", ""},
		{"a reserved one", r, `{"dir":"/etc"}`, errs.OptionNotAllowed, "options.dir"},
		{"a reserved one in another spelling", r, `{"--On_Download.Complete":"/bin/sh"}`, errs.OptionNotAllowed, "options.--On_Download.Complete"},
		{"a reserved one of a wrong type beside a good one", r, `{"split":1,"DIR":[]}`, errs.OptionNotAllowed, "options.DIR"},
		{"an unknown one", r, `{"splitt":4}`, errs.InvalidOptions, "options.splitt"},
		{"a limit in another spelling", r, `{"downloadLimit":4}`, errs.InvalidOptions, "options.downloadLimit"},
		{"one out of bounds", r, `{"split":17}`, errs.InvalidOptions, "options.split"},
		{"a negative rate", r, `{"download_limit":-1}`, errs.InvalidOptions, "options.download_limit"},
		{"a rate in words", r, `{"upload_limit":"1M"}`, errs.InvalidOptions, "options.upload_limit"},
		{"a rate beyond counting", r, `{"upload_limit":1e300}`, errs.InvalidOptions, "options.upload_limit"},
		{"a list", r, `[]`, errs.InvalidOptions, "options"},
		{"null", r, `null`, errs.InvalidOptions, "options"},
		{"no JSON", r, `{`, errs.InvalidOptions, "options"},
		{"a huge one", r, `{"referer":"` + strings.Repeat("x", options.MaxSize) + `"}`, errs.InvalidOptions, "options"},
		{"a deep one", r, `{"referer":` + strings.Repeat("[", 9000) + strings.Repeat("]", 9000) + `}`, errs.InvalidOptions, "options"},
		{"a limit where the plugin has none", noLimits, `{"upload_limit":0}`, errs.NotOffered, "options.upload_limit"},
		{"a limit alone where the plugin has no options", nothing, `{"download_limit":5}`, "", ""},
		{"an option where the plugin has none", nothing, `{"split":5}`, errs.InvalidOptions, "options.split"},
		{"an unknown one where the plugin forgot to close its schema", open, `{"split":5}`, errs.InvalidOptions, "options.split"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.rules.Check([]byte(tt.options))
			if tt.code == "" {
				if err != nil {
					t.Fatalf("refused: %v", err)
				}
				return
			}
			e, ok := errors.AsType[*errs.Error](err)
			if !ok || e.Code != tt.code || len(e.Fields) != 1 || e.Fields[0].Name != tt.field {
				t.Fatalf("got %#v, want %s for %q", err, tt.code, tt.field)
			}
		})
	}
}

func TestASecretOptionIsNeitherQuotedNorShown(t *testing.T) {
	r := rules(t, nil)
	err := r.Check([]byte(`{"password":"hunter2"}`))
	e, ok := errors.AsType[*errs.Error](err)
	if !ok || len(e.Fields) != 1 || strings.Contains(e.Error()+e.Fields[0].Message, "hunter2") {
		t.Errorf("got %#v", err)
	}
	if got := string(r.Redact([]byte(`{"password":"x","split":1}`), "*")); got != `{"password":"*","split":1}` {
		t.Errorf("got %s", got)
	}
}

func TestTheSchemaShowsTheLimits(t *testing.T) {
	var s struct {
		Properties map[string]struct{ Title, Description, Type string }
	}
	if err := json.Unmarshal(rules(t, nil).Schema(), &s); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"split", options.DownloadLimit, options.UploadLimit} {
		if s.Properties[key].Type != "integer" {
			t.Errorf("%s: %+v", key, s.Properties[key])
		}
	}
	for _, bad := range []string{`[]`, `{"type":7}`, `null`, `{"$ref":"file:///etc/passwd"}`} {
		_, err := options.NewRules(&downloader.Description{OptionsSchema: []byte(bad)})
		if !errs.Is(err, errs.PluginIncompatible) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func TestMergeLetsTheUpperOnesWin(t *testing.T) {
	tests := []struct{ under, over, want string }{
		{``, ``, ``},
		{`{"a":1}`, ``, `{"a":1}`},
		{``, `{"a":1}`, `{"a":1}`},
		{`{"b":{"x":1},"a":1}`, `{"b":{"y":2}}`, `{"a":1,"b":{"y":2}}`},
		{`{"a":1}`, `{"a":null,"b":null}`, ``},
		{`{"a":"x"}`, `{"a":"<secret>","b":1}`, `{"a":"x","b":1}`},
	}
	for _, tt := range tests {
		got, err := options.Merge([]byte(tt.under), []byte(tt.over))
		if err != nil || string(got) != tt.want {
			t.Errorf("%s under %s: got %s, %v", tt.under, tt.over, got, err)
		}
	}
	half := []byte(`{"a":"` + strings.Repeat("x", options.MaxSize/2) + `"}`)
	other := []byte(`{"b":"` + strings.Repeat("x", options.MaxSize/2) + `"}`)
	if _, err := options.Merge(half, other); !errs.Is(err, errs.InvalidOptions) {
		t.Errorf("two that are too long together: %v", err)
	}
}

func TestSplitTakesTheLimitsOut(t *testing.T) {
	rest, limits, err := options.Split([]byte(`{"upload_limit":1e3,"download_limit":7,"split":2}`))
	if err != nil || string(rest) != `{"split":2}` || limits != (downloader.Limits{DownloadRate: 7, UploadRate: 1000}) {
		t.Errorf("got %s, %+v, %v", rest, limits, err)
	}
	if rest, limits, err = options.Split([]byte(`{"upload_limit":3}`)); err != nil || rest != nil || limits.UploadRate != 3 {
		t.Errorf("got %s, %+v, %v", rest, limits, err)
	}
	if _, _, err = options.Split([]byte(`{"upload_limit":"3"}`)); !errs.Is(err, errs.InvalidOptions) {
		t.Errorf("got %v", err)
	}
}

func TestChangedNamesTheKeys(t *testing.T) {
	got, err := options.Changed([]byte(`{"a":1,"b":2}`), []byte(`{"c":1, "b":2}`))
	if err != nil || strings.Join(got, ",") != "a,c" {
		t.Errorf("got %v, %v", got, err)
	}
}
