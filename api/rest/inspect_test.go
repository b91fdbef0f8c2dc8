package rest_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

func TestInspectTellsWhatIsKnown(t *testing.T) {
	h := newHarness(t)
	tests := []struct {
		name string
		info core.SourceInfo
		want string
	}{
		{"a torrent", core.SourceInfo{
			Kind: downloader.SourceTorrent, Name: "film", InfoHash: "aa", InfoHashV2: "bb", Private: true, Size: 7,
			Files: []downloader.File{{Index: 0, Path: "a/b", Size: 7}}, Downloaders: []string{"aria2"},
		}, `{"downloaders":["aria2"],"files":[{"index":0,"path":"a/b","size":7}],"info_hash":"aa","info_hash_v2":"bb",` +
			`"kind":"torrent","name":"film","private":true,"resumable":false,"size":7}`},
		{
			"a URL that tells nothing",
			core.SourceInfo{Kind: downloader.SourceHTTP, Size: -1, Resumable: true},
			`{"downloaders":[],"files":null,"info_hash":null,"info_hash_v2":null,"kind":"http","name":null,"private":false,"resumable":true,"size":null}`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h.tasks.info = &tt.info
			got := h.do("POST", "/api/v1/sources/inspect", `{"source":"https://x/y"}`).is(200)
			if strings.TrimSpace(string(got.body)) != tt.want {
				t.Errorf("got %s", got.body)
			}
		})
	}
}

func TestInspectHandsOverTheSource(t *testing.T) {
	h := newHarness(t)
	h.tasks.info = &core.SourceInfo{Kind: downloader.SourceTorrent}
	const path = "/api/v1/sources/inspect"
	h.do("POST", path, `{"source":{"uri":"https://x","kind":"torrent"}}`).is(200)
	if want := (&core.NewSource{URI: "https://x", Kind: downloader.SourceTorrent, Field: "source"}); !reflect.DeepEqual(h.tasks.source, want) {
		t.Errorf("got %+v", h.tasks.source)
	}
	h.uploadTo(path, part{"torrent", "a.torrent", "d4:infoe"}).is(200)
	want := &core.NewSource{URI: "a.torrent", Kind: downloader.SourceTorrent, Content: []byte("d4:infoe"), Field: "torrent[0]"}
	if !reflect.DeepEqual(h.tasks.source, want) {
		t.Errorf("got %+v", h.tasks.source)
	}
}

func TestInspectRefusesWhatIsNoSource(t *testing.T) {
	h := newHarness(t)
	const path = "/api/v1/sources/inspect"
	h.do("POST", path, `{}`).problem(400, "invalid_request")
	h.do("POST", path, `{"source":null}`).problem(400, "invalid_request")
	h.do("POST", path, `{"source":""}`).problem(400, "invalid_request")
	h.do("POST", path, `{"sources":["a"]}`).problem(400, "unknown_field")
	h.do("POST", path, ``).problem(415, "unsupported_media_type")
	h.uploadTo(path, part{"request", "", `{}`}).problem(400, "unknown_field")
	h.uploadTo(path, part{"torrent", "a", "x"}, part{"torrent", "b", "x"}).problem(400, "invalid_request")
	h.uploadTo(path, part{"torrent", "a", strings.Repeat("x", testTorrentLimit+1)}).problem(413, "torrent_too_large")
	if h.tasks.source != nil {
		t.Errorf("the service was asked for %+v", h.tasks.source)
	}
	h.tasks.err = errs.New(errs.InvalidTorrent, "It is no torrent.").WithField("source", "is no torrent")
	h.do("POST", path, `{"source":"https://x/y.torrent"}`).problem(400, "invalid_torrent")
}

func TestHistoryIsShown(t *testing.T) {
	h := newHarness(t)
	var got struct {
		Items      []map[string]any `json:"items"`
		NextCursor *string          `json:"next_cursor"`
	}
	h.do("GET", "/api/v1/tasks/"+string(taskA)+"/history", "").is(200).into(&got)
	const want = `[{"at":"2026-11-21T11:00:00Z","by":null,"code":"out_of_space","kind":"state","message":"The disk is full.","seq":7,"state":"held"},` +
		`{"at":"2026-11-21T11:00:00Z","by":"alice","code":null,"kind":"wish","message":"Tried again.","seq":8,"state":null}]`
	if text, _ := json.Marshal(got.Items); string(text) != want || got.NextCursor != nil {
		t.Errorf("got %s", text)
	}
	h.do("GET", "/api/v1/tasks/"+string(core.NewID[core.TaskID]())+"/history", "").problem(404, "not_found")
	h.do("GET", "/api/v1/tasks/"+string(taskA)+"/history?limit=1", "").problem(400, "unknown_parameter")
}

func TestFilesTellWhatBecameOfThem(t *testing.T) {
	h := newHarness(t)
	var got struct{ Items []map[string]any }
	h.do("GET", "/api/v1/tasks/"+string(taskA)+"/files", "").is(200).into(&got)
	if f := got.Items[0]; f["done_bytes"] != 7.0 || f["wanted"] != true || f["delivered"] != true || f["skipped"] != false || f["error"] != nil {
		t.Errorf("the delivered one: %v", f)
	}
	if f := got.Items[1]; f["done_bytes"] != nil || f["error"] == nil || f["error"].(map[string]any)["code"] != "name_not_possible" {
		t.Errorf("the failed one: %v", f)
	}
	if f := got.Items[2]; f["wanted"] != false || f["skipped"] != true {
		t.Errorf("the skipped one: %v", f)
	}
}
