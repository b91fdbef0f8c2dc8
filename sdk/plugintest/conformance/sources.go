package conformance

import (
	"bytes"
	"context"
	"crypto/rand"
	"io"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
)

// sources is the web server that everything is loaded from: files, and the data
// of torrents. It listens on loopback.
//
//	/shelf/KEY/PATH  what a case has put there
//	/status/404      not found
//	/named           a file with a hostile name of the server's choice
//
// Any other path answers with an HTML page, as somebody else's server does.
type sources struct {
	url    string
	server *http.Server
	served sync.WaitGroup

	mu      sync.Mutex // guards shelves
	shelves map[string]*shelf
}

func newSources() (*sources, error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &sources{url: "http://" + l.Addr().String(), shelves: map[string]*shelf{}}
	mux := http.NewServeMux()
	mux.HandleFunc("/shelf/{key}/{path...}", s.serveShelf)
	mux.HandleFunc("/status/404", http.NotFound)
	mux.HandleFunc("/named/", serveNamed)
	mux.HandleFunc("/", servePage)
	s.server = &http.Server{
		Handler: mux, ReadHeaderTimeout: 10 * time.Second,
		ErrorLog: hclog.NewNullLogger().StandardLogger(nil), // those who hang up are no news here
	}
	s.served.Go(func() { _ = s.server.Serve(l) }) // always ends with the server's Close
	return s, nil
}

func (s *sources) close() {
	_ = s.server.Close()
	s.served.Wait()
}

// hostileName is what a server calls its file that wants it elsewhere.
const hostileName = "../../escaped.bin"

func serveNamed(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Disposition", `attachment; filename="`+hostileName+`"`)
	w.Header().Set("Content-Type", "application/octet-stream")
	_, _ = w.Write(make([]byte, 10_000))
}

func servePage(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = io.WriteString(w, "<!DOCTYPE html><html><head><title>Welcome</title></head><body>It works!</body></html>\n")
}

// shelf is where a case puts what its jobs load. It is slow at first if the case
// wants it to be.
type shelf struct {
	base  string // its URL, with a slash at the end
	files map[string][]byte

	opened  chan struct{}
	open    func()
	reading atomic.Int64 // answers under way
	sent    atomic.Int64 // bytes
}

// newShelf returns a shelf for files by their path, which is cleared away with the
// case. Until open is called it hands out only slowly.
func (c *C) newShelf(files map[string][]byte) *shelf {
	s, key := c.sources, strings.ToLower(rand.Text()[:12])
	h := &shelf{base: s.url + "/shelf/" + key + "/", files: files, opened: make(chan struct{})}
	h.open = sync.OnceFunc(func() { close(h.opened) })
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shelves[key] = h
	c.onCleanup(func(context.Context) {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.shelves, key)
	})
	return h
}

func (s *sources) serveShelf(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	h := s.shelves[r.PathValue("key")]
	s.mu.Unlock()
	if h == nil {
		http.NotFound(w, r)
		return
	}
	data, ok := h.files[r.PathValue("path")]
	if !ok {
		http.NotFound(w, r)
		return
	}
	h.reading.Add(1)
	defer h.reading.Add(-1)
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("ETag", `"1"`)
	http.ServeContent(w, r, "", time.Time{}, &slowReader{ReadSeeker: bytes.NewReader(data), ctx: r.Context(), shelf: h})
}

// slowRate is what a closed shelf hands out, in bytes per second and connection.
const (
	slowRate = 32 << 10
	slowTick = 100 * time.Millisecond
)

// slowReader reads at slowRate until its shelf is opened.
type slowReader struct {
	io.ReadSeeker
	ctx   context.Context
	shelf *shelf
}

// Read implements io.Reader.
func (r *slowReader) Read(b []byte) (int, error) {
	select {
	case <-r.shelf.opened:
	default:
		b = b[:min(len(b), slowRate*int(slowTick)/int(time.Second))]
		timer := time.NewTimer(slowTick)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-r.shelf.opened:
		case <-r.ctx.Done():
			return 0, r.ctx.Err()
		}
	}
	n, err := r.ReadSeeker.Read(b)
	r.shelf.sent.Add(int64(n))
	return n, err
}

// randomBytes returns bytes that are no other file's.
func randomBytes(n int) []byte {
	var seed [32]byte
	_, _ = rand.Read(seed[:]) // never fails
	b := make([]byte, n)
	_, _ = mathrand.NewChaCha8(seed).Read(b) // nor does this
	return b
}
