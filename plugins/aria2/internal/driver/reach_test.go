package driver

import (
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

// startReverseProxy puts aria2 below a path, WebSocket and all.
func startReverseProxy(t testing.TB, a *aria2, path string, withTLS bool) *httptest.Server {
	t.Helper()
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(&url.URL{Scheme: "http", Host: a.host()})
		r.Out.URL.Path = strings.TrimPrefix(r.In.URL.Path, path)
	}}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, path+"/") {
			proxy.ServeHTTP(w, r)
			return
		}
		http.Redirect(w, r, path+"/jsonrpc", http.StatusMovedPermanently)
	}))
	s.Config.ErrorLog = quiet()
	if withTLS {
		s.StartTLS()
	} else {
		s.Start()
	}
	t.Cleanup(s.Close)
	t.Cleanup(s.CloseClientConnections)
	return s
}

func caOf(s *httptest.Server) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}))
}

// worksThrough loads a file and hears of its end by the WebSocket.
func worksThrough(t *testing.T, d *Driver, jobID string) {
	t.Helper()
	w := startWeb(t)
	r, err := d.Test(t.Context())
	if err != nil || !r.OK() || net.ParseIP(r.LocalAddress) == nil {
		t.Fatalf("test: %+v, %v", r, err)
	}
	pushed := watch(t, d)
	ref := add(t, d, strings.ReplaceAll(jobID, "/", ""), t.TempDir(), httpSource(w.URL+"/held/10/a"))
	await(t, d, ref, downloader.PhaseDownloading)
	close(w.release)
	for s := range pushed {
		if s.Phase == downloader.PhaseComplete {
			return
		}
	}
	t.Error("the end was never pushed")
}

func TestAria2IsReachedBehindProxiesAndAtOddAddresses(t *testing.T) {
	t.Parallel()
	a := startAria2(t)
	plain := startReverseProxy(t, a, "/a b/aria2", false)
	secure := startReverseProxy(t, a, "/sub", true)
	for name, s := range map[string]map[string]string{
		"a sub-path with a blank":            {"address": plain.URL + "/a b/aria2/jsonrpc"},
		"a sub-path with slashes at its end": {"address": plain.URL + "/a%20b/aria2/jsonrpc//"},
		"ws://":                              {"address": strings.Replace(plain.URL, "http", "ws", 1) + "/a b/aria2/jsonrpc"},
		"TLS with the CA given":              {"address": secure.URL + "/sub/jsonrpc", "ca_certificate": caOf(secure)},
		"wss:// with the CA given":           {"address": strings.Replace(secure.URL, "https", "wss", 1) + "/sub/jsonrpc", "ca_certificate": caOf(secure)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s["secret"] = a.Secret
			d := newDriver(t, toJSON(t, s))
			worksThrough(t, d, name)
		})
	}
}

func TestAria2IsReachedOverIPv6(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		t.Skip("this machine has no IPv6")
	}
	_ = l.Close()
	a := startAria2(t)
	proxy := startReverseProxyAt(t, a, "[::1]:0")
	worksThrough(t, newDriver(t, toJSON(t, map[string]string{"address": proxy, "secret": a.Secret})), "job-1")
}

func startReverseProxyAt(t *testing.T, a *aria2, address string) string {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: a.host()}))
	_ = s.Listener.Close()
	s.Listener = l
	s.Start()
	t.Cleanup(s.Close)
	t.Cleanup(s.CloseClientConnections)
	return l.Addr().String()
}

func TestUntrustedCertificatesAndRedirectsAreNeverFollowed(t *testing.T) {
	t.Parallel()
	a := startAria2(t)
	secure := startReverseProxy(t, a, "/sub", true)
	other := startTLSWeb(t)
	cases := []struct {
		name     string
		settings map[string]string
		want     errs.Code
		says     string
	}{
		{"no CA", map[string]string{"address": secure.URL + "/sub/jsonrpc"}, errs.DownloaderTLS, "unknown authority"},
		{"another host name", map[string]string{"address": strings.Replace(secure.URL, "127.0.0.1", "localhost", 1) + "/sub/jsonrpc", "ca_certificate": caOf(secure)}, errs.DownloaderTLS, "localhost"},
		{"a redirect", map[string]string{"address": secure.URL, "ca_certificate": caOf(secure)}, errs.NotADownloader, "301"},
		{"plain HTTP to a TLS server", map[string]string{"address": strings.Replace(other, "https", "http", 1)}, errs.NotADownloader, "TLS"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			c.settings["secret"] = a.Secret
			r, err := newDriver(t, toJSON(t, c.settings)).Test(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			last := r.Checks[len(r.Checks)-1]
			if !errs.Is(last.Err, c.want) || !strings.Contains(last.Message, c.says) || errs.HintOf(last.Err) == "" {
				t.Errorf("%v (%s), want %s: %s", last.Err, last.Message, c.want, c.says)
			}
		})
	}
	_, err := New().Configure(t.Context(), downloader.Config{
		Settings: []byte(`{"address":"https://x","ca_certificate":"-----BEGIN NONSENSE-----"}`), StateDir: t.TempDir(), Logger: nullLogger(),
	})
	if !errs.Is(err, errs.InvalidSettings) || fmt.Sprint(fieldsOf(err)) == "[]" {
		t.Errorf("a CA that is none: %v", err)
	}
}

func TestManyLooksTakeOneConnection(t *testing.T) {
	t.Parallel()
	a := startAria2(t)
	before := 0
	for name, s := range map[string]string{"WebSocket": a.settings(), "HTTP": startCountingProxy(t, a).settings()} {
		d := newDriver(t, s)
		for i := range 200 {
			if _, err := d.Check(t.Context(), []downloader.Ref{{JobID: "x"}}); err != nil {
				t.Fatal(err)
			}
			if i == 5 {
				before = descriptors(t, a)
			}
		}
		if after := descriptors(t, a); after > before+1 {
			t.Errorf("%s: 194 looks took aria2 from %d to %d descriptors", name, before, after)
		}
	}
}

func descriptors(t *testing.T, a *aria2) int {
	t.Helper()
	list, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", a.PID))
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

func TestRefusedSecretIsTriedMoreAndMoreSeldom(t *testing.T) {
	t.Parallel()
	a := startAria2(t)
	proxy := startCountingProxy(t, a)
	d := newDriver(t, toJSON(t, map[string]string{"address": proxy.URL, "secret": "wrong"}))
	refs := []downloader.Ref{{JobID: "x"}}
	for deadline := time.Now().Add(4 * time.Second); time.Now().Before(deadline); {
		if _, err := d.Check(t.Context(), refs); !errs.Is(err, errs.DownloaderAuthFailed) {
			t.Fatal(err)
		}
	}
	if n := proxy.count.Load(); n != 1 {
		t.Errorf("%d requests within seconds of a refusal", n)
	}
	// Test is somebody who asks for it, and sees a daemon that was mended.
	if r, err := d.Test(t.Context()); err != nil || r.OK() || r.Checks[1].Name != "credentials" {
		t.Errorf("test: %+v, %v", r, err)
	}
}
