package lab

import (
	"bytes"
	"context"
	"crypto/rand"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"path"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// SwarmOption changes what StartSwarm starts.
type SwarmOption func(*swarmOptions)

type swarmOptions struct {
	bigSize  int64
	slowRate int64
	interval time.Duration
	passive  bool
}

// BigSize sets the size of "big" in bytes; it is 8 MiB by default.
func BigSize(n int64) SwarmOption { return func(o *swarmOptions) { o.bigSize = n } }

// SlowRate sets the rate of "slow" and "slowmulti" in bytes per second for all
// peers together; it is 512 KiB/s by default.
func SlowRate(n int64) SwarmOption { return func(o *swarmOptions) { o.slowRate = n } }

// Interval sets how often the tracker wants to be asked; it is 5 s by default.
func Interval(d time.Duration) SwarmOption { return func(o *swarmOptions) { o.interval = d } }

// Passive makes the seeder wait to be dialled, as most peers do. Transmission
// never dials a loopback address, so it finds nobody then.
func Passive() SwarmOption { return func(o *swarmOptions) { o.passive = true } }

// Swarm is a tracker, a seeder and a web seed, in this process.
//
// Its torrents are made when they are first asked for:
//
//	small, big, multi, unicode, long, private   well behaved
//	slow, slowmulti                             32 MiB, 3 × 8 MiB at SlowRate
//	padded                                      three files and what aligns them, 17 MB at SlowRate
//	web, webmulti                               by web seed alone; their magnet links never resolve
//	many-0000 …                                 20 kB each, see Many
//	parts-0000 …                                four files each, 570 kB at SlowRate
//	dead, unknown, trackerless                  no peer; the last two only as links
//	metastall, stall, corrupt                   a peer without metadata, without data, with wrong data
//	toolong, evil-…                             hostile names: dotdot, name, root, abs, slash, dup, ctl
//	invalid, html                               not torrents at all
//
// The seeder dials a leecher as soon as that announces itself, so magnet links
// resolve at once. Transmission takes data only at its ten-second tick: give
// its tests 30 s.
type Swarm struct {
	// URL is that of the HTTP server: /announce, /torrents/NAME.torrent,
	// /data/NAME/INDEX (the bytes of a file) and /web/… (the web seed).
	URL string

	t      testing.TB
	opts   swarmOptions
	id     string // our peer id
	http   *httptest.Server
	seeder net.Listener
	ctx    context.Context // ends with the test
	wg     sync.WaitGroup  // of the seeder's goroutines

	mu       sync.Mutex         // guards what is below
	closing  bool               // no more goroutines
	torrents map[string]*seeded // by name
	byHash   map[string]*seeded
	leechers map[leecher]time.Time // last announce
	linked   map[leecher]bool      // dialled and still connected
	pace     map[string]time.Time  // by hash: when the next block of a slow torrent is due
	counts   map[string]*Counts    // by hash
}

// leecher is a client that loads a torrent.
type leecher struct {
	hash string
	port int
}

// Counts are what clients have done with one torrent so far.
type Counts struct {
	// Announces is how often the tracker was asked.
	Announces int
	// Dials is how often the seeder reached a client, Accepts the reverse.
	Dials, Accepts int
	// Metadata counts requests for parts of the info dictionary, Blocks those for data.
	Metadata, Blocks int
}

// StartSwarm starts a swarm. It ends with the test.
func StartSwarm(t testing.TB, opts ...SwarmOption) *Swarm {
	t.Helper()
	o := swarmOptions{bigSize: 8 << 20, slowRate: 512 << 10, interval: 5 * time.Second}
	for _, set := range opts {
		set(&o)
	}
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &Swarm{
		t: t, opts: o, id: "-HL0001-" + rand.Text()[:12], seeder: l, ctx: ctx,
		torrents: map[string]*seeded{}, byHash: map[string]*seeded{}, leechers: map[leecher]time.Time{},
		linked: map[leecher]bool{}, pace: map[string]time.Time{}, counts: map[string]*Counts{},
	}
	s.http = httptest.NewUnstartedServer(s.routes())
	s.http.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.http.Start()
	s.URL = s.http.URL
	s.wg.Go(s.accept)
	t.Cleanup(func() { s.close(cancel) })
	return s
}

func (s *Swarm) close(cancel context.CancelFunc) {
	s.mu.Lock()
	s.closing = true
	s.mu.Unlock()
	cancel()
	_ = s.seeder.Close()
	s.http.CloseClientConnections()
	s.http.Close()
	s.wg.Wait()
}

// start runs f, unless the swarm ends.
func (s *Swarm) start(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closing {
		s.wg.Go(f)
	}
}

// Torrent returns a torrent by its name, and makes it first if need be.
func (s *Swarm) Torrent(name string) Torrent {
	s.t.Helper()
	t := s.torrent(name)
	if t == nil {
		s.t.Fatalf("the swarm has no torrent %q", name)
	}
	return t.Torrent
}

// Counts returns what clients have done with a torrent so far.
func (s *Swarm) Counts(name string) Counts {
	s.t.Helper()
	hash := s.hash(name)
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.counts[hash]; c != nil {
		return *c
	}
	return Counts{}
}

func (s *Swarm) hash(name string) string {
	s.t.Helper()
	t := s.torrent(name)
	if t == nil {
		s.t.Fatalf("the swarm has no torrent %q", name)
	}
	return t.hash
}

// torrent returns nil for an unknown name.
func (s *Swarm) torrent(name string) *seeded {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.torrents[name]; t != nil {
		return t
	}
	sp, ok := lookUp(name, s.opts)
	if !ok {
		return nil
	}
	t := newSeeded(sp, s.URL)
	s.torrents[name] = t
	if t.hash != "" {
		s.byHash[t.hash] = t
	}
	return t
}

func (s *Swarm) count(hash string, change func(*Counts)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.counts[hash]
	if c == nil {
		c = &Counts{}
		s.counts[hash] = c
	}
	change(c)
}

func (s *Swarm) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/announce", s.announce)
	mux.HandleFunc("/torrents/{file}", s.serveTorrent)
	mux.HandleFunc("/data/{name}/{index}", s.serveData)
	mux.HandleFunc("/web/", s.serveWebSeed)
	mux.HandleFunc("/", servePage)
	return mux
}

func (s *Swarm) serveTorrent(rw http.ResponseWriter, r *http.Request) {
	t := s.torrent(strings.TrimSuffix(r.PathValue("file"), ".torrent"))
	if t == nil || t.Bytes == nil {
		http.NotFound(rw, r)
		return
	}
	rw.Header().Set("Content-Type", "application/x-bittorrent")
	http.ServeContent(rw, r, "", modified, bytes.NewReader(t.Bytes))
}

func (s *Swarm) serveData(rw http.ResponseWriter, r *http.Request) {
	t := s.torrent(r.PathValue("name"))
	i, err := strconv.Atoi(r.PathValue("index"))
	if t == nil || err != nil || i < 0 || i >= len(t.contents) {
		http.NotFound(rw, r)
		return
	}
	servePlain(rw, r, t.contents[i])
}

// serveWebSeed finds a file by its path inside a torrent.
func (s *Swarm) serveWebSeed(rw http.ResponseWriter, r *http.Request) {
	wanted := strings.TrimPrefix(r.URL.Path, "/web/")
	for _, name := range []string{"web", "webmulti"} {
		t := s.torrent(name)
		for i, f := range t.Files {
			if path.Join(t.Root, f.Path) == wanted {
				servePlain(rw, r, t.contents[i])
				return
			}
		}
	}
	http.NotFound(rw, r)
}
