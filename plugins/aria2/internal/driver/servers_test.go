package driver

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/haul-dl/haul/sdk/errs"
)

// quiet drops what a server says of clients that hang up.
func quiet() *log.Logger { return log.New(io.Discard, "", 0) }

func startTLSWeb(t *testing.T) string {
	t.Helper()
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.Config.ErrorLog = quiet()
	s.StartTLS()
	t.Cleanup(s.Close)
	return s.URL
}

// countingProxy stands in front of aria2, lets no WebSocket through, and counts
// requests and what they call.
type countingProxy struct {
	*httptest.Server
	secret string
	count  atomic.Int64

	mu     sync.Mutex // guards bodies
	bodies []string
}

func startCountingProxy(t testing.TB, a *aria2) *countingProxy {
	t.Helper()
	to := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: a.host()})
	p := &countingProxy{secret: a.Secret}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "" {
			http.Error(w, "no upgrades here", http.StatusBadRequest)
			return
		}
		p.count.Add(1)
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		p.mu.Lock()
		p.bodies = append(p.bodies, string(body))
		p.mu.Unlock()
		r.Body = io.NopCloser(bytes.NewReader(body))
		to.ServeHTTP(w, r)
	}))
	t.Cleanup(p.Close)
	return p
}

func (p *countingProxy) settings() string {
	return fmt.Sprintf(`{"address":%q,"secret":%q}`, p.URL, p.secret)
}

// calls returns how often a method was called so far.
func (p *countingProxy) calls(method string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Count(strings.Join(p.bodies, ""), strconv.Quote(method))
}

// metalink lists files of 1000 bytes with their true checksums.
func metalink(w *web, names ...string) []byte {
	var b strings.Builder
	b.WriteString(`<?xml version="1.0"?><metalink xmlns="urn:ietf:params:xml:ns:metalink">`)
	for _, n := range names {
		fmt.Fprintf(&b, `<file name="%s"><size>1000</size><hash type="sha-256">%s</hash><url>%s/file/1000/x</url></file>`, n, sum(content(1000)), w.URL)
	}
	b.WriteString(`</metalink>`)
	return []byte(b.String())
}

func fieldsOf(err error) []errs.Field {
	if e, ok := errors.AsType[*errs.Error](err); ok {
		return e.Fields
	}
	return nil
}
