package contract_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/haul-dl/haul/api"
	"github.com/haul-dl/haul/api/internal/contract"
	"github.com/haul-dl/haul/sdk/errs"
)

func load(t testing.TB) *contract.Contract {
	t.Helper()
	c, err := contract.Load(api.Spec)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func checkProblem(t *testing.T, err error, code errs.Code, fields ...string) {
	t.Helper()
	if errs.CodeOf(err) != code {
		t.Fatalf("got %v, want code %q", err, code)
	}
	if err == nil {
		return
	}
	var got []string
	e, _ := errors.AsType[*errs.Error](err)
	for _, f := range e.Fields {
		got = append(got, f.Name)
	}
	if strings.Join(got, " ") != strings.Join(fields, " ") {
		t.Errorf("fields %q, want %q (%v)", got, fields, err)
	}
}

func TestBodiesAreHeldAgainstTheDescription(t *testing.T) {
	tasks := load(t).Operation(http.MethodPost, "/api/v1/tasks").Bodies[contract.JSON]
	downloaders := load(t).Operation(http.MethodPost, "/api/v1/downloaders").Bodies[contract.JSON]
	tests := []struct {
		name   string
		schema *contract.Schema
		body   string
		code   errs.Code
		fields []string
	}{
		{"a full request is right", tasks, `{"sources":["a",{"uri":"b","kind":"http"}],"destination":"x/y","node":"local","downloader":"aria2"}`, "", nil},
		{"a destination may be an object", tasks, ` { "destination" : { "path" : "x" , "storage" : "s" } } `, "", nil},
		{"an empty object is right where nothing is required", tasks, `{}`, "", nil},
		{"an unknown field is named", tasks, `{"sources":["a"],"sorces":[]}`, errs.UnknownField, []string{"sorces"}},
		{"an unknown field deep inside is named by its path", tasks, `{"sources":["a",{"uri":"b","knd":[{"x":"]}"}]}]}`, errs.UnknownField, []string{"sources[1].knd"}},
		{"letters must match exactly", tasks, `{"Sources":["a"]}`, errs.UnknownField, []string{"Sources"}},
		{"an escaped name is the same name", tasks, `{"s\u006furces":["a"]}`, "", nil},
		{"a field given twice is refused", tasks, `{"node":"a","node":"b"}`, errs.InvalidRequest, []string{"node"}},
		{"a wrong type is named", tasks, `{"sources":"a","node":7}`, errs.InvalidRequest, []string{"sources", "node"}},
		{"a choice names what it takes", tasks, `{"sources":[7],"destination":[]}`, errs.InvalidRequest, []string{"sources[0]", "destination"}},
		{"null is no string", tasks, `{"node":null}`, errs.InvalidRequest, []string{"node"}},
		{"a value that is not offered is named", tasks, `{"sources":[{"uri":"b","kind":"nfs"}]}`, errs.InvalidRequest, []string{"sources[0].kind"}},
		{"an empty source is named", tasks, `{"sources":[""]}`, errs.InvalidRequest, []string{"sources[0]"}},
		{"a missing field is named", tasks, `{"sources":[{"kind":"http"}]}`, errs.InvalidRequest, []string{"sources[0].uri"}},
		{"too long is refused", tasks, `{"node":"` + strings.Repeat("ä", 256) + `"}`, errs.InvalidRequest, []string{"node"}},
		{"characters are counted, not bytes", tasks, `{"node":"` + strings.Repeat("ä", 255) + `"}`, "", nil},
		{"a list is no object", tasks, `[]`, errs.InvalidRequest, []string{"body"}},
		{"null is no object", tasks, `null`, errs.InvalidRequest, []string{"body"}},
		{"an empty body is no JSON", tasks, ` `, errs.InvalidJSON, nil},
		{"garbage behind the object is refused", tasks, `{} {}`, errs.InvalidJSON, nil},
		{"a cut-off body is refused", tasks, `{"sources":["a"`, errs.InvalidJSON, nil},
		{"bytes that are no UTF-8 are refused", tasks, "{\"node\":\"\xff\"}", errs.InvalidJSON, nil},
		{"what is open may hold anything", downloaders, `{"name":"a","plugin":"p","settings":{"x":{"y":[1,2,{"z":null}]},"}":"]"},"weight":2}`, "", nil},
		{"what is required is named", downloaders, `{"settings":{}}`, errs.InvalidRequest, []string{"name", "plugin"}},
		{"a number must be whole", downloaders, `{"name":"a","plugin":"p","weight":1.5}`, errs.InvalidRequest, []string{"weight"}},
		{"a number has limits", downloaders, `{"name":"a","plugin":"p","weight":0,"max_active":1000000}`, errs.InvalidRequest, []string{"weight", "max_active"}},
		{"a huge number is refused", downloaders, `{"name":"a","plugin":"p","weight":1` + strings.Repeat("0", 400) + `}`, errs.InvalidRequest, []string{"weight"}},
		{"a boolean is no string", downloaders, `{"name":"a","plugin":"p","enabled":"true"}`, errs.InvalidRequest, []string{"enabled"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			checkProblem(t, tt.schema.CheckJSON([]byte(tt.body)), tt.code, tt.fields...)
		})
	}
}

func TestEveryBodyRefusesFieldsThatDoNotExist(t *testing.T) {
	bodies := 0
	for _, op := range load(t).Operations() {
		schema, ok := op.Bodies[contract.JSON]
		if !ok {
			continue
		}
		bodies++
		if err := schema.CheckJSON([]byte(`{"no_such_field":1}`)); !errs.Is(err, errs.UnknownField) {
			t.Errorf("%s: got %v", op.ID, err)
		}
	}
	if bodies < 5 {
		t.Errorf("only %d bodies were looked at", bodies)
	}
}

func TestAHostileBodyDoesNotGrowTheAnswer(t *testing.T) {
	tasks := load(t).Operation(http.MethodPost, "/api/v1/tasks").Bodies[contract.JSON]
	body := `{"` + strings.Repeat("x", 100_000) + `":0` + strings.Repeat(`,"y":0`, 100_000) + `}`
	err := tasks.CheckJSON([]byte(body))
	if !errs.Is(err, errs.UnknownField) || len(err.Error()) > 4096 {
		t.Fatalf("the message has %d bytes", len(err.Error()))
	}
}

func TestQueriesAreHeldAgainstTheDescription(t *testing.T) {
	list := load(t).Operation(http.MethodGet, "/api/v1/tasks")
	tests := []struct {
		name, query string
		code        errs.Code
		fields      []string
	}{
		{"all parameters", "state=queued&state=failed,held&owner=a&node=b&downloader=c&q=d&sort=-created_at&limit=7&cursor=e", "", nil},
		{"none", "", "", nil},
		{"an unknown one is named", "limit=7&lmit=7", errs.UnknownParameter, []string{"lmit"}},
		{"a number is a number", "limit=seven", errs.InvalidParameter, []string{"limit"}},
		{"a limit has a limit", "limit=1001", errs.InvalidParameter, []string{"limit"}},
		{"zero is too little", "limit=0", errs.InvalidParameter, []string{"limit"}},
		{"once is enough", "limit=1&limit=2", errs.InvalidParameter, []string{"limit"}},
		{"an order that is not offered", "sort=name", errs.InvalidParameter, []string{"sort"}},
		{"a broken escape", "q=%zz", errs.InvalidParameter, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			checkProblem(t, list.CheckQuery(tt.query), tt.code, tt.fields...)
		})
	}
}

func TestHeadersAreHeldAgainstTheDescription(t *testing.T) {
	create := load(t).Operation(http.MethodPost, "/api/v1/tasks")
	checkProblem(t, create.CheckHeaders(http.Header{"Idempotency-Key": {"k"}, "X-Other": {"v"}}), "")
	checkProblem(t, create.CheckHeaders(http.Header{"Idempotency-Key": {strings.Repeat("k", 256)}}), errs.InvalidParameter, "Idempotency-Key")
	checkProblem(t, create.CheckHeaders(http.Header{"Idempotency-Key": {"a", "b"}}), errs.InvalidParameter, "Idempotency-Key")
}

func TestOnlyLoginAndHealthArePublic(t *testing.T) {
	public := map[string]bool{"login": true, "getHealth": true, "getReadiness": true}
	for _, op := range load(t).Operations() {
		if op.Public != public[op.ID] {
			t.Errorf("%s: public is %v", op.ID, op.Public)
		}
	}
}

func TestADescriptionThatCannotBeEnforcedIsRefused(t *testing.T) {
	const head = "paths:\n  /x:\n    post:\n      requestBody:\n        content:\n          application/json:\n            schema: "
	for name, schema := range map[string]string{
		"an object that leaves open whether it is": `{type: object}`,
		"a reference to nothing":                   `{$ref: "#/components/schemas/None"}`,
		"a type that is not understood":            `{type: file}`,
		"a choice between equals":                  `{oneOf: [{type: string}, {type: string}]}`,
		"no type at all":                           `{}`,
	} {
		if _, err := contract.Load([]byte(head + schema)); err == nil {
			t.Errorf("%s: was accepted", name)
		}
	}
}

func FuzzCheckJSON(f *testing.F) {
	for _, seed := range []string{`{}`, `{"sources":["a",{"uri":"b"}],"x":[{"y":"\""}]}`, `[1,2`, `"\ud800"`, `{"destination":{"path":""}}`, ` 1 `} {
		f.Add([]byte(seed))
	}
	schema := load(f).Operation(http.MethodPost, "/api/v1/tasks").Bodies[contract.JSON]
	f.Fuzz(func(t *testing.T, body []byte) {
		err := schema.CheckJSON(body)
		var object map[string]json.RawMessage
		if err == nil && json.Unmarshal(body, &object) != nil {
			t.Fatalf("%q passed", body)
		}
		if !json.Valid(body) && !errs.Is(err, errs.InvalidJSON) {
			t.Fatalf("%q: %v", body, err)
		}
	})
}

func BenchmarkCheckJSON(b *testing.B) {
	schema := load(b).Operation(http.MethodPost, "/api/v1/tasks").Bodies[contract.JSON]
	body := []byte(`{"sources":["https://example.org/files/some-file.iso"],"destination":"films"}`)
	b.ReportAllocs()
	for b.Loop() {
		if err := schema.CheckJSON(body); err != nil {
			b.Fatal(err)
		}
	}
}
