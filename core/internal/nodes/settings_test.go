package nodes

import (
	"errors"
	"strings"
	"testing"

	"github.com/haul-dl/haul/sdk/errs"
)

const testSchema = `{"type":"object","additionalProperties":false,"properties":{
	"address":{"type":"string","minLength":1},
	"secret":{"type":"string","writeOnly":true},
	"tls":{"type":"object","properties":{"key":{"type":"string","writeOnly":true},"name":{"type":"string"}}}}}`

func TestSettingsAreCheckedAgainstThePluginsSchema(t *testing.T) {
	tests := []struct{ name, settings, field string }{
		{"an empty object is fine", `{}`, ""},
		{"good values are fine", `{"address":"h:1","secret":"s"}`, ""},
		{"a wrong type names its field", `{"address":1}`, "settings.address"},
		{"an unknown key is refused", `{"adress":"h:1"}`, "settings"},
		{"a nested field is named by its path", `{"tls":{"name":3}}`, "settings.tls.name"},
		{"no object", `[]`, "settings"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := validateSettings([]byte(testSchema), []byte(tt.settings))
			if tt.field == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			e, ok := errors.AsType[*errs.Error](err)
			if !ok || e.Code != errs.InvalidSettings || len(e.Fields) == 0 || e.Fields[0].Name != tt.field || e.Fields[0].Message == "" {
				t.Fatalf("got %#v, want invalid_settings for field %q", err, tt.field)
			}
		})
	}
}

func TestSecretsAreNeverShown(t *testing.T) {
	settings := []byte(`{"address":"h:1","secret":"hunter2","tls":{"key":"hunter3","name":"n"}}`)
	want := `{"address":"h:1","secret":"\u003csecret\u003e","tls":{"key":"\u003csecret\u003e","name":"n"}}`
	if got := string(redactSettings([]byte(testSchema), settings)); got != want {
		t.Errorf("got %s", got)
	}
	if got := string(redactSettings([]byte(testSchema), []byte(`{"pasword":"hunter2"}`))); got != `{"pasword":"\u003csecret\u003e"}` {
		t.Errorf("what the schema does not name: got %s", got)
	}
	all := `{"address":"\u003csecret\u003e","secret":"\u003csecret\u003e","tls":"\u003csecret\u003e"}`
	if got := string(redactSettings(nil, settings)); got != all {
		t.Errorf("without a schema: got %s", got)
	}
}

func TestTheErrorOfASecretDoesNotQuoteIt(t *testing.T) {
	schema := `{"type":"object","properties":{"secret":{"type":"string","writeOnly":true,"pattern":"^x$"}}}`
	err := validateSettings([]byte(schema), []byte(`{"secret":"hunter2"}`))
	e, ok := errors.AsType[*errs.Error](err)
	if !ok || len(e.Fields) != 1 || e.Fields[0].Name != "settings.secret" || strings.Contains(e.Error()+e.Fields[0].Message, "hunter2") {
		t.Errorf("got %#v", err)
	}
}

func TestASecretThatComesBackAsShownStaysWhatItWas(t *testing.T) {
	old := []byte(`{"address":"h:1","secret":"hunter2","tls":{"key":"hunter3"}}`)
	got, err := mergeSettings(old, []byte(`{"address":"h:2","secret":"<secret>","tls":{"key":"<secret>"}}`))
	if err != nil || string(got) != `{"address":"h:2","secret":"hunter2","tls":{"key":"hunter3"}}` {
		t.Errorf("got %s, %v", got, err)
	}
	if got, err = mergeSettings(nil, []byte(`{"secret":"<secret>"}`)); err != nil || string(got) != `{}` {
		t.Errorf("one that never was: got %s, %v", got, err)
	}
	if _, err = mergeSettings(nil, []byte(`7`)); !errs.Is(err, errs.InvalidSettings) {
		t.Errorf("no object: got %v", err)
	}
}
