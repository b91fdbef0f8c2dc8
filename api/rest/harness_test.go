package rest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
	"github.com/hashicorp/go-hclog"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/haul-dl/haul/api"
	"github.com/haul-dl/haul/api/apigen"
	"github.com/haul-dl/haul/api/rest"
)

// harness runs the real handler behind a real server, over fake services, and
// holds every answer against openapi.yaml.
type harness struct {
	t           *testing.T
	tasks       *fakeTasks
	users       *fakeUsers
	accounts    *fakeAccounts
	downloaders *fakeDownloaders
	storages    *fakeStorages
	ready       *fakeReady
	registry    *prometheus.Registry
	log         *bytes.Buffer
	url         string
	routes      routers.Router
}

const testTorrentLimit = 1000

func newHarness(t *testing.T) *harness {
	t.Helper()
	h := &harness{
		t: t, tasks: &fakeTasks{}, users: &fakeUsers{}, accounts: &fakeAccounts{}, downloaders: &fakeDownloaders{},
		storages: &fakeStorages{}, ready: &fakeReady{},
		registry: prometheus.NewRegistry(), log: &bytes.Buffer{},
	}
	handler, err := rest.New(rest.Options{
		Tasks: h.tasks, Users: h.users, Accounts: h.accounts, Downloaders: h.downloaders, Storages: h.storages, Ready: h.ready,
		Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			_, _ = io.WriteString(w, "haul_up 1\n")
		}),
		Registerer: h.registry, Logger: hclog.New(&hclog.LoggerOptions{Output: h.log, Level: hclog.Debug}),
		TorrentLimit: testTorrentLimit, Version: "1.2.3",
	})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	h.url = server.URL
	h.routes = describedRoutes(t)
	return h
}

func describedRoutes(t *testing.T) routers.Router {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(api.Spec)
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(context.Background()); err != nil {
		t.Fatal(err)
	}
	routes, err := gorillamux.NewRouter(doc)
	if err != nil {
		t.Fatal(err)
	}
	return routes
}

// answer is a response that was read and keeps to the description.
type answer struct {
	t      *testing.T
	status int
	header http.Header
	body   []byte
}

type edit func(*http.Request)

func header(name, value string) edit {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

func asAdmin(r *http.Request) { r.Header.Set("Authorization", "Bearer "+adminToken) }

// do sends a request with a user's token; a body is JSON unless edited.
func (h *harness) do(method, path, body string, edits ...edit) *answer {
	h.t.Helper()
	req, err := http.NewRequestWithContext(h.t.Context(), method, h.url+path, strings.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+userToken)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for _, e := range edits {
		e(req)
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		h.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	read, err := io.ReadAll(resp.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	h.holdAgainstDescription(req, resp, read)
	return &answer{t: h.t, status: resp.StatusCode, header: resp.Header, body: read}
}

func (h *harness) holdAgainstDescription(req *http.Request, resp *http.Response, body []byte) {
	h.t.Helper()
	if req.Method == http.MethodHead {
		return
	}
	described, params, err := h.routes.FindRoute(req)
	if err != nil {
		if got := resp.Header.Get("Content-Type"); got != "application/problem+json" {
			h.t.Errorf("%s %s: answered as %q", req.Method, req.URL.Path, got)
		}
		return
	}
	input := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: req, PathParams: params, Route: described},
		Status:                 resp.StatusCode, Header: resp.Header, Body: io.NopCloser(bytes.NewReader(body)),
		Options: &openapi3filter.Options{IncludeResponseStatus: true},
	}
	if err := openapi3filter.ValidateResponse(h.t.Context(), input); err != nil {
		h.t.Errorf("%s %s, %d: %v\n%s", req.Method, req.URL.Path, resp.StatusCode, err, body)
	}
}

func (a *answer) is(status int) *answer {
	a.t.Helper()
	if a.status != status {
		a.t.Fatalf("status %d, want %d: %s", a.status, status, a.body)
	}
	return a
}

// problem checks that the answer is one, with the code, and returns it.
func (a *answer) problem(status int, code string) apigen.Problem {
	a.t.Helper()
	a.is(status)
	var p apigen.Problem
	a.into(&p)
	if p.Code != code || p.Status != status || p.Title == "" || p.Detail == "" {
		a.t.Fatalf("got %s, want code %q", a.body, code)
	}
	return p
}

func (a *answer) into(v any) {
	a.t.Helper()
	if err := json.Unmarshal(a.body, v); err != nil {
		a.t.Fatalf("%v: %s", err, a.body)
	}
}

// part is one part of an upload; a file where filename is not empty.
type part struct{ name, filename, content string }

func (h *harness) upload(parts ...part) *answer {
	h.t.Helper()
	return h.uploadTo("/api/v1/tasks", parts...)
}

func (h *harness) uploadTo(path string, parts ...part) *answer {
	h.t.Helper()
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	for _, p := range parts {
		create := func() (io.Writer, error) { return w.CreateFormField(p.name) }
		if p.filename != "" {
			create = func() (io.Writer, error) { return w.CreateFormFile(p.name, p.filename) }
		}
		dst, err := create()
		if err != nil {
			h.t.Fatal(err)
		}
		_, _ = io.WriteString(dst, p.content)
	}
	if err := w.Close(); err != nil {
		h.t.Fatal(err)
	}
	return h.do("POST", path, body.String(), header("Content-Type", w.FormDataContentType()))
}
