package driver

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/haul-dl/haul/internal/lab"
	"github.com/haul-dl/haul/plugins/qbittorrent/internal/qbittorrentrpc"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

const patience = 40 * time.Second

// bench is a real qBittorrent with something to load.
type bench struct {
	t     testing.TB
	q     *lab.QBittorrent
	swarm *lab.Swarm
	n     int // jobs so far
}

func newBench(t testing.TB, opts ...lab.SwarmOption) *bench {
	t.Helper()
	return &bench{t: t, q: lab.StartQBittorrent(t, lab.QBittorrentOptions{}), swarm: lab.StartSwarm(t, opts...)}
}

func settingsJSON(address, username, password string) string {
	return fmt.Sprintf(`{"address":%q,"username":%q,"password":%q}`, address, username, password)
}

func (b *bench) settings() string { return settingsJSON(b.q.Address, b.q.Username, b.q.Password) }

func (b *bench) driver() *Driver {
	b.t.Helper()
	return newDriver(b.t, b.settings())
}

func newDriver(t testing.TB, settings string) *Driver {
	t.Helper()
	return newDriverAt(t, settings, time.Now)
}

func newDriverAt(t testing.TB, raw string, now func() time.Time) *Driver {
	t.Helper()
	logger := hclog.NewNullLogger()
	if os.Getenv("HAUL_TEST_LOG") != "" {
		logger = hclog.New(&hclog.LoggerOptions{Level: hclog.Debug})
	}
	s, err := parseSettings([]byte(raw))
	if err != nil {
		t.Fatal(err)
	}
	d, err := open(downloader.Config{DownloaderID: "dl-1", MaxActive: 50, Logger: logger}, s, now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close(context.Background()) })
	return d
}

// beside is a client of its own, for what people do at the daemon.
func (b *bench) beside() *qbittorrentrpc.Client {
	b.t.Helper()
	return b.driver().client
}

// request is one for a torrent of the swarm, into a directory of its own.
func (b *bench) request(name string, magnet bool) downloader.AddRequest {
	b.t.Helper()
	b.n++
	id := fmt.Sprintf("job %d, of: %s", b.n, name) // anything that is an id to the host
	dir := filepath.Join(b.q.Dir, fmt.Sprintf("%d-%s", b.n, name))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		b.t.Fatal(err)
	}
	torrent := b.swarm.Torrent(name)
	source := downloader.Source{Kind: downloader.SourceTorrent, Content: torrent.Bytes}
	if magnet {
		source = downloader.Source{Kind: downloader.SourceMagnet, URI: torrent.Magnet}
	}
	return downloader.AddRequest{JobID: id, Dir: dir, Source: source}
}

func add(t testing.TB, d *Driver, req downloader.AddRequest) downloader.Ref {
	t.Helper()
	ref, err := d.Add(t.Context(), req)
	if err != nil {
		t.Fatalf("add: %v", err)
	}
	return ref
}

func check(t testing.TB, d *Driver, ref downloader.Ref) downloader.Status {
	t.Helper()
	got, err := d.Check(t.Context(), []downloader.Ref{ref})
	if err != nil || len(got) != 1 {
		t.Fatalf("check: %v, %v", got, err)
	}
	return got[0]
}

// await checks a job until ok, and fails where it fails before.
func await(t testing.TB, d *Driver, ref downloader.Ref, what string, ok func(downloader.Status) bool) downloader.Status {
	t.Helper()
	var last downloader.Status
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		if last = check(t, d, ref); ok(last) {
			return last
		}
		time.Sleep(20 * time.Millisecond) // between two looks
	}
	t.Fatalf("not in time: %s; the job is %s (%v), %d of %d bytes", what, last.Phase, last.Err, last.DoneBytes, last.TotalBytes)
	return last
}

func awaitPhase(t testing.TB, d *Driver, ref downloader.Ref, want downloader.Phase) downloader.Status {
	t.Helper()
	return await(t, d, ref, string(want), func(s downloader.Status) bool { return s.Phase == want })
}

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		if ok() {
			return
		}
		time.Sleep(20 * time.Millisecond) // between two looks
	}
	t.Fatalf("not in time: %s", what)
}

func wantCode(t testing.TB, err error, want errs.Code) {
	t.Helper()
	if !errs.Is(err, want) {
		t.Errorf("got %v (%s), want %s", err, errs.CodeOf(err), want)
	}
}

// raw returns the daemon's own view of a job.
func raw(t testing.TB, d *Driver, ref downloader.Ref) *qbittorrentrpc.Torrent {
	t.Helper()
	h, _ := readHandle(ref)
	found, err := d.find(t.Context(), h)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// sameFiles checks that a complete job reports exactly what is on the disk, and
// that the wanted files are those of the torrent.
func sameFiles(t testing.TB, s downloader.Status, dir string, torrent lab.Torrent, wanted ...int) {
	t.Helper()
	if len(s.Files) != len(torrent.Files) {
		t.Fatalf("%d files are reported, the torrent has %d", len(s.Files), len(torrent.Files))
	}
	for i, f := range s.Files {
		if f.Index != i || f.Size != torrent.Files[i].Size {
			t.Errorf("file %d is reported as %+v", i, f)
		}
		if want := len(wanted) > 0 && !slices.Contains(wanted, i); f.Skipped != want {
			t.Errorf("file %d: skipped is %v", i, f.Skipped)
		}
		if f.Skipped {
			continue
		}
		b, err := os.ReadFile(filepath.Join(dir, f.Path))
		if err != nil {
			t.Errorf("file %d: %v", i, err)
			continue
		}
		sum := sha256.Sum256(b)
		if hex.EncodeToString(sum[:]) != torrent.Files[i].SHA256 {
			t.Errorf("%s has other bytes", f.Path)
		}
	}
}

// proxy stands between driver and daemon, and counts.
type proxy struct {
	*httptest.Server
	mu       sync.Mutex // guards what is below
	requests map[string]int
	peers    map[string]bool // addresses of connections
}

// startProxy forwards what is below prefix.
func startProxy(t testing.TB, address, prefix string, start func(*httptest.Server)) *proxy {
	t.Helper()
	target, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{requests: map[string]int{}, peers: map[string]bool{}}
	forward := http.StripPrefix(prefix, &httputil.ReverseProxy{
		Rewrite:  func(r *httputil.ProxyRequest) { r.SetURL(target) },
		ErrorLog: log.New(io.Discard, "", 0),
	})
	p.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		p.note(strings.TrimPrefix(r.URL.Path, prefix), r.RemoteAddr)
		forward.ServeHTTP(rw, r)
	}))
	p.Config.ErrorLog = log.New(io.Discard, "", 0)
	start(p.Server)
	t.Cleanup(p.Close)
	return p
}

func (p *proxy) note(path, peer string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.requests[path]++
	p.peers[peer] = true
}

// count returns how many requests there were, for a method or in all.
func (p *proxy) count(method string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for path, times := range p.requests {
		if method == "" || path == "/api/v2/"+method {
			n += times
		}
	}
	return n
}

func (p *proxy) connections() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.peers)
}
