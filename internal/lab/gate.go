package lab

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

const gateTimeout = 30 * time.Second

// Gate is a file whose last byte is only sent when the test says so.
type Gate struct {
	// URL is that of the file.
	URL string
	// SHA256 is the hex digest of the whole file.
	SHA256 string

	web     *Web
	content payload
	open    chan struct{} // closed by Release
	reached chan struct{} // closed when all but the last byte is sent
	sent    chan struct{} // closed when the last byte is sent
	lastAt  time.Time     // when that was; to be read after sent

	reachedOnce, sentOnce sync.Once
}

// Gate makes a file below /gate; each name is taken once.
func (w *Web) Gate(name string, size int64) *Gate {
	w.t.Helper()
	g := &Gate{
		URL:  w.URL + "/gate/" + name,
		web:  w,
		open: make(chan struct{}), reached: make(chan struct{}), sent: make(chan struct{}),
		content: newPayload("/gate/"+name, size),
	}
	g.SHA256 = g.content.sha256()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.gates[name] != nil || size < 1 || strings.Contains(name, "/") {
		w.t.Fatalf("gate %q: taken, empty, or not a name", name)
	}
	w.gates[name] = g
	return g
}

func (w *Web) gate(name string) *Gate {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.gates[name]
}

// Wait waits until a client has been sent all but the last byte.
func (g *Gate) Wait() {
	g.web.t.Helper()
	g.await(g.reached, "asked for")
}

// Release lets the last byte go, once, and returns when it was sent.
func (g *Gate) Release() time.Time {
	g.web.t.Helper()
	close(g.open)
	g.await(g.sent, "fetched to its end")
	return g.lastAt
}

func (g *Gate) await(c <-chan struct{}, what string) {
	g.web.t.Helper()
	select {
	case <-c:
	case <-time.After(gateTimeout):
		g.web.t.Fatalf("%s was not %s within %s", g.URL, what, gateTimeout)
	}
}

func (w *Web) serveGate(rw http.ResponseWriter, r *http.Request) {
	g := w.gate(strings.TrimPrefix(r.URL.Path, "/gate/"))
	if g == nil {
		http.NotFound(rw, r)
		return
	}
	rw.Header().Set("Content-Type", "application/octet-stream")
	rw.Header().Set("Content-Length", strconv.FormatInt(g.content.size, 10))
	out := &flushing{rw}
	most := g.content.size - 1
	if _, err := io.Copy(out, io.NewSectionReader(g.content, 0, most)); err != nil {
		return
	}
	g.reachedOnce.Do(func() { close(g.reached) })
	select {
	case <-g.open:
	case <-r.Context().Done():
		return
	}
	now := time.Now()
	if _, err := io.Copy(out, io.NewSectionReader(g.content, most, 1)); err != nil {
		return
	}
	g.sentOnce.Do(func() {
		g.lastAt = now
		close(g.sent)
	})
}
