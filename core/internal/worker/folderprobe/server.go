package folderprobe

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
)

const (
	headerTimeout = 5 * time.Second
	closeTimeout  = time.Second
	// requestsAtOnce and requestsInAll bound what a server does for whoever
	// knows its path; a downloader needs a handful.
	requestsAtOnce = 16
	requestsInAll  = 200
	maxHeader      = 8 << 10
)

// server serves a sample for the length of a probe, below a path that nobody
// can guess, on one address.
type server struct {
	url     string // of the folder, with a slash at its end
	address string // host:port, for people
	http    *http.Server
	done    sync.WaitGroup
	slots   chan struct{}
	left    atomic.Int32 // requests that are still answered

	requests atomic.Int32 // for files of the sample
	placed   atomic.Int32 // for the one that is in place
	loaded   atomic.Int32 // for the one that is not
}

// serve begins to serve at the address where the downloader reaches this
// machine, or on loopback.
func serve(ctx context.Context, localAddress string, s sample) (*server, error) {
	l, err := listen(ctx, localAddress)
	if err != nil {
		return nil, err
	}
	folder := "/" + rand.Text() + "/"
	w := &server{address: l.Addr().String(), slots: make(chan struct{}, requestsAtOnce)}
	w.url = "http://" + w.address + folder
	w.left.Store(requestsInAll)
	mux := http.NewServeMux()
	mux.Handle("GET "+folder+s.loaded.urlPath(), w.file(s.loaded, &w.loaded))
	if s.placed != nil {
		mux.Handle("GET "+folder+s.placed.urlPath(), w.file(s.placed, &w.placed))
		mux.Handle("GET "+folder+s.empty.urlPath(), w.file(s.empty, nil))
	}
	w.http = &http.Server{
		Handler: w.bounded(mux), ReadHeaderTimeout: headerTimeout, ReadTimeout: headerTimeout,
		WriteTimeout: Timeout, IdleTimeout: headerTimeout, MaxHeaderBytes: maxHeader,
		// Who hangs up is no news.
		ErrorLog: hclog.NewNullLogger().StandardLogger(&hclog.StandardLoggerOptions{}),
	}
	w.done.Go(func() { _ = w.http.Serve(l) }) // it ends by close
	return w, nil
}

// listen takes a free port. Where the downloader is on this machine, its own
// loopback is the only address that is surely not everybody's.
func listen(ctx context.Context, localAddress string) (net.Listener, error) {
	loopback := netip.AddrFrom4([4]byte{127, 0, 0, 1})
	ip, err := netip.ParseAddr(localAddress)
	if err != nil || ip.Zone() != "" || ip.IsUnspecified() {
		ip = loopback
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", netip.AddrPortFrom(ip.Unmap(), 0).String())
	if err != nil && ip != loopback {
		return lc.Listen(ctx, "tcp", netip.AddrPortFrom(loopback, 0).String())
	}
	return l, err
}

func (w *server) file(f *file, count *atomic.Int32) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.requests.Add(1)
		if count != nil {
			count.Add(1)
		}
		rw.Header().Set("Content-Type", "application/octet-stream")
		http.ServeContent(rw, r, "", time.Time{}, bytes.NewReader(f.content))
	})
}

// bounded answers only so many requests.
func (w *server) bounded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if w.left.Add(-1) < 0 {
			http.Error(rw, "enough", http.StatusTooManyRequests)
			return
		}
		select {
		case w.slots <- struct{}{}:
			defer func() { <-w.slots }()
			next.ServeHTTP(rw, r)
		case <-r.Context().Done():
		}
	})
}

// close ends the server, what it is answering included.
func (w *server) close() {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	if err := w.http.Shutdown(ctx); errors.Is(err, context.DeadlineExceeded) {
		_ = w.http.Close()
	}
	w.done.Wait()
}
