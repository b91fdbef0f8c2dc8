package worker

import (
	"bytes"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/internal/lab"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
	"github.com/haul-dl/haul/sdk/plugintest/scripted"
)

// aTorrent is a valid one of a single file.
const aTorrent = "d4:infod6:lengthi1e4:name5:a.bin12:piece lengthi16384e6:pieces20:aaaaaaaaaaaaaaaaaaaaee"

func web(t *testing.T) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/good.torrent":
			_, _ = w.Write([]byte(aTorrent))
		case "/moved.torrent":
			http.Redirect(w, r, "/good.torrent", http.StatusFound)
		case "/loop":
			http.Redirect(w, r, "/loop", http.StatusFound)
		case "/scheme":
			http.Redirect(w, r, "file:///etc/passwd", http.StatusFound)
		case "/page":
			_, _ = w.Write([]byte("<!doctype html><title>Log in</title>"))
		case "/large":
			_, _ = w.Write(bytes.Repeat([]byte("d"), 1<<20+1))
		case "/plain.bin":
			_, _ = w.Write([]byte("12345"))
		case "/named":
			w.Header().Set("Content-Disposition", "attachment; filename*=UTF-8''%2Ftmp%2F..%2F%C3%A9vil.bin")
			_, _ = w.Write([]byte("12345"))
		case "/parts.bin":
			http.ServeContent(w, r, "parts.bin", time.Time{}, strings.NewReader("12345"))
		case "/endless.bin":
			w.WriteHeader(http.StatusOK)
			_ = http.NewResponseController(w).Flush()
		case "/gone":
			w.WriteHeader(http.StatusGone)
		case "/secret":
			w.WriteHeader(http.StatusForbidden)
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(s.Close)
	return s
}

func torrentJob(uri string) core.DesiredJob {
	j := newJob()
	j.Source = core.TaskSource{Kind: downloader.SourceTorrent, URI: uri}
	return j
}

func TestTheNodeFetchesTorrents(t *testing.T) {
	s, w := web(t), newWorld(t, scripted.Options{})
	r := w.start()
	for _, path := range []string{"/good.torrent", "/moved.torrent"} {
		f, err := r.session.FetchSource(t.Context(), core.TaskSource{Kind: downloader.SourceTorrent, URI: s.URL + path})
		if err != nil {
			t.Fatal(err)
		}
		if string(f.Content) != aTorrent || f.Name != "a.bin" || f.Size != 1 {
			t.Errorf("%s: %+v", path, f)
		}
	}
}

func TestAnHTTPServerIsAskedForNameAndSize(t *testing.T) {
	s, w := web(t), newWorld(t, scripted.Options{})
	r := w.start()
	for path, want := range map[string]core.FetchedSource{
		"/plain.bin":   {Kind: downloader.SourceHTTP, Name: "plain.bin", Size: 5},
		"/named":       {Kind: downloader.SourceHTTP, Name: "évil.bin", Size: 5},
		"/parts.bin":   {Kind: downloader.SourceHTTP, Name: "parts.bin", Size: 5, Resumable: true},
		"/endless.bin": {Kind: downloader.SourceHTTP, Name: "endless.bin", Size: -1},
	} {
		f, err := r.session.FetchSource(t.Context(), core.TaskSource{Kind: downloader.SourceHTTP, URI: s.URL + path})
		if err != nil || !reflect.DeepEqual(*f, want) {
			t.Errorf("%s: %+v %v, want %+v", path, f, err, want)
		}
	}
}

func TestBadTorrentURLsFailWithTheirReason(t *testing.T) {
	s, w := web(t), newWorld(t, scripted.Options{})
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	defer secure.Close()
	r := w.start()
	tests := []struct {
		name, uri string
		code      errs.Code
	}{
		{"missing", s.URL + "/missing", errs.SourceNotFound},
		{"gone", s.URL + "/gone", errs.SourceNotFound},
		{"forbidden", s.URL + "/secret", errs.SourceForbidden},
		{"a web page", s.URL + "/page", errs.InvalidTorrent},
		{"too large", s.URL + "/large", errs.TorrentTooLarge},
		{"a redirect to a file", s.URL + "/scheme", errs.SourceNotSupported},
		{"redirects without end", s.URL + "/loop", errs.SourceServerError},
		{"not http", "ftp://127.0.0.1/x.torrent", errs.SourceNotSupported},
		{"a certificate that nobody knows", secure.URL + "/x.torrent", errs.SourceTLS},
		{"nobody listens", fmt.Sprintf("http://127.0.0.1:%d/x.torrent", lab.ClosedPort(t)), errs.SourceUnreachable},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := r.session.FetchSource(t.Context(), core.TaskSource{Kind: downloader.SourceTorrent, URI: tt.uri})
			if !errs.Is(err, tt.code) || errs.HintOf(err) == "" {
				t.Errorf("%v, want %s", err, tt.code)
			}
		})
	}
}

func TestUploadedFilesComeFromTheOrder(t *testing.T) {
	w := newWorld(t, scripted.Options{})
	r := w.start()
	job := torrentJob("a.torrent")
	job.Source.Uploaded, job.Content = true, []byte(aTorrent)
	lost := torrentJob("b.torrent")
	lost.Source.Uploaded = true
	r.send(w.full(job, lost))
	r.waitAdded(job.ID)
	if at, _ := w.plugin.Job(string(job.ID)); string(at.Request.Source.Content) != aTorrent {
		t.Errorf("the daemon got %+v", at.Request.Source)
	}
	if o := r.waitPhase(lost.ID, core.JobFailed); o.Failure.Code != errs.InvalidSource {
		t.Errorf("%+v", o.Failure)
	}
}
