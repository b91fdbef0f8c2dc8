package driver

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/haul-dl/haul/sdk/downloader"

	"example.org/haul-downloader-fetchd/internal/fakedaemon"
)

const (
	testToken = "s3cret"
	patience  = 20 * time.Second
)

// daemon is a fetchd of the test's own.
type daemon struct {
	t       testing.TB
	options fakedaemon.Options
	*fakedaemon.Daemon
}

func startDaemon(t testing.TB) *daemon {
	t.Helper()
	d := &daemon{t: t, options: fakedaemon.Options{
		Listen: "127.0.0.1:0", Token: testToken, StateFile: filepath.Join(t.TempDir(), "state.json"),
	}}
	d.start()
	t.Cleanup(d.stop)
	return d
}

func (d *daemon) start() {
	d.t.Helper()
	if err := d.tryStart(); err != nil {
		d.t.Fatal(err)
	}
}

func (d *daemon) tryStart() error {
	daemon, err := fakedaemon.Start(d.options)
	if err != nil {
		return err
	}
	d.Daemon, d.options.Listen = daemon, daemon.Address()
	return nil
}

func (d *daemon) stop() {
	if err := d.Close(); err != nil {
		d.t.Error(err)
	}
}

// restart ends the daemon without a word, and starts it at the same address.
func (d *daemon) restart() {
	d.t.Helper()
	d.stop()
	d.start()
}

func (d *daemon) settings() []byte {
	raw, err := json.Marshal(settings{Address: d.Address(), Token: testToken})
	if err != nil {
		d.t.Fatal(err)
	}
	return raw
}

// request asks the daemon beside the driver, as its admin would.
func (d *daemon) request(method, path, body string) []byte {
	d.t.Helper()
	req, err := http.NewRequestWithContext(d.t.Context(), method, "http://"+d.Address()+path, strings.NewReader(body))
	if err != nil {
		d.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+testToken)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		d.t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode/100 != 2 {
		d.t.Fatalf("%s %s: %d %s %v", method, path, resp.StatusCode, raw, err)
	}
	return raw
}

// downloads are those that the daemon has.
func (d *daemon) downloads() []fakedaemon.Download {
	d.t.Helper()
	var out struct{ Downloads []fakedaemon.Download }
	if err := json.Unmarshal(d.request(http.MethodGet, "/api/downloads", ""), &out); err != nil {
		d.t.Fatal(err)
	}
	return out.Downloads
}

func newDriver(t testing.TB, d *daemon) *Driver {
	t.Helper()
	dr, err := New().Configure(t.Context(), downloader.Config{
		DownloaderID: "d1", Settings: d.settings(), StateDir: t.TempDir(), MaxActive: 10, Logger: hclog.NewNullLogger(),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = dr.(*Driver).Close(context.Background()) })
	return dr.(*Driver)
}

// web serves content at any path, but /status/404 and the like.
func web(t testing.TB, content []byte) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/404" {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("ETag", `"1"`)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // it never fails
	return b
}

func job(id, uri, dir string) downloader.AddRequest {
	return downloader.AddRequest{JobID: id, Dir: dir, Source: downloader.Source{Kind: downloader.SourceHTTP, URI: uri}}
}

func add(t testing.TB, d *Driver, req downloader.AddRequest) downloader.Ref {
	t.Helper()
	ref, err := d.Add(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

func check(t testing.TB, d *Driver, ref downloader.Ref) downloader.Status {
	t.Helper()
	s, err := d.Check(t.Context(), []downloader.Ref{ref})
	if err != nil || len(s) != 1 {
		t.Fatalf("%v, %v", s, err)
	}
	return s[0]
}

// waitFor looks until the job's status is as wanted.
func waitFor(t testing.TB, d *Driver, ref downloader.Ref, wanted func(downloader.Status) bool) downloader.Status {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); ; <-tick.C {
		s := check(t, d, ref)
		if wanted(s) {
			return s
		}
		if time.Now().After(deadline) {
			t.Fatalf("in vain: %+v", s)
		}
	}
}

func in(p downloader.Phase) func(downloader.Status) bool {
	return func(s downloader.Status) bool { return s.Phase == p }
}
