package rest_test

import (
	"fmt"
	"reflect"
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
		`{}`:                             {},
		`{"name":"x"}`:                   {Name: new("x")},
		`{"files":[3,1]}`:                {Files: &[]int{3, 1}},
		`{"files":[]}`:                   {Files: &[]int{}},
		`{"files":null}`:                 {Files: new([]int)},
		`{"options":{"a":null,"b":[1]}}`: {Options: []byte(`{"a":null,"b":[1]}`)},
	} {
		h.do("PATCH", path, body).is(200)
		if !reflect.DeepEqual(*h.tasks.changed, want) {
			t.Errorf("%s: got %+v", body, *h.tasks.changed)
		}
	}
	h.do("PATCH", path, `{"state":"paused"}`).problem(400, "unknown_field")
	h.do("PATCH", path, `{"name":""}`).problem(400, "invalid_request")
	h.do("PATCH", path, `{"files":{}}`).problem(400, "invalid_request")
	h.do("PATCH", "/api/v1/tasks/nonsense", `{}`).problem(404, "not_found")
	h.tasks.err = errs.New(errs.WrongState, "Too late.").WithField("options.split", "cannot change any more")
	if p := h.do("PATCH", path, `{"options":{"split":1}}`).problem(409, "wrong_state"); p.Errors == nil || (*p.Errors)[0].Field != "options.split" {
		t.Errorf("got %+v", p)
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
