package daemonhttp

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/haul-dl/haul/sdk/errs"
)

func newClient(t testing.TB, address, ca string) *Client {
	t.Helper()
	u, err := aria2().ParseAddress(address)
	if err != nil {
		t.Fatal(err)
	}
	c, err := New(Options{Daemon: aria2(), URL: u, CACertificate: ca})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func get(t testing.TB, c *Client) (*Response, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.URL("").String(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return c.Do(ctx, req)
}

func serve(t testing.TB, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

func serveTLS(t testing.TB, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

func caOf(s *httptest.Server) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}))
}

func hello(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }

func TestCertificateIsTrustedByItsAuthorityAlone(t *testing.T) {
	s, other := serveTLS(t, hello), serveTLS(t, hello)
	if _, err := get(t, newClient(t, s.URL, "")); !errs.Is(err, errs.DownloaderTLS) || !strings.Contains(errs.MessageOf(err), "unknown authority") {
		t.Errorf("without its authority: %v", err)
	}
	resp, err := get(t, newClient(t, s.URL, caOf(s)))
	if err != nil || string(resp.Body) != "hello" {
		t.Errorf("with its authority: %v, %v", resp, err)
	}
	// The name in the certificate counts as well.
	byName := strings.Replace(other.URL, "127.0.0.1", "localhost", 1)
	if _, err := get(t, newClient(t, byName, caOf(other))); !errs.Is(err, errs.DownloaderTLS) || !strings.Contains(errs.MessageOf(err), "localhost") {
		t.Errorf("by another name: %v", err)
	}
}

func TestCACertificateThatIsNoneIsRefused(t *testing.T) {
	for _, ca := range []string{"x", " ", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"} {
		u, err := aria2().ParseAddress("https://nas")
		if err != nil {
			t.Fatal(err)
		}
		_, err = New(Options{Daemon: aria2(), URL: u, CACertificate: ca})
		e, ok := errors.AsType[*errs.Error](err)
		if !ok || e.Code != errs.InvalidSettings || len(e.Fields) != 1 || e.Fields[0].Name != "ca_certificate" {
			t.Errorf("%q: %v", ca, err)
		}
	}
}

func TestConnectionsAreKept(t *testing.T) {
	var opened atomic.Int32
	s := httptest.NewUnstartedServer(http.HandlerFunc(hello))
	s.Config.ConnState = func(_ net.Conn, st http.ConnState) {
		if st == http.StateNew {
			opened.Add(1)
		}
	}
	s.Start()
	t.Cleanup(s.Close)
	c := newClient(t, s.URL, "")
	if c.LocalAddress() != "" {
		t.Errorf("before the first connection its address is %s", c.LocalAddress())
	}
	for range 200 {
		if _, err := get(t, c); err != nil {
			t.Fatal(err)
		}
	}
	if n := opened.Load(); n != 1 {
		t.Errorf("200 requests made %d connections", n)
	}
	if c.LocalAddress() != "127.0.0.1" {
		t.Errorf("its address is %q", c.LocalAddress())
	}
}

func TestIPv6AndSubPath(t *testing.T) {
	l, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		t.Skip("this machine has no IPv6")
	}
	s := &httptest.Server{Listener: l, Config: &http.Server{
		ReadHeaderTimeout: time.Minute,
		Handler:           http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.URL.Path) }),
	}}
	s.Start()
	t.Cleanup(s.Close)
	c := newClient(t, l.Addr().String()+"/sub/rpc/", "")
	resp, err := get(t, c)
	if err != nil || string(resp.Body) != "/sub/rpc" || c.LocalAddress() != "::1" {
		t.Errorf("%v, %v from %s", resp, err, c.LocalAddress())
	}
	if got := c.URL("/more").Path; got != "/sub/rpc/more" {
		t.Errorf("behind it is %s", got)
	}
}

func TestAnswerWithoutEndIsCutOff(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		for block := make([]byte, 1<<20); ; {
			if _, err := w.Write(block); err != nil {
				return
			}
		}
	})
	c := newClient(t, s.URL, "")
	c.most = 3 << 20
	if _, err := get(t, c); err == nil || !strings.Contains(fmt.Sprint(errors.Unwrap(err)), "more than") {
		t.Errorf("got %v", err)
	}
}
