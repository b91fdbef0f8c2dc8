package rest_test

import (
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/haul-dl/haul/api/apigen"
	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/sdk/errs"
)

func TestEverythingButLoginAndHealthNeedsAToken(t *testing.T) {
	h := newHarness(t)
	for _, path := range []string{"/healthz", "/readyz"} {
		h.do("GET", path, "", header("Authorization", "")).is(200)
	}
	for _, request := range []string{
		"GET /metrics", "GET /api/v1/me", "GET /api/v1/openapi.yaml", "POST /api/v1/auth/logout", "GET /api/v1/tasks", "POST /api/v1/tasks",
		"GET /api/v1/tasks/x", "DELETE /api/v1/tasks/x", "POST /api/v1/tasks/x/cancel", "POST /api/v1/tasks/x/retry", "GET /api/v1/tasks/x/files",
		"GET /api/v1/tasks/x/files/0/content", "GET /api/v1/downloaders", "POST /api/v1/downloaders", "GET /api/v1/downloaders/x",
		"PATCH /api/v1/downloaders/x", "DELETE /api/v1/downloaders/x", "POST /api/v1/downloaders/x/test", "POST /api/v1/downloaders/test",
		"GET /api/v1/plugins", "POST /api/v1/plugins/rescan", "PATCH /api/v1/me", "POST /api/v1/tasks/x/recheck", "GET /api/v1/tasks/x/history",
		"POST /api/v1/sources/inspect", "GET /api/v1/storages", "POST /api/v1/storages", "POST /api/v1/storages/test", "GET /api/v1/storages/x",
		"PATCH /api/v1/storages/x", "DELETE /api/v1/storages/x", "POST /api/v1/storages/x/test", "GET /api/v1/users", "POST /api/v1/users",
		"GET /api/v1/users/x", "PATCH /api/v1/users/x", "DELETE /api/v1/users/x", "GET /api/v1/groups", "POST /api/v1/groups",
		"GET /api/v1/groups/x", "PATCH /api/v1/groups/x", "DELETE /api/v1/groups/x",
	} {
		method, path, _ := strings.Cut(request, " ")
		for _, value := range []string{"", "Bearer", "Bearer wrong", "Basic " + userToken, userToken} {
			a := h.do(method, path, "", header("Authorization", value))
			a.problem(401, "unauthenticated")
			if a.header.Get("WWW-Authenticate") == "" {
				t.Errorf("%s: no WWW-Authenticate", request)
			}
		}
	}
	h.do("GET", "/api/v1/me", "", header("Authorization", "bearer "+userToken)).is(200)
}

func TestMetricsAreForAdmins(t *testing.T) {
	h := newHarness(t)
	h.do("GET", "/metrics", "").problem(403, "forbidden")
	if a := h.do("GET", "/metrics", "", header("Authorization", "Bearer "+adminToken)).is(200); string(a.body) != "haul_up 1\n" {
		t.Errorf("got %q", a.body)
	}
}

func TestHealth(t *testing.T) {
	h := newHarness(t)
	var health apigen.Health
	h.do("GET", "/healthz", "").is(200).into(&health)
	if health.Version != "1.2.3" {
		t.Errorf("got %+v", health)
	}
	h.ready.waiting = []core.Waiting{{Code: errs.NodeOffline, Message: "The node local is offline."}}
	a := h.do("GET", "/readyz", "")
	a.problem(503, "unavailable")
	var not apigen.NotReady
	a.into(&not)
	if len(not.Reasons) != 1 || not.Reasons[0].Code != "node_offline" {
		t.Errorf("got %s", a.body)
	}
}

func TestLogin(t *testing.T) {
	h := newHarness(t)
	var login apigen.LoginAnswer
	h.do("POST", "/api/v1/auth/login", `{"username":"alice","password":"right"}`, header("Authorization", "")).is(200).into(&login)
	if login.Token != "alice-token" || !login.ExpiresAt.Equal(testTime) || login.ExpiresAt.Location().String() != "UTC" {
		t.Errorf("got %+v", login)
	}
	if h.users.remote != "127.0.0.1" {
		t.Errorf("the address was given as %q", h.users.remote)
	}
	h.do("POST", "/api/v1/auth/login", `{"username":"alice","password":"wrong"}`).problem(401, "invalid_login")
	h.do("POST", "/api/v1/auth/login", `{"username":"alice"}`).problem(400, "invalid_request")
	h.do("POST", "/api/v1/auth/logout", "").is(204)
	var me apigen.Me
	h.do("GET", "/api/v1/me", "").is(200).into(&me)
	if want := (apigen.Me{ID: "u1", Name: "alice", Group: "users", Permissions: []string{"download"}}); !reflect.DeepEqual(me, want) {
		t.Errorf("got %+v", me)
	}
}

func TestPathsAndMethodsThatDoNotExist(t *testing.T) {
	h := newHarness(t)
	for _, path := range []string{"/", "/api/v1", "/api/v1/none", "/api/v1/tasks/", "/api/v1//tasks", "/api/v1/../v1/tasks"} {
		h.do("GET", path, "").problem(404, "not_found")
	}
	a := h.do("PUT", "/api/v1/tasks", "{}")
	a.problem(405, "method_not_allowed")
	if got := a.header.Values("Allow"); !reflect.DeepEqual(got, []string{"GET", "HEAD", "POST"}) {
		t.Errorf("Allow: %q", got)
	}
	h.do("BREW", "/api/v1/tasks", "").problem(405, "method_not_allowed")
}

func TestHeadAnswersAsGetWithoutABody(t *testing.T) {
	h := newHarness(t)
	for _, path := range []string{"/healthz", "/api/v1/tasks", "/api/v1/openapi.yaml"} {
		if a := h.do("HEAD", path, "").is(200); len(a.body) != 0 || a.header.Get("Content-Type") == "" {
			t.Errorf("%s: %q, %v", path, a.body, a.header)
		}
	}
}

func TestAPanicIsAnsweredLoggedAndNotShown(t *testing.T) {
	h := newHarness(t)
	h.tasks.panics = true
	a := h.do("GET", "/api/v1/tasks/"+string(taskA), "")
	a.problem(500, "internal")
	if strings.Contains(string(a.body), "secret detail") || !strings.Contains(h.log.String(), "secret detail") {
		t.Errorf("answer %s, log %s", a.body, h.log)
	}
}

func TestRequestsAreMeasuredByRoute(t *testing.T) {
	h := newHarness(t)
	h.do("GET", "/api/v1/tasks/"+string(taskA), "").is(200)
	h.do("GET", "/api/v1/tasks/nonsense", "").is(404)
	h.do("GET", "/wp-admin", "").is(404)
	h.do("BREW", "/wp-login", "").is(404)
	if got, err := testutil.GatherAndCount(h.registry, "haul_http_request_duration_seconds"); err != nil || got != 4 {
		t.Errorf("%d series, %v", got, err)
	}
	families, err := h.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	text := families[0].String()
	if strings.Contains(text, "wp-") || strings.Contains(text, "BREW") || strings.Contains(text, string(taskA)) {
		t.Errorf("labels hold what callers made up: %s", text)
	}
	if strings.Contains(h.log.String(), "wp-admin") {
		t.Error("the log holds a caller's path")
	}
}

func TestTheDescriptionIsServed(t *testing.T) {
	h := newHarness(t)
	if a := h.do("GET", "/api/v1/openapi.yaml", "").is(http.StatusOK); !strings.Contains(string(a.body), "openapi: 3.0.3") {
		t.Errorf("got %.100s", a.body)
	}
}
