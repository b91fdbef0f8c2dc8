package driver

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
)

func startTLSWeb(t *testing.T) string {
	t.Helper()
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.Config.ErrorLog = nil
	s.StartTLS()
	t.Cleanup(s.Close)
	return s.URL
}

// countingProxy stands in front of aria2, lets no WebSocket through, and counts
// requests.
type countingProxy struct {
	*httptest.Server
	count atomic.Int64
}

func startCountingProxy(t *testing.T, a *aria2) *countingProxy {
	t.Helper()
	to := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: a.host()})
	p := &countingProxy{}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "" {
			http.Error(w, "no upgrades here", http.StatusBadRequest)
			return
		}
		p.count.Add(1)
		to.ServeHTTP(w, r)
	}))
	t.Cleanup(p.Close)
	return p
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
