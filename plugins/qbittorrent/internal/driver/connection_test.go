package driver

import (
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/haul-dl/haul/internal/lab"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

var anyRef = handle{V1: strings.Repeat("ab", 20), Dir: "/srv/job"}.ref("job")

func failure(t testing.TB, d *Driver) error {
	t.Helper()
	_, err := d.Check(t.Context(), []downloader.Ref{anyRef})
	return err
}

func TestAWrongPasswordIsTriedOnce(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	p := startProxy(t, b.q.Address, "", startPlain)
	d := newDriver(t, settingsJSON(p.URL, b.q.Username, "hunter2"))
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() { wantCode(t, failure(t, d), errs.DownloaderAuthFailed) })
	}
	wg.Wait()
	for range 10 {
		err := failure(t, d)
		wantCode(t, err, errs.DownloaderAuthFailed)
		if strings.Contains(err.Error()+errs.HintOf(err), "hunter2") {
			t.Error("the password is in the error")
		}
	}
	r, err := d.Test(t.Context())
	if err != nil || len(r.Checks) != 2 || r.Checks[0].Err != nil || !errs.Is(r.Checks[1].Err, errs.DownloaderAuthFailed) {
		t.Errorf("test: %+v, %v", r, err)
	}
	if n := p.count("auth/login"); n != 1 {
		t.Errorf("%d logins were tried", n)
	}
	// The daemon has not banned this machine.
	if err := failure(t, b.driver()); err != nil {
		t.Error(err)
	}
}

func TestABanIsToldApart(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for range 5 {
		wantCode(t, failure(t, newDriver(t, settingsJSON(b.q.Address, b.q.Username, "wrong"))), errs.DownloaderAuthFailed)
	}
	err := failure(t, b.driver())
	wantCode(t, err, errs.DownloaderAuthFailed)
	if !strings.Contains(errs.MessageOf(err), "banned") {
		t.Errorf("got %v", err)
	}
}

func TestTestTellsWhatIsThere(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	r, err := b.driver().Test(t.Context())
	if err != nil || !r.OK() || r.Version == "" || r.LocalAddress != "127.0.0.1" || len(r.Checks) != 3 {
		t.Errorf("got %+v, %v", r, err)
	}
	r, err = newDriver(t, settingsJSON(b.q.Address, "", "")).Test(t.Context())
	if err != nil || r.OK() || !errs.Is(r.Checks[1].Err, errs.DownloaderAuthFailed) {
		t.Errorf("without credentials: %+v, %v", r, err)
	}
	b.preferences(`{"max_ratio_act":3}`)
	session, err := b.driver().client.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	d := b.driver()
	r, err = d.Test(t.Context())
	if err != nil || r.OK() != session.API.HasOwnAction() {
		t.Errorf("a daemon that removes: %+v, %v", r, err)
	}
	_, err = d.Add(t.Context(), b.request("small", false))
	if (err == nil) != session.API.HasOwnAction() {
		t.Errorf("adding to a daemon that removes: %v", err)
	}
}

func TestNoLoginIsNeededWhereTheDaemonSaysSo(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.preferences(`{"bypass_local_auth":true}`)
	p := startProxy(t, b.q.Address, "", startPlain)
	for _, settings := range []string{settingsJSON(p.URL, "", ""), settingsJSON(p.URL, b.q.Username, b.q.Password)} {
		d := newDriver(t, settings)
		ref := add(t, d, b.request("dead", false))
		awaitPhase(t, d, ref, downloader.PhaseDownloading)
		b.q.Restart()
		await(t, d, ref, "the daemon's return", func(s downloader.Status) bool { return s.Phase == downloader.PhaseDownloading })
		if err := d.Remove(t.Context(), ref, true); err != nil {
			t.Error(err)
		}
	}
}

func TestAnExpiredSessionIsRenewedOnceForAll(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	p := startProxy(t, b.q.Address, "", startPlain)
	d := newDriver(t, settingsJSON(p.URL, b.q.Username, b.q.Password))
	ref := add(t, d, b.request("dead", false))
	awaitPhase(t, d, ref, downloader.PhaseDownloading)
	b.q.Restart()
	before := p.count("auth/login")
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if _, err := d.Check(t.Context(), []downloader.Ref{ref}); err != nil {
				t.Error(err)
			}
			if _, err := d.List(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := p.count("auth/login") - before; n != 1 {
		t.Errorf("%d logins after a restart", n)
	}
}

func TestASubPathATLSCertificateAndIPv6(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	works := func(t *testing.T, settings string) {
		d := newDriver(t, settings)
		ref := add(t, d, b.request("small", false))
		awaitPhase(t, d, ref, downloader.PhaseComplete)
		if err := d.Remove(t.Context(), ref, true); err != nil {
			t.Error(err)
		}
	}
	t.Run("a sub-path, with and without a slash at the end", func(t *testing.T) {
		p := startProxy(t, b.q.Address, "/some/where", startPlain)
		works(t, settingsJSON(p.URL+"/some/where", b.q.Username, b.q.Password))
		works(t, settingsJSON(p.URL+"/some/where/", b.q.Username, b.q.Password))
		wantCode(t, failure(t, newDriver(t, settingsJSON(p.URL+"/else", b.q.Username, b.q.Password))), errs.NotADownloader)
	})
	t.Run("TLS", func(t *testing.T) {
		p := startProxy(t, b.q.Address, "", func(s *httptest.Server) { s.StartTLS() })
		ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.Certificate().Raw})
		works(t, fmt.Sprintf(`{"address":%q,"username":%q,"password":%q,"ca_certificate":%q}`, p.URL, b.q.Username, b.q.Password, ca))
		wantCode(t, failure(t, newDriver(t, settingsJSON(p.URL, b.q.Username, b.q.Password))), errs.DownloaderTLS)
		plain := strings.Replace(p.URL, "https", "http", 1)
		if err := failure(t, newDriver(t, settingsJSON(plain, b.q.Username, b.q.Password))); err == nil {
			t.Error("plain HTTP to TLS works")
		}
	})
	t.Run("IPv6", func(t *testing.T) {
		l, err := net.Listen("tcp6", "[::1]:0")
		if err != nil {
			t.Skip("there is no IPv6 here")
		}
		p := startProxy(t, b.q.Address, "", func(s *httptest.Server) {
			_ = s.Listener.Close()
			s.Listener = l
			s.Start()
		})
		works(t, settingsJSON(p.URL, b.q.Username, b.q.Password))
	})
}

func TestWhatElseMayAnswer(t *testing.T) {
	t.Parallel()
	web := lab.StartWeb(t)
	answer := func(status int, header, body string) string {
		s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if name, value, ok := strings.Cut(header, ": "); ok {
				rw.Header().Set(name, value)
			}
			rw.WriteHeader(status)
			_, _ = rw.Write([]byte(body))
		}))
		t.Cleanup(s.Close)
		return s.URL
	}
	tests := []struct {
		name, address string
		want          errs.Code
	}{
		{"a web server", web.URL, errs.NotADownloader},
		{"Transmission", lab.StartTransmission(t, lab.TransmissionOptions{}).Address, errs.NotADownloader},
		{"aria2", lab.StartAria2(t, lab.Aria2Options{}).Address, errs.NotADownloader},
		{"a redirect", answer(302, "Location: http://example.org/qbt/", ""), errs.NotADownloader},
		{"a proxy without its daemon", answer(502, "", "<html>Bad Gateway"), errs.DownloaderUnreachable},
		{"a login page for everything", answer(200, "Content-Type: text/html", "<html><title>Sign in</title>"), errs.NotADownloader},
		{"a forbidding web server", answer(403, "Content-Type: text/html", "<html><h1>Forbidden"), errs.NotADownloader},
		{"a server with a login of its own", answer(401, "Www-Authenticate: Basic", ""), errs.NotADownloader},
		{"rubbish", answer(200, "", "Ok. Computer"), errs.NotADownloader},
		{"nothing", "http://127.0.0.1:1", errs.DownloaderUnreachable},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := failure(t, newDriver(t, settingsJSON(tt.address, "admin", "secret")))
			wantCode(t, err, tt.want)
			if errs.MessageOf(err) == "" || errs.HintOf(err) == "" {
				t.Errorf("no help with %v", err)
			}
			t.Log(errs.MessageOf(err), errs.HintOf(err))
		})
	}
}

// scripted answers as a daemon of a version does, and counts logins.
func scripted(t *testing.T, api string, login func(n int, rw http.ResponseWriter)) (address string, logins func() int) {
	t.Helper()
	var mu sync.Mutex
	n := 0
	mux := http.NewServeMux()
	mux.HandleFunc("/api/v2/auth/login", func(rw http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		n++
		now := n
		mu.Unlock()
		login(now, rw)
	})
	mux.HandleFunc("/api/v2/app/webapiVersion", func(rw http.ResponseWriter, _ *http.Request) { _, _ = rw.Write([]byte(api)) })
	mux.HandleFunc("/api/v2/app/version", func(rw http.ResponseWriter, _ *http.Request) { _, _ = rw.Write([]byte("v9.9.9")) })
	mux.HandleFunc("/", func(rw http.ResponseWriter, _ *http.Request) { http.Error(rw, "Forbidden", http.StatusForbidden) })
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s.URL, func() int { mu.Lock(); defer mu.Unlock(); return n }
}

func TestAnOldDaemonAndOneThatForgets(t *testing.T) {
	t.Parallel()
	ok := func(_ int, rw http.ResponseWriter) { _, _ = rw.Write([]byte("Ok.")) }
	address, _ := scripted(t, "2.8.3", ok)
	wantCode(t, failure(t, newDriver(t, settingsJSON(address, "a", "b"))), errs.DownloaderTooOld)

	address, logins := scripted(t, "2.11.4", ok) // and 403 to everything else
	d := newDriver(t, settingsJSON(address, "a", "b"))
	for range 10 {
		wantCode(t, failure(t, d), errs.DownloaderAuthFailed)
	}
	if n := logins(); n != 2 {
		t.Errorf("%d logins at a daemon that forgets them", n)
	}
}

func TestBackOffEndsBeforeABan(t *testing.T) {
	t.Parallel()
	clock := newClock()
	address, logins := scripted(t, "2.11.4", func(_ int, rw http.ResponseWriter) { _, _ = rw.Write([]byte("Fails.")) })
	d := newDriverAt(t, settingsJSON(address, "a", "b"), clock.Now)
	for _, step := range []struct {
		wait time.Duration
		want int
	}{{0, 1}, {29 * time.Second, 1}, {time.Second, 2}, {59 * time.Second, 2}, {time.Second, 3}, {24 * time.Hour, 3}} {
		clock.Add(step.wait)
		err := failure(t, d)
		wantCode(t, err, errs.DownloaderAuthFailed)
		if n := logins(); n != step.want {
			t.Fatalf("after another %s: %d logins, want %d", step.wait, n, step.want)
		}
		if step.want == 3 && !strings.Contains(errs.HintOf(err), "ban") {
			t.Errorf("the hint is %q", errs.HintOf(err))
		}
	}
}

func TestBadSettings(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ settings, field string }{
		{``, "address"},
		{`{}`, "address"},
		{`{"address":""}`, "address"},
		{`{"address":"ftp://x"}`, "address"},
		{`{"address":"http://admin:pw@x"}`, "address"},
		{`{"address":"x","password":"p"}`, "username"},
		{`{"address":"x","ca_certificate":"nonsense"}`, "ca_certificate"},
		{`{"address":7}`, "address"},
		{`{"adress":"x"}`, ""},
		{`{"address":"x"} {}`, ""},
	} {
		_, err := New().Configure(t.Context(), downloader.Config{Settings: []byte(tt.settings), Logger: hclog.NewNullLogger()})
		wantCode(t, err, errs.InvalidSettings)
		if e, ok := errors.AsType[*errs.Error](err); ok && tt.field != "" && (len(e.Fields) != 1 || e.Fields[0].Name != tt.field) {
			t.Errorf("%s: %+v", tt.settings, e.Fields)
		}
	}
}
