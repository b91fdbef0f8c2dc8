package lab

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// DataSize is the size of every file below /data: no multiple of anything.
const DataSize = 300_007

// modified is the Last-Modified of all files.
var modified = time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC)

// Web is a web server on loopback.
//
//	/data/NAME             DataSize bytes that depend on NAME; any name will do
//	/bytes/SIZE/NAME       SIZE bytes that depend on NAME
//	/slow/RATE/SIZE[/NAME] SIZE bytes at RATE bytes per second, the same for every NAME
//	/paced/RATE/SIZE/NAME  SIZE bytes that depend on NAME, at RATE bytes per second
//	/nolength/SIZE[/NAME]  the same bytes, without Content-Length and ranges
//	/cut/SIZE/NAME         says SIZE bytes and hangs up after half of them
//	/named?n=NAME          DataSize bytes under a name of the server's choice
//	/status/NNN[/…]        that status
//	/hang                  takes the request and says nothing
//	/redirect?to=URL       302
//	/gate/NAME             see Gate
//
// Files have ranges, unless said otherwise. Any other path, whatever the
// method, answers with an HTML page: the wrong server.
type Web struct {
	// URL is where it listens, without a slash at the end.
	URL string

	t      testing.TB
	server *httptest.Server

	mu       sync.Mutex // guards what is below
	requests map[string]int
	sent     map[string]int64
	gates    map[string]*Gate
}

// StartWeb starts a web server. It ends with the test.
func StartWeb(t testing.TB) *Web {
	t.Helper()
	w := newWeb(t)
	w.server.Start()
	w.URL = w.server.URL
	return w
}

// StartTLSWeb starts the same server behind TLS, with a certificate that
// nobody trusts. It ends with the test.
func StartTLSWeb(t testing.TB) *Web {
	t.Helper()
	w := newWeb(t)
	w.server.StartTLS()
	w.URL = w.server.URL
	return w
}

func newWeb(t testing.TB) *Web {
	w := &Web{t: t, requests: map[string]int{}, sent: map[string]int64{}, gates: map[string]*Gate{}}
	w.server = httptest.NewUnstartedServer(w.count(w.routes()))
	w.server.Config.ErrorLog = log.New(io.Discard, "", 0) // clients that hang up are no news here
	t.Cleanup(w.close)
	return w
}

func (w *Web) close() {
	w.server.CloseClientConnections() // ends what hangs
	w.server.Close()
}

func (w *Web) count(next http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		w.requests[r.URL.Path]++
		w.mu.Unlock()
		next.ServeHTTP(&counted{rw, func(n int) { w.countSent(r.URL.Path, n) }}, r)
	})
}

// Requests returns how many requests a path has had, of any method.
func (w *Web) Requests(path string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.requests[path]
}

func (w *Web) countSent(path string, n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sent[path] += int64(n)
}

// Sent returns how many bytes of bodies went out for a path.
func (w *Web) Sent(path string) int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.sent[path]
}

// counted tells how much is written.
type counted struct {
	http.ResponseWriter
	count func(n int)
}

// Write implements http.ResponseWriter. It counts before anybody can have read it,
// and takes back what did not go.
func (c *counted) Write(b []byte) (int, error) {
	c.count(len(b))
	n, err := c.ResponseWriter.Write(b)
	c.count(n - len(b))
	return n, err
}

// Unwrap is for http.ResponseController.
func (c *counted) Unwrap() http.ResponseWriter { return c.ResponseWriter }

// SHA256 returns the hex digest of what a path has: one below /data, /bytes,
// /paced, /slow, /nolength or /gate.
func (w *Web) SHA256(path string) string {
	w.t.Helper()
	p, ok := w.content(path)
	if !ok {
		w.t.Fatalf("the web server has no file at %s", path)
	}
	return p.sha256()
}

// SlowSHA256 returns the hex digest of any file of this size below /slow.
func SlowSHA256(size int64) string { return slowPayload(size).sha256() }

func slowPayload(size int64) payload { return newPayload("slow", size) }

// content returns the file at a path, if there is one.
func (w *Web) content(path string) (payload, bool) {
	part := strings.Split(strings.TrimPrefix(path, "/"), "/")
	arg := func(i int) string {
		if i < len(part) {
			return part[i]
		}
		return ""
	}
	number := func(i int) int64 {
		n, err := strconv.ParseInt(arg(i), 10, 64)
		if err != nil {
			return -1
		}
		return n
	}
	var p payload
	switch part[0] {
	case "data":
		p = newPayload(path, DataSize)
	case "bytes", "cut":
		p = newPayload(path, number(1))
	case "paced":
		p = newPayload(path, number(2))
	case "slow":
		p = slowPayload(number(2))
	case "nolength":
		p = slowPayload(number(1))
	case "gate":
		g := w.gate(arg(1))
		if g == nil {
			return payload{}, false
		}
		p = g.content
	default:
		return payload{}, false
	}
	return p, p.size >= 0
}
