package schema_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/haul-dl/haul/sdk/errs"
	"github.com/haul-dl/haul/sdk/schema"
)

const testSchema = `{"type":"object","additionalProperties":false,
	"$defs":{"key":{"type":"string","writeOnly":true}},
	"properties":{
	"address":{"type":"string","minLength":1,"x-haul-endpoint":true},
	"secret":{"type":"string","writeOnly":true,"pattern":"^[a-z0-9]*$","maxLength":10},
	"port":{"type":"integer","minimum":1,"maximum":65535},
	"mode":{"enum":["a","b"]},
	"proxies":{"type":"array","items":{"type":"object","required":["url"],"properties":{"url":{"type":"string"},"pass":{"$ref":"#/$defs/key"}}}},
	"tls":{"type":"object","properties":{"key":{"$ref":"#/$defs/key"},"name":{"type":"string"}}}}}`

func compile(t *testing.T, raw string) *schema.Schema {
	t.Helper()
	s, err := schema.Compile([]byte(raw))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestValidateNamesTheFields(t *testing.T) {
	s := compile(t, testSchema)
	tests := []struct{ name, value, field, message string }{
		{"an empty object is fine", `{}`, "-", ""},
		{"good values are fine", `{"address":"h:1","secret":"s","port":7,"tls":{"key":"k"}}`, "-", ""},
		{"a wrong type", `{"address":1}`, "address", "must be of type string, not number"},
		{"an empty string", `{"address":""}`, "address", "must not be empty"},
		{"an unknown key", `{"adress":"h:1"}`, "adress", "is not known"},
		{"a number that is too large", `{"port":70000}`, "port", "must be at most 65535"},
		{"a fraction where an integer is needed", `{"port":1.5}`, "port", "must be of type integer, not number"},
		{"none of the choices", `{"mode":"c"}`, "mode", "value must be one of 'a', 'b'"},
		{"a nested field", `{"tls":{"name":3}}`, "tls.name", "must be of type string, not number"},
		{"a field of an item", `{"proxies":[{"url":"u"},{}]}`, "proxies[1].url", "is required"},
		{"no object", `[]`, "", "must be of type object, not array"},
		{"no JSON", `{`, "", "is not valid JSON"},
		{"nothing", ``, "", "is not valid JSON"},
		{"two values", `{} {}`, "", "is not valid JSON"},
		{"a huge exponent", `{"port":1e999999999}`, "", "has a number that is out of range"},
		{"a tiny exponent", `{"port":1e-999999999}`, "port", "must be of type integer, not number"},
		{"a number of very many digits", `{"port":` + strings.Repeat("1", 1000) + `}`, "", "has a number that is out of range"},
		{"very deep", strings.Repeat(`{"tls":`, 5000) + `1` + strings.Repeat(`}`, 5000), "", "is nested too deeply"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			fields := s.Validate([]byte(tt.value))
			if tt.field == "-" {
				if len(fields) > 0 {
					t.Fatalf("got %+v", fields)
				}
				return
			}
			if len(fields) != 1 || fields[0] != (errs.Field{Name: tt.field, Message: tt.message}) {
				t.Fatalf("got %+v, want %q: %q", fields, tt.field, tt.message)
			}
		})
	}
}

func TestNoMessageQuotesASecret(t *testing.T) {
	s := compile(t, `{"type":"object","properties":{"secret":{"writeOnly":true,
		"type":"string","pattern":"^x$","maxLength":2,"not":{"const":"hunter2"}},
		"deep":{"writeOnly":true,"properties":{"x":{"multipleOf":7,"const":3}}}}}`)
	for _, value := range []string{`{"secret":"hunter2"}`, `{"secret":"hunter3"}`, `{"deep":{"x":424242}}`} {
		fields := s.Validate([]byte(value))
		if len(fields) == 0 {
			t.Fatalf("%s is accepted", value)
		}
		for _, f := range fields {
			if strings.Contains(f.Message, "hunter") || strings.Contains(f.Message, "4242") {
				t.Errorf("%s: %+v", value, f)
			}
		}
	}
}

func TestAFloodOfWrongFieldsIsBounded(t *testing.T) {
	s := compile(t, testSchema)
	var b strings.Builder
	b.WriteString("{")
	for i := range 1000 {
		if i > 0 {
			b.WriteString(",")
		}
		b.WriteString(`"` + strings.Repeat("ä", i+200) + `":1`)
	}
	b.WriteString("}")
	fields := s.Validate([]byte(b.String()))
	if len(fields) == 0 || len(fields) > 32 || len(fields[0].Name) > 140 {
		t.Errorf("%d fields, the first of %d bytes", len(fields), len(fields[0].Name))
	}
}

func TestRedactHidesSecretsAndWhatIsNotKnown(t *testing.T) {
	s := compile(t, testSchema)
	tests := []struct{ name, value, want string }{
		{
			"marked ones, also in lists and by reference", `{"address":"h","secret":"x","tls":{"key":"k","name":"n"},"proxies":[{"url":"u","pass":"p"}]}`,
			`{"address":"h","proxies":[{"pass":"*","url":"u"}],"secret":"*","tls":{"key":"*","name":"n"}}`,
		},
		{"what is not named", `{"pasword":"x"}`, `{"pasword":"*"}`},
		{"an object where a string should be", `{"address":{"x":1},"port":[1]}`, `{"address":{"x":"*"},"port":["*"]}`},
		{"no object", `[1]`, `{}`},
		{"null", `null`, `{}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := string(s.Redact([]byte(tt.value), "*")); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
	var none *schema.Schema
	if got := string(none.Redact([]byte(`{"address":"h","n":1}`), "*")); got != `{"address":"*","n":"*"}` {
		t.Errorf("without a schema: got %s", got)
	}
}

func TestMarkedValuesAreFound(t *testing.T) {
	s := compile(t, testSchema)
	value := []byte(`{"address":"h","secret":"x","proxies":[{"url":"u","pass":"p"}]}`)
	if got := s.Secrets(value); !reflect.DeepEqual(got, map[string]string{"secret": `"x"`, "proxies[0].pass": `"p"`}) {
		t.Errorf("secrets: got %v", got)
	}
	if got := s.Endpoints(value); !reflect.DeepEqual(got, map[string]string{"address": `"h"`}) {
		t.Errorf("endpoints: got %v", got)
	}
}

func TestBadSchemasAreRefused(t *testing.T) {
	for name, raw := range map[string]string{
		"no JSON":                 `{`,
		"nothing":                 ``,
		"a wrong keyword":         `{"type":7}`,
		"a file":                  `{"$ref":"file:///etc/passwd"}`,
		"the network":             `{"$ref":"http://127.0.0.1:1/x"}`,
		"another schema language": `{"$schema":"https://example.com/mine"}`,
		"a broken pattern":        `{"pattern":"("}`,
		"a huge number":           `{"minimum":1e999999}`,
		"far too long":            `{"title":"` + strings.Repeat("x", 1<<20) + `"}`,
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := schema.Compile([]byte(raw)); err == nil {
				t.Error("it is accepted")
			}
		})
	}
}

func TestASchemaThatRefersToItselfEnds(t *testing.T) {
	s := compile(t, `{"properties":{"next":{"$ref":"#"},"key":{"writeOnly":true}}}`)
	if got := string(s.Redact([]byte(`{"next":{"next":{"key":"x"}}}`), "*")); got != `{"next":{"next":{"key":"*"}}}` {
		t.Errorf("got %s", got)
	}
	loop := compile(t, `{"$ref":"#"}`)
	if fields := loop.Validate([]byte(`{}`)); len(fields) == 0 {
		t.Error("a schema that means nothing accepts a value")
	}
}

func TestInPutsFieldsBelowTheirParent(t *testing.T) {
	got := schema.In("options", []errs.Field{{Name: ""}, {Name: "a.b"}, {Name: "[0].c"}})
	want := []errs.Field{{Name: "options"}, {Name: "options.a.b"}, {Name: "options[0].c"}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v", got)
	}
}
