package rest_test

import (
	"fmt"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/haul-dl/haul/api/apigen"
	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/sdk/errs"
)

func TestTaskChangesAreHandedOver(t *testing.T) {
	h := newHarness(t)
	path := "/api/v1/tasks/" + string(taskA)
	for body, want := range map[string]core.TaskChange{
		`{}`:                        {},
		`{"name":"x"}`:              {Name: new("x")},
		`{"files":[3,1]}`:           {Selection: &core.Selection{Indexes: []int{1, 3}}},
		`{"files":["*.mkv",">1k"]}`: {Selection: &core.Selection{Patterns: []string{"*.mkv"}, MinSize: 1025}},
		`{"files":[]}`:              {Selection: &core.Selection{}},
		`{"files":null}`:            {Selection: &core.Selection{}},
		`{"destination":"films"}`:   {Destination: &core.NewDestination{Path: "films"}},
		`{"destination":{"storage":"s","path":"x"}}`: {Destination: &core.NewDestination{Storage: "s", Path: "x"}},
		`{"seed":{"ratio":1}}`:                       {Seed: &core.SeedChange{Policy: &core.SeedPolicy{Enabled: true, Ratio: 1}}},
		`{"seed":null}`:                              {Seed: &core.SeedChange{}},
		`{"options":{"a":null,"b":[1]}}`:             {Options: []byte(`{"a":null,"b":[1]}`)},
	} {
		h.do("PATCH", path, body).is(200)
		if !reflect.DeepEqual(*h.tasks.changed, want) {
			t.Errorf("%s: got %+v", body, *h.tasks.changed)
		}
	}
	h.do("PATCH", path, `{"state":"paused"}`).problem(400, "unknown_field")
	h.do("PATCH", path, `{"name":""}`).problem(400, "invalid_request")
	h.do("PATCH", path, `{"files":{}}`).problem(400, "invalid_request")
	if p := h.do("PATCH", path, `{"files":["a","[b"]}`).problem(400, "invalid_request"); (*p.Errors)[0].Field != "files[1]" {
		t.Errorf("got %+v", p.Errors)
	}
	h.do("PATCH", path, `{"on_conflict":"skip"}`).problem(400, "unknown_field")
	h.do("PATCH", path, `{"destination":null}`).problem(400, "invalid_request")
	h.do("PATCH", "/api/v1/tasks/nonsense", `{}`).problem(404, "not_found")
	h.tasks.err = errs.New(errs.WrongState, "Too late.").WithField("options.split", "cannot change any more")
	if p := h.do("PATCH", path, `{"options":{"split":1}}`).problem(409, "wrong_state"); p.Errors == nil || (*p.Errors)[0].Field != "options.split" {
		t.Errorf("got %+v", p)
	}
}

func TestARetryMaySayHow(t *testing.T) {
	h := newHarness(t)
	path := "/api/v1/tasks/" + string(taskA) + "/retry"
	chunked := func(r *http.Request) { r.ContentLength = -1; r.Body = io.NopCloser(r.Body) }
	for body, want := range map[string]core.RetryOptions{
		``:                                   {},
		`{}`:                                 {},
		`{"files":[2,1]}`:                    {Files: []int{2, 1}},
		`{"files":[],"destination":"films"}`: {Files: []int{}, Destination: &core.NewDestination{Path: "films"}},
	} {
		for _, how := range []edit{header("X-None", ""), chunked} {
			h.tasks.retried = core.RetryOptions{}
			h.do("POST", path, body, how).is(200)
			if !reflect.DeepEqual(h.tasks.retried, want) {
				t.Errorf("%q: got %+v", body, h.tasks.retried)
			}
		}
	}
	h.do("POST", path, `{"file":1}`).problem(400, "unknown_field")
	h.do("POST", path, `{"files":["*.mkv"]}`).problem(400, "invalid_request")
	h.do("POST", path, `x`, header("Content-Type", "text/plain")).problem(415, "unsupported_media_type")
	h.do("POST", path, `{`, chunked).problem(400, "invalid_json")
}

func TestARecheckIsHandedOver(t *testing.T) {
	h := newHarness(t)
	h.do("POST", "/api/v1/tasks/"+string(taskA)+"/recheck", "").is(200)
	h.do("POST", "/api/v1/tasks/nonsense/recheck", "").problem(404, "not_found")
	h.do("POST", "/api/v1/tasks/actions", fmt.Sprintf(`{"action":"recheck","ids":[%q]}`, taskA)).is(200)
	if !slices.Equal(h.tasks.calls, []string{"recheck"}) || h.tasks.action != core.ActionRecheck {
		t.Errorf("asked for %q and %s", h.tasks.calls, h.tasks.action)
	}
}

func TestAnActionAnswersForEachTask(t *testing.T) {
	h := newHarness(t)
	other := core.NewID[core.TaskID]()
	var got apigen.TaskActionResults
	h.do("POST", "/api/v1/tasks/actions", fmt.Sprintf(`{"action":"pause","ids":[%q,"nonsense",%q]}`, other, taskA)).is(200).into(&got)
	if h.tasks.action != core.ActionPause || !reflect.DeepEqual(h.tasks.acted, []core.TaskID{other, taskA}) {
		t.Errorf("asked to %s %v", h.tasks.action, h.tasks.acted)
	}
	if len(got.Items) != 3 {
		t.Fatalf("got %+v", got)
	}
	for i, id := range []string{string(other), "nonsense"} {
		if r := got.Items[i]; r.ID != id || r.Ok || r.Task != nil || r.Error == nil || r.Error.Code != "not_found" || r.Error.Status != 404 || r.Error.Hint == "" {
			t.Errorf("item %d: %+v", i, r)
		}
	}
	if r := got.Items[2]; !r.Ok || r.Error != nil || r.Task == nil || r.Task.ID != string(taskA) {
		t.Errorf("the good one: %+v", r)
	}
	h.do("POST", "/api/v1/tasks/actions", fmt.Sprintf(`{"action":"delete","ids":[%q]}`, taskA)).is(200).into(&got)
	if r := got.Items[0]; !r.Ok || r.Task != nil {
		t.Errorf("a deleted one: %+v", r)
	}
	many := `["` + strings.Repeat(`x","`, 1000) + `x"]`
	for _, body := range []string{`{"action":"explode","ids":["x"]}`, `{"action":"pause"}`, `{"ids":["x"]}`, `{"action":"pause","ids":` + many + `}`} {
		h.do("POST", "/api/v1/tasks/actions", body).problem(400, "invalid_request")
	}
	h.do("POST", "/api/v1/tasks/actions", `{"action":"pause","ids":["x"],"data":"delete"}`).problem(400, "unknown_field")
	h.tasks.err = errs.New(errs.Unavailable, "The disk is gone.")
	h.do("POST", "/api/v1/tasks/actions", fmt.Sprintf(`{"action":"pause","ids":[%q]}`, taskA)).problem(503, "unavailable")
}
