package worker

import (
	"bytes"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/haul-dl/haul/core"
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
		job := torrentJob(s.URL + path)
		r.send(w.full(job))
		r.waitAdded(job.ID)
		at, _ := w.plugin.Job(string(job.ID))
		if string(at.Request.Source.Content) != aTorrent || at.Request.Source.URI != "" {
			t.Errorf("%s: the daemon got %+v", path, at.Request.Source)
		}
		if o := r.job(job.ID); o.Name != "a.bin" || len(o.InfoHash) != 40 {
			t.Errorf("%s: name %q, info hash %q", path, o.Name, o.InfoHash)
		}
		w.finish(job.ID, strings.Trim(path, "/"), "A")
		r.waitPhase(job.ID, core.JobDone)
		if keys := w.keys(keyContent); len(keys) != 0 {
			t.Errorf("the journal still holds %v", keys)
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
	r.send(w.full())
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
		{"not http", "ftp://127.0.0.1/x.torrent", errs.SourceNotSupported},
		{"a certificate that nobody knows", secure.URL + "/x.torrent", errs.SourceTLS},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			job := torrentJob(tt.uri)
			r.send(&core.Orders{Jobs: []core.DesiredJob{job}})
			o := r.waitPhase(job.ID, core.JobFailed)
			if o.Failure.Code != tt.code || o.Failure.Hint == "" {
				t.Errorf("%+v, want %s", o.Failure, tt.code)
			}
		})
	}
	w.assertNoDirs()
}

func TestAServerThatIsDownIsAskedAgain(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, scripted.Options{})
	r := w.start()
	job := torrentJob("http://" + address + "/x.torrent")
	r.send(w.full(job))
	r.waitFor("the reason", func() bool {
		o := r.jobs[job.ID]
		return o.Phase == core.JobResolving && o.Waiting != nil && o.Waiting.Code == errs.SourceUnreachable
	})
	if o := r.waitPhase(job.ID, core.JobFailed); o.Failure.Code != errs.SourceUnreachable {
		t.Errorf("%+v", o.Failure)
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
