package driver

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/haul-dl/haul/internal/lab"
	"github.com/haul-dl/haul/plugins/aria2/internal/aria2rpc"
	"github.com/haul-dl/haul/sdk/downloader"
)

const patience = 20 * time.Second

// aria2 is a real daemon.
type aria2 struct {
	*lab.Aria2
	t testing.TB
}

// startAria2 starts a daemon with aria2's own bound on requests.
func startAria2(t testing.TB, opts ...string) *aria2 {
	t.Helper()
	args := []string{"--rpc-max-request-size=2M"}
	for _, o := range opts {
		args = append(args, "--"+o)
	}
	a := &aria2{lab.StartAria2(t, lab.Aria2Options{Args: args}), t}
	t.Cleanup(a.kill) // an orderly end may take seconds
	return a
}

func (a *aria2) host() string {
	return strings.TrimSuffix(strings.TrimPrefix(a.Address, "http://"), "/jsonrpc")
}

// kill is kill -9.
func (a *aria2) kill() { a.Kill9() }

func (a *aria2) restart() {
	a.t.Helper()
	a.kill()
	a.Restart()
}

func (a *aria2) settings() string {
	return fmt.Sprintf(`{"address":%q,"secret":%q}`, a.host(), a.Secret)
}

// call asks the daemon beside the driver.
func (a *aria2) call(method string, to any, params ...any) {
	a.t.Helper()
	if err := a.try(method, to, params...); err != nil {
		a.t.Fatal(err)
	}
}

func (a *aria2) try(method string, to any, params ...any) error {
	a.t.Helper()
	ep, err := settings{Address: a.host(), Secret: a.Secret}.endpoint()
	if err != nil {
		a.t.Fatal(err)
	}
	defer ep.HTTP.Close()
	c := aria2rpc.New(aria2rpc.Options{
		Endpoint: func(context.Context) (aria2rpc.Endpoint, error) { return ep, nil },
		Logger:   nullLogger(),
	})
	defer c.Close()
	res, err := c.Do(a.t.Context(), aria2rpc.NewCall(method, params...))
	if err != nil {
		a.t.Fatal(err)
	}
	if to == nil {
		return res[0].Err
	}
	return res[0].Decode(to)
}

func nullLogger() hclog.Logger { return hclog.NewNullLogger() }

func newDriver(t testing.TB, settings string) *Driver {
	t.Helper()
	return newDriverIn(t, settings, t.TempDir())
}

func newDriverIn(t testing.TB, settings, stateDir string) *Driver {
	t.Helper()
	logger := nullLogger()
	if testing.Verbose() && os.Getenv("HAUL_TEST_LOG") != "" {
		logger = hclog.New(&hclog.LoggerOptions{Level: hclog.Debug})
	}
	drv, err := New().Configure(context.Background(), downloader.Config{
		DownloaderID: "dl-1", Settings: []byte(settings), StateDir: stateDir, MaxActive: 50, Logger: logger,
	})
	if err != nil {
		t.Fatal(err)
	}
	d := drv.(*Driver)
	t.Cleanup(func() { _ = d.Close(context.Background()) })
	return d
}

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		if ok() {
			return
		}
		time.Sleep(5 * time.Millisecond) // between two looks, not in place of one
	}
	t.Fatalf("not in time: %s", what)
}

// await checks a job until it is in the phase.
func await(t testing.TB, d *Driver, ref downloader.Ref, want downloader.Phase) downloader.Status {
	t.Helper()
	var last downloader.Status
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		got, err := d.Check(t.Context(), []downloader.Ref{ref})
		if err == nil && len(got) == 1 {
			if last = got[0]; last.Phase == want {
				return last
			}
			if last.Phase == downloader.PhaseFailed {
				break
			}
		}
		time.Sleep(10 * time.Millisecond) // between two looks
	}
	t.Fatalf("job is %s (%v), want %s", last.Phase, last.Err, want)
	return last
}

func add(t testing.TB, d *Driver, id, dir string, s downloader.Source) downloader.Ref {
	t.Helper()
	ref, err := d.Add(t.Context(), downloader.AddRequest{JobID: id, Source: s, Dir: dir})
	if err != nil {
		t.Fatalf("add: %v", err)
	}
	return ref
}

func httpSource(uri string) downloader.Source {
	return downloader.Source{Kind: downloader.SourceHTTP, URI: uri}
}

// web serves files of pseudo-random bytes and counts what it serves.
type web struct {
	*httptest.Server
	mu    sync.Mutex
	bytes map[string]int64
	gets  map[string]int
	// rate limits each answer, in bytes per second; 0 is unlimited.
	rate int
	// release, where set, holds back answers to /held/.
	release chan struct{}
}

func startWeb(t testing.TB) *web {
	t.Helper()
	w := &web{bytes: map[string]int64{}, gets: map[string]int{}, release: make(chan struct{})}
	w.Server = httptest.NewServer(w)
	t.Cleanup(w.Close)
	t.Cleanup(w.CloseClientConnections)
	return w
}

// content is what /file/SIZE/… is.
func content(size int) []byte {
	b := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{byte(size), byte(size >> 8), byte(size >> 16)}).Read(b)
	return b
}

func (w *web) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	w.gets[r.URL.Path]++
	rate := w.rate
	w.mu.Unlock()
	f := strings.Split(r.URL.Path, "/")
	if len(f) < 3 {
		http.NotFound(rw, r)
		return
	}
	switch f[1] {
	case "status":
		code, _ := strconv.Atoi(f[2])
		rw.WriteHeader(code)
		return
	case "loop":
		http.Redirect(rw, r, r.URL.Path, http.StatusFound)
		return
	case "held":
		select {
		case <-w.release:
		case <-r.Context().Done():
			return
		}
	}
	size, err := strconv.Atoi(f[2])
	if err != nil {
		http.NotFound(rw, r)
		return
	}
	counted := &countingWriter{ResponseWriter: rw, w: w, path: r.URL.Path, rate: rate, ctx: r.Context()}
	http.ServeContent(counted, r, "", time.Unix(1e9, 0), bytes.NewReader(content(size)))
}

func (w *web) served(path string) (int64, int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.bytes[path], w.gets[path]
}

type countingWriter struct {
	http.ResponseWriter
	w    *web
	path string
	rate int
	ctx  context.Context
}

func (c *countingWriter) Write(b []byte) (int, error) {
	const slice = 8 << 10
	done := 0
	for len(b) > 0 {
		n := len(b)
		if c.rate > 0 {
			n = min(n, slice)
		}
		k, err := c.ResponseWriter.Write(b[:n])
		done += k
		c.w.mu.Lock()
		c.w.bytes[c.path] += int64(k)
		rate := c.w.rate
		c.w.mu.Unlock()
		if err != nil {
			return done, err
		}
		b = b[n:]
		if rate > 0 {
			_ = http.NewResponseController(c.ResponseWriter).Flush()
			select {
			case <-time.After(time.Duration(float64(n) / float64(rate) * float64(time.Second))):
			case <-c.ctx.Done():
				return done, c.ctx.Err()
			}
		}
	}
	return done, nil
}

func sum(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}

func sameFile(t testing.TB, dir, name string, want []byte) {
	t.Helper()
	got, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	if sum(got) != sum(want) {
		t.Fatalf("%s has %d bytes with another hash than the %d bytes served", name, len(got), len(want))
	}
}

func toJSON(t testing.TB, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
