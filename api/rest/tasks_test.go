package rest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"

	"github.com/haul-dl/haul/api/apigen"
	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

func TestCreateHandsOverWhatWasAskedFor(t *testing.T) {
	h := newHarness(t)
	tests := []struct {
		name, body string
		want       core.NewTask
	}{
		{"a plain source", `{"sources":["https://example.org/a?b&c"]}`, core.NewTask{
			Sources: []core.NewSource{{URI: "https://example.org/a?b&c", Field: "sources[0]"}},
		}},
		{"everything", `{"sources":["a",{"uri":"b","kind":"torrent"}],"destination":"x/y","node":"n","downloader":"d"}`, core.NewTask{
			Sources:     []core.NewSource{{URI: "a", Field: "sources[0]"}, {URI: "b", Kind: downloader.SourceTorrent, Field: "sources[1]"}},
			Destination: core.NewDestination{Path: "x/y"}, Node: "n", Downloader: "d",
		}},
		{"files, options and a pause", `{"sources":["a"],"files":[0,2],"options":{"split":4},"paused":true}`, core.NewTask{
			Sources: []core.NewSource{{URI: "a", Field: "sources[0]"}}, Selection: core.Selection{Indexes: []int{0, 2}}, Options: []byte(`{"split":4}`), Paused: true,
		}},
		{"patterns, sizes, and what happens to names", `{"sources":["a"],"files":[7,"3","*.mkv","!*sample*",">=50MiB","<4GB"],"on_conflict":"skip"}`, core.NewTask{
			Sources: []core.NewSource{{URI: "a", Field: "sources[0]"}}, OnConflict: core.ConflictSkip,
			Selection: core.Selection{Indexes: []int{3, 7}, Patterns: []string{"*.mkv", "!*sample*"}, MinSize: 50 << 20, MaxSize: 4e9 - 1},
		}},
		{"seeding until a ratio", `{"sources":["a"],"seed":{"ratio":2.5}}`, core.NewTask{
			Sources: []core.NewSource{{URI: "a", Field: "sources[0]"}}, Seed: &core.SeedPolicy{Enabled: true, Ratio: 2.5},
		}},
		{"seeding for a while", `{"sources":["a"],"seed":{"enabled":true,"time_seconds":60,"idle_seconds":5}}`, core.NewTask{
			Sources: []core.NewSource{{URI: "a", Field: "sources[0]"}}, Seed: &core.SeedPolicy{Enabled: true, TimeSeconds: 60, IdleSeconds: 5},
		}},
		{"no seeding", `{"sources":["a"],"seed":{"enabled":false}}`, core.NewTask{
			Sources: []core.NewSource{{URI: "a", Field: "sources[0]"}}, Seed: &core.SeedPolicy{},
		}},
		{"seeding as others say", `{"sources":["a"],"seed":null}`, core.NewTask{Sources: []core.NewSource{{URI: "a", Field: "sources[0]"}}}},
		{"all files", `{"sources":["a"],"files":null}`, core.NewTask{Sources: []core.NewSource{{URI: "a", Field: "sources[0]"}}}},
		{"a destination in another storage", `{"sources":["a"],"destination":{"storage":"nas","path":"x"}}`, core.NewTask{
			Sources: []core.NewSource{{URI: "a", Field: "sources[0]"}}, Destination: core.NewDestination{Storage: "nas", Path: "x"},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var created apigen.CreatedTasks
			h.do("POST", "/api/v1/tasks", tt.body, header("Idempotency-Key", "k1")).is(201).into(&created)
			tt.want.IdempotencyKey = "k1"
			if !reflect.DeepEqual(*h.tasks.created, tt.want) {
				t.Errorf("asked for %+v, want %+v", *h.tasks.created, tt.want)
			}
			if len(created.Items) != len(tt.want.Sources) {
				t.Errorf("answered %d tasks", len(created.Items))
			}
		})
	}
}

func TestBadBodiesAreRefusedByName(t *testing.T) {
	h := newHarness(t)
	asIs := header("X-None", "")
	tests := []struct {
		name, body string
		edit       edit
		status     int
		code       string
		field      string
	}{
		{"an unknown field", `{"sources":["a"],"sourcs":[]}`, asIs, 400, "unknown_field", "sourcs"},
		{"an unknown field deep inside", `{"sources":[{"uri":"a","x":1}]}`, asIs, 400, "unknown_field", "sources[0].x"},
		{"no JSON", `sources=a`, asIs, 400, "invalid_json", ""},
		{"garbage behind it", `{"sources":["a"]} trailing`, asIs, 400, "invalid_json", ""},
		{"nothing", ``, header("Content-Type", "application/json"), 400, "invalid_json", ""},
		{"a negative file", `{"sources":["a"],"files":[-1]}`, asIs, 400, "invalid_request", "files[0]"},
		{"a file in words", `{"sources":["a"],"files":"0-3"}`, asIs, 400, "invalid_request", "files"},
		{"a fraction of a file", `{"sources":["a"],"files":[0.5]}`, asIs, 400, "invalid_request", "files[0]"},
		{"a huge file", `{"sources":["a"],"files":[99999999999999999999]}`, asIs, 400, "invalid_request", "files[0]"},
		{"an empty pattern", `{"sources":["a"],"files":[""]}`, asIs, 400, "invalid_request", "files[0]"},
		{"a pattern that is none", `{"sources":["a"],"files":[1,"[a"]}`, asIs, 400, "invalid_request", "files[1]"},
		{"a size that is none", `{"sources":["a"],"files":["*",">=many"]}`, asIs, 400, "invalid_request", "files[1]"},
		{"a pattern without an end", `{"sources":["a"],"files":["` + strings.Repeat("*", 2000) + `"]}`, asIs, 400, "invalid_request", "files[0]"},
		{"more patterns than can be held against each file", `{"sources":["a"],"files":["x"` + strings.Repeat(`,"x"`, 200) + `]}`, asIs, 400, "invalid_request", "files"},
		{"more files than there may be", `{"sources":["a"],"files":[0` + strings.Repeat(`,1`, 100_000) + `]}`, asIs, 400, "invalid_request", "files"},
		{"a file given twice", `{"sources":["a"],"files":[1,1]}`, asIs, 400, "invalid_request", "files"},
		{"a size that no file has", `{"sources":["a"],"files":[">2GB","<1GB"]}`, asIs, 400, "invalid_request", "files"},
		{"a selection in an object", `{"sources":["a"],"files":[{"index":1}]}`, asIs, 400, "invalid_request", "files[0]"},
		{"a policy that is not offered", `{"sources":["a"],"on_conflict":"ask"}`, asIs, 400, "invalid_request", "on_conflict"},
		{"a negative ratio", `{"sources":["a"],"seed":{"ratio":-1}}`, asIs, 400, "invalid_request", "seed.ratio"},
		{"a ratio without an end", `{"sources":["a"],"seed":{"ratio":1e999}}`, asIs, 400, "invalid_request", "seed.ratio"},
		{"a ratio in words", `{"sources":["a"],"seed":{"ratio":"2"}}`, asIs, 400, "invalid_request", "seed.ratio"},
		{"a part of a second", `{"sources":["a"],"seed":{"time_seconds":0.5}}`, asIs, 400, "invalid_request", "seed.time_seconds"},
		{"an unknown field of seeding", `{"sources":["a"],"seed":{"rato":1}}`, asIs, 400, "unknown_field", "seed.rato"},
		{"what has not come yet", `{"sources":["a"],"http":{"referer":"x"}}`, asIs, 400, "unknown_field", "http"},
		{"options that are a list", `{"sources":["a"],"options":[]}`, asIs, 400, "invalid_request", "options"},
		{"options that are null", `{"sources":["a"],"options":null}`, asIs, 400, "invalid_request", "options"},
		{"a pause in words", `{"sources":["a"],"paused":"yes"}`, asIs, 400, "invalid_request", "paused"},
		{"a wrong type", `{"sources":"a"}`, asIs, 400, "invalid_request", "sources"},
		{"a form", `sources=a`, header("Content-Type", "application/x-www-form-urlencoded"), 415, "unsupported_media_type", ""},
		{"no media type", `{}`, header("Content-Type", ""), 415, "unsupported_media_type", ""},
		{"another character set", `{}`, header("Content-Type", "application/json; charset=latin1"), 415, "unsupported_media_type", ""},
		{"a compressed body", `{}`, header("Content-Encoding", "gzip"), 415, "unsupported_media_type", ""},
		{"a body over the limit", `{"node":"` + strings.Repeat("x", 1<<20) + `"}`, asIs, 413, "body_too_large", ""},
		{"a key that is too long", `{"sources":["a"]}`, header("Idempotency-Key", strings.Repeat("k", 256)), 400, "invalid_parameter", "Idempotency-Key"},
		{"a multipart body without a boundary", `x`, header("Content-Type", "multipart/form-data"), 400, "invalid_request", ""},
		{"a multipart body that is none", `x`, header("Content-Type", "multipart/form-data; boundary=b"), 400, "invalid_request", ""},
		{"an unknown part", "--b\r\nContent-Disposition: form-data; name=\"torent\"\r\n\r\nxx\r\n--b--\r\n", header("Content-Type", "multipart/form-data; boundary=b"), 400, "unknown_field", "torent"},
		{"a multipart body that ends early", "--b\r\nContent-Disposition: form-data; name=\"torrent\"; filename=\"a\"\r\n\r\nxx", header("Content-Type", "multipart/form-data; boundary=b"), 400, "invalid_request", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h.tasks.created = nil
			p := h.do("POST", "/api/v1/tasks", tt.body, tt.edit).problem(tt.status, tt.code)
			if p.Hint == "" {
				t.Error("no hint")
			}
			if h.tasks.created != nil {
				t.Error("the service was called")
			}
			switch {
			case tt.field == "":
			case p.Errors == nil || (*p.Errors)[0].Field != tt.field:
				t.Errorf("errors %v, want the field %q", p.Errors, tt.field)
			}
		})
	}
	for _, media := range []string{"application/json; charset=UTF-8", "Application/JSON"} {
		h.do("POST", "/api/v1/tasks", `{"sources":["a"]}`, header("Content-Type", media)).is(201)
	}
}

func TestUploadHandsOverFilesAndFields(t *testing.T) {
	h := newHarness(t)
	h.upload(
		part{"torrent", "a.torrent", "d8:announce"},
		part{"request", "", `{"sources":["magnet:?x"],"destination":"films"}`},
		part{"torrent", "../../b.torrent", ""},
	).is(201)
	want := core.NewTask{
		Sources: []core.NewSource{
			{URI: "magnet:?x", Field: "sources[0]"},
			{URI: "a.torrent", Kind: downloader.SourceTorrent, Content: []byte("d8:announce"), Field: "torrent[0]"},
			{URI: "b.torrent", Kind: downloader.SourceTorrent, Content: []byte{}, Field: "torrent[1]"},
		},
		Destination: core.NewDestination{Path: "films"},
	}
	if !reflect.DeepEqual(*h.tasks.created, want) {
		t.Errorf("got %+v, want %+v", *h.tasks.created, want)
	}
}

func TestBadUploadsAreRefusedByName(t *testing.T) {
	h := newHarness(t)
	torrent := part{"torrent", "a.torrent", "x"}
	many := make([]part, 101)
	for i := range many {
		many[i] = torrent
	}
	tests := []struct {
		name   string
		parts  []part
		status int
		code   string
	}{
		{"an unknown part", []part{torrent, {"torrents", "b", "x"}}, 400, "unknown_field"},
		{"an unknown field", []part{torrent, {"request", "", `{"dest":"x"}`}}, 400, "unknown_field"},
		{"a request that is no JSON", []part{torrent, {"request", "", `dest=x`}}, 400, "invalid_json"},
		{"two requests", []part{{"request", "", `{}`}, {"request", "", `{}`}}, 400, "invalid_request"},
		{"a file over the limit", []part{torrent, {"torrent", "b", strings.Repeat("x", testTorrentLimit+1)}}, 413, "torrent_too_large"},
		{"too many files", many, 400, "invalid_request"},
		{"a body over the limit", []part{{"request", "", strings.Repeat(" ", 1<<20+4*testTorrentLimit)}}, 413, "body_too_large"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h.upload(tt.parts...).problem(tt.status, tt.code)
			if h.tasks.created != nil {
				t.Error("the service was called")
			}
		})
	}
	h.upload(part{"torrent", "b", strings.Repeat("x", testTorrentLimit)}).is(201)
	p := h.upload(part{"torrent", "b", "x"}, part{"request", "", `{"files":["*.mkv","[a"]}`}).problem(400, "invalid_request")
	if p.Errors == nil || (*p.Errors)[0].Field != "files[1]" {
		t.Errorf("got %+v", p.Errors)
	}
}

func TestListHandsOverTheQuery(t *testing.T) {
	h := newHarness(t)
	h.do("GET", "/api/v1/tasks?state=queued&state=failed,held&state=&owner=o&node=n&downloader=d&q=t&sort=created_at&limit=7&cursor=c", "").is(200)
	want := core.TaskQuery{
		States: []core.TaskState{core.StateQueued, core.StateFailed, core.StateHeld}, Owner: "o", Node: "n", Downloader: "d",
		Text: "t", OldestFirst: true, Cursor: "c", Limit: 7,
	}
	if !reflect.DeepEqual(*h.tasks.query, want) {
		t.Errorf("got %+v", *h.tasks.query)
	}
	h.do("GET", "/api/v1/tasks?state=done", "").problem(400, "invalid_parameter")
	h.do("GET", "/api/v1/tasks?stat=done", "").problem(400, "unknown_parameter")
	h.do("GET", "/api/v1/tasks/"+string(taskA)+"?x=1", "").problem(400, "unknown_parameter")
	h.do("GET", "/healthz?x=1", "").problem(400, "unknown_parameter")
}

func TestATaskShowsNamesAndNulls(t *testing.T) {
	h := newHarness(t)
	var list struct {
		Items      []map[string]any `json:"items"`
		NextCursor string           `json:"next_cursor"`
	}
	h.do("GET", "/api/v1/tasks", "").is(200).into(&list)
	full, _ := json.Marshal(list.Items[0])
	const wantFull = `{"attempt":2,"completed_at":"2026-11-21T11:00:00Z","created_at":"2026-11-21T11:00:00Z","deleted_at":"2026-11-21T11:00:00Z",` +
		`"delivered_at":"2026-11-21T11:00:00Z","delivery":{"done_bytes":10,"files_done":1,"files_total":2,"total_bytes":1000},` +
		`"destination":{"path":"films","storage":"local"},"downloaded_at":"2026-11-21T11:00:00Z","downloader":"aria2",` +
		`"error":{"at":"2026-11-21T11:00:00Z","code":"out_of_space","hint":"Free some.","message":"The disk is full.","retryable":true},` +
		`"files":[0,2,"*.mkv","!*sample*","\u003e=52428800"],"held_until":"2026-11-21T11:00:00Z",` +
		`"id":"ID","info_hash":"dd8255ecdc7ca55fb0bbf81323d87062db1f6d1c",` +
		`"info_hash_v2":"abababababababababababababababababababababababababababababababab",` +
		`"name":"film","node":"local","on_conflict":"skip","options":{"split":4},"owner":"alice","private":true,` +
		`"progress":{"done_bytes":500,"download_rate":99,"eta_seconds":6,"peers":3,"ratio":0.5,"seeds":1,"total_bytes":1000,"upload_rate":7,"uploaded_bytes":250},` +
		`"retries":{"limit":3,"next_at":"2026-11-21T11:00:00Z","used":1},"seed":{"enabled":true,"idle_seconds":0,"ratio":1.5,"time_seconds":3600},` +
		`"source":{"kind":"magnet","uri":"magnet:?xt=x\u0026dn=y"},"started_at":"2026-11-21T11:00:00Z","state":"held",` +
		`"waiting":{"code":"waiting_for_slot","message":"All slots are taken."},"wish":"run"}`
	if got := strings.ReplaceAll(string(full), string(taskA), "ID"); got != wantFull {
		t.Errorf("got  %s\nwant %s", got, wantFull)
	}
	bare := list.Items[1]
	for _, name := range []string{
		"files", "info_hash", "waiting", "node", "downloader", "error", "started_at", "downloaded_at", "delivered_at", "completed_at", "deleted_at",
		"info_hash_v2", "seed", "held_until",
	} {
		if v, ok := bare[name]; !ok || v != nil {
			t.Errorf("%s is %v, want null", name, v)
		}
	}
	if bare["on_conflict"] != "rename" || bare["private"] != false || bare["retries"].(map[string]any)["next_at"] != nil {
		t.Errorf("got %v", bare)
	}
	if bare["owner"] != "u1" || list.NextCursor != "more" {
		t.Errorf("owner %v, cursor %q", bare["owner"], list.NextCursor)
	}
}

func TestTaskActions(t *testing.T) {
	h := newHarness(t)
	path := "/api/v1/tasks/" + string(taskA)
	h.do("GET", path, "").is(200)
	h.do("POST", path+"/cancel", "").is(200)
	h.do("POST", path+"/retry", "").is(200)
	h.do("POST", path+"/pause", "").is(200)
	h.do("POST", path+"/resume", "").is(200)
	if want := []string{"cancel", "retry", "pause", "resume"}; !reflect.DeepEqual(h.tasks.calls, want) {
		t.Errorf("called %v", h.tasks.calls)
	}
	h.do("GET", path+"/files", "").is(200)
	h.do("DELETE", path, "").is(204)
	h.do("DELETE", path+"?data=delete", "").is(204)
	h.do("DELETE", path+"?data=keep", "").is(204)
	h.do("DELETE", path+"?data=maybe", "").problem(400, "invalid_parameter")
	if !reflect.DeepEqual(h.tasks.deleted, []bool{false, true, false}) {
		t.Errorf("deleted with data: %v", h.tasks.deleted)
	}
	for _, id := range []string{"nonsense", "..%2f..", strings.ToUpper(string(taskA)), string(core.NewID[core.TaskID]())} {
		h.do("GET", "/api/v1/tasks/"+id, "").problem(404, "not_found")
	}
}

func TestFileContent(t *testing.T) {
	h := newHarness(t)
	h.tasks.content, h.tasks.name = []byte("0123456789"), "ä \"b\"\r\nX: y.bin"
	path := "/api/v1/tasks/" + string(taskA) + "/files/0/content"
	a := h.do("GET", path, "").is(200)
	if string(a.body) != "0123456789" || a.header.Get("X-Content-Type-Options") != "nosniff" || a.header.Get("X") != "" {
		t.Errorf("%q, %v", a.body, a.header)
	}
	if got := a.header.Get("Content-Disposition"); got != "attachment; filename*=utf-8''%C3%A4%20%22b%22__X%3A%20y.bin" {
		t.Errorf("Content-Disposition: %s", got)
	}
	if a := h.do("GET", path, "", header("Range", "bytes=2-4")).is(206); string(a.body) != "234" {
		t.Errorf("got %q", a.body)
	}
	outside := h.do("GET", path, "", header("Range", "bytes=20-"))
	outside.problem(416, "invalid_parameter")
	if got := outside.header.Get("Content-Range"); got != "bytes */10" {
		t.Errorf("Content-Range of a refusal: %q", got)
	}
	h.do("GET", path, "", header("Range", "lines=1")).problem(416, "invalid_parameter")
	h.do("GET", path, "", header("If-Modified-Since", a.header.Get("Last-Modified"))).is(304)
	if a := h.do("HEAD", path, "").is(200); a.header.Get("Content-Length") != "10" || len(a.body) != 0 {
		t.Errorf("%q, %v", a.body, a.header)
	}
	for _, index := range []string{"x", "-1", "99999999999"} {
		h.do("GET", "/api/v1/tasks/"+string(taskA)+"/files/"+index+"/content", "").problem(400, "invalid_parameter")
	}
	h.tasks.err = errs.New(errs.NotDelivered, "Not yet.")
	h.do("GET", path, "").problem(409, "not_delivered")
}

func TestEveryCodeHasAStatusAndTravelsWhole(t *testing.T) {
	h := newHarness(t)
	special := map[errs.Code]int{
		errs.UnsupportedMedia: 415, errs.MethodNotAllowed: 405, errs.OutOfSpace: 507, errs.DeadlineExceeded: 503, errs.PluginMissing: 422,
		errs.Internal: 500, errs.FilesMissing: 500, errs.QuotaExceeded: 429, errs.Forbidden: 403, errs.SourceNotSupported: 422,
		errs.NameTaken: 409, errs.Unavailable: 503, errs.Canceled: 499, errs.NotFound: 404, errs.TorrentTooLarge: 413, errs.InvalidMagnet: 400,
	}
	for _, code := range errs.Codes() {
		h.tasks.err = errs.Wrap(errors.New("cause: /secret/path"), code, "What happened.").WithField("f", "m")
		a := h.do("GET", "/api/v1/tasks/"+string(taskA), "")
		p := a.problem(a.status, string(code))
		if want, ok := special[code]; a.status < 400 || ok && a.status != want {
			t.Errorf("%s: status %d, want %d", code, a.status, want)
		}
		if p.Detail != "What happened." || p.Hint != code.Hint() || p.Title != code.Title() || p.Errors == nil {
			t.Errorf("%s: %s", code, a.body)
		}
		if strings.Contains(string(a.body), "/secret") {
			t.Errorf("%s: the cause leaks: %s", code, a.body)
		}
	}
}

func TestErrorsWithoutACodeAreNotShown(t *testing.T) {
	h := newHarness(t)
	for want, err := range map[string]error{
		"internal":          fmt.Errorf("open /secret/path: %w", io.ErrUnexpectedEOF),
		"deadline_exceeded": fmt.Errorf("secret: %w", context.DeadlineExceeded),
		"canceled":          fmt.Errorf("secret: %w", context.Canceled),
	} {
		h.tasks.err = err
		a := h.do("GET", "/api/v1/tasks/"+string(taskA), "")
		a.problem(a.status, want)
		if strings.Contains(string(a.body), "secret") {
			t.Errorf("it leaks: %s", a.body)
		}
	}
	if !strings.Contains(h.log.String(), "/secret/path") {
		t.Error("the log does not say what went wrong")
	}
}
