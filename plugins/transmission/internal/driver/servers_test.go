package driver

import (
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/haul-dl/haul/internal/lab"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

// proxy stands in front of a daemon and counts.
type proxy struct {
	*httptest.Server
	requests, connections atomic.Int64
}

// newProxy hands on what is below prefix, which it takes off.
func newProxy(t testing.TB, to, prefix string) *proxy {
	t.Helper()
	u, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = ""
	p := &proxy{}
	forward := http.StripPrefix(prefix, httputil.NewSingleHostReverseProxy(u))
	p.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.requests.Add(1)
		forward.ServeHTTP(w, r)
	}))
	p.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			p.connections.Add(1)
		}
	}
	t.Cleanup(p.Close)
	return p
}

func TestTestFindsAGoodDaemon(t *testing.T) {
	t.Parallel()
	daemon := lab.StartTransmission(t, lab.TransmissionOptions{})
	good := settingsOf(daemon)
	plain := newProxy(t, daemon.Address, "/nas")
	plain.Start()
	secure := newProxy(t, daemon.Address, "")
	secure.StartTLS()
	ca := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw}))
	root := strings.TrimSuffix(daemon.Address, "/transmission/rpc")
	for name, change := range map[string]func(*settings){
		"its address":            func(*settings) {},
		"a slash behind":         func(s *settings) { s.Address += "/" },
		"the host alone":         func(s *settings) { s.Address = strings.TrimPrefix(root, "http://") },
		"the web interface":      func(s *settings) { s.Address = root + "/transmission/web/" },
		"its folder":             func(s *settings) { s.Address = root + "/transmission/" },
		"a sub-path":             func(s *settings) { s.Address = plain.URL + "/nas/transmission/rpc" },
		"a sub-path to the web":  func(s *settings) { s.Address = plain.URL + "/nas/transmission/web" },
		"TLS with its authority": func(s *settings) { s.Address, s.CACertificate = secure.URL+"/transmission/rpc", ca },
	} {
		t.Run(name, func(t *testing.T) {
			s := good
			change(&s)
			r, err := newDriver(t, s).Test(t.Context())
			if err != nil || !r.OK() || r.Version == "" || len(r.Checks) != 3 || r.LocalAddress != "127.0.0.1" {
				t.Errorf("%+v, %v", r, err)
			}
		})
	}
}

func TestADaemonAtAnIPv6Address(t *testing.T) {
	t.Parallel()
	daemon := lab.StartTransmission(t, lab.TransmissionOptions{})
	l, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		t.Skip("this machine has no ::1")
	}
	p := newProxy(t, daemon.Address, "")
	_ = p.Listener.Close()
	p.Listener = l
	p.Start()
	s := settingsOf(daemon)
	s.Address = p.URL
	if r, err := newDriver(t, s).Test(t.Context()); err != nil || !r.OK() || r.LocalAddress != "::1" {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestTestTellsWhatIsWrong(t *testing.T) {
	t.Parallel()
	page := func(status int, header, value, body string) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set(header, strings.ReplaceAll(value, "HOST", r.Host))
			w.WriteHeader(status)
			_, _ = fmt.Fprint(w, body)
		}))
		t.Cleanup(s.Close)
		return s.URL
	}
	daemon := lab.StartTransmission(t, lab.TransmissionOptions{})
	aria2, qbittorrent := lab.StartAria2(t, lab.Aria2Options{}), lab.StartQBittorrent(t, lab.QBittorrentOptions{})
	secure := newProxy(t, daemon.Address, "")
	secure.Config.ErrorLog = nil
	secure.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	secure.StartTLS()
	closed := fmt.Sprintf("http://127.0.0.1:%d", lab.ClosedPort(t))
	cases := map[string]struct {
		settings settings
		check    string
		want     errs.Code
		says     string
	}{
		"nothing there":         {settings{Address: closed}, "reachable", errs.DownloaderUnreachable, "refused"},
		"an unknown host":       {settings{Address: "no-such-host.invalid"}, "reachable", errs.DownloaderUnreachable, "not known"},
		"a wrong password":      {settings{Address: daemon.Address, Username: daemon.Username, Password: "wr0ng-pass"}, "credentials", errs.DownloaderAuthFailed, "password"},
		"no password":           {settings{Address: daemon.Address}, "credentials", errs.DownloaderAuthFailed, "password"},
		"a web page":            {settings{Address: page(200, "Content-Type", "text/html", "<title>My NAS</title>")}, "reachable", errs.NotADownloader, `"My NAS"`},
		"a redirect":            {settings{Address: page(302, "Location", "http://HOST/elsewhere", "")}, "reachable", errs.NotADownloader, "302"},
		"other JSON":            {settings{Address: page(200, "Content-Type", "application/json", `{"hello":1}`)}, "reachable", errs.NotADownloader, "web server"},
		"a conflict without id": {settings{Address: page(409, "X-Nothing", "", "")}, "reachable", errs.NotADownloader, "409"},
		"sessions without end":  {settings{Address: page(409, "X-Transmission-Session-Id", "abc", "")}, "reachable", errs.NotADownloader, "new session"},
		"a dead proxy":          {settings{Address: page(502, "X-Nothing", "", "")}, "reachable", errs.DownloaderUnreachable, "proxy"},
		"a whitelist":           {settings{Address: page(403, "Server", "Transmission", "Unauthorized IP Address.")}, "credentials", errs.DownloaderAuthFailed, "whitelist"},
		"a lock-out":            {settings{Address: page(403, "Server", "Transmission", "Too many unsuccessful login attempts.")}, "credentials", errs.DownloaderAuthFailed, "nobody"},
		"a host whitelist":      {settings{Address: page(421, "Server", "Transmission", "")}, "credentials", errs.DownloaderAuthFailed, "host name"},
		"an old one":            {settings{Address: page(200, "Content-Type", "application/json", `{"result":"success","arguments":{"version":"2.94 (d8e60ee44f)","rpc-version":15}}`)}, "version", errs.DownloaderTooOld, "2.94"},
		"aria2":                 {settings{Address: aria2.Address}, "reachable", errs.NotADownloader, "not Transmission"},
		"qBittorrent":           {settings{Address: qbittorrent.Address}, "reachable", errs.NotADownloader, "qBittorrent"},
		"TLS of nobody known":   {settings{Address: secure.URL}, "reachable", errs.DownloaderTLS, "certificate"},
		"no TLS":                {settings{Address: strings.Replace(daemon.Address, "http:", "https:", 1)}, "reachable", errs.NotADownloader, "TLS"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			logger, log := logBuffer()
			d := newLoggingDriver(t, c.settings, logger)
			r, err := d.Test(t.Context())
			if err != nil || len(r.Checks) == 0 {
				t.Fatalf("%+v, %v", r, err)
			}
			last := r.Checks[len(r.Checks)-1]
			if last.Name != c.check || !errs.Is(last.Err, c.want) || !strings.Contains(last.Message, c.says) || errs.HintOf(last.Err) == "" {
				t.Errorf("check %s: %v (%s), want %s: %s", last.Name, last.Err, last.Message, c.check, c.want)
			}
			if _, err := d.Check(t.Context(), []downloader.Ref{{JobID: "x"}}); !errs.Is(err, c.want) {
				t.Errorf("Check says %v", err)
			}
			if told := log.String() + fmt.Sprint(r, err); c.settings.Password != "" && strings.Contains(told, c.settings.Password) {
				t.Errorf("the password is told: %s", told)
			}
		})
	}
}

func TestAWrongPasswordIsTriedOnce(t *testing.T) {
	t.Parallel()
	daemon := lab.StartTransmission(t, lab.TransmissionOptions{})
	p := newProxy(t, daemon.Address, "")
	p.Start()
	s := settingsOf(daemon)
	s.Address, s.Password = p.URL, "wrong"
	d := newDriver(t, s)
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			if _, err := d.Check(t.Context(), []downloader.Ref{{JobID: "x"}}); !errs.Is(err, errs.DownloaderAuthFailed) {
				t.Errorf("Check says %v", err)
			}
			if r, err := d.Test(t.Context()); err != nil || r.OK() {
				t.Errorf("%+v, %v", r, err)
			}
		})
	}
	wg.Wait()
	if n := p.requests.Load(); n != 1 {
		t.Errorf("the daemon saw %d wrong passwords", n)
	}
}

func TestALookAtAThousandJobsIsOneRequest(t *testing.T) {
	t.Parallel()
	daemon := lab.StartTransmission(t, lab.TransmissionOptions{})
	p := newProxy(t, daemon.Address, "")
	p.Start()
	s := settingsOf(daemon)
	s.Address = p.URL
	b := &bench{t: t, daemon: daemon, driver: newDriver(t, s)}
	const jobs = 1000
	refs := b.addPaused(jobs)
	if _, err := b.driver.Check(t.Context(), refs); err != nil {
		t.Fatal(err)
	}
	before := p.requests.Load()
	const looks = 20
	for range looks {
		got, err := b.driver.Check(t.Context(), refs)
		if err != nil || len(got) != jobs {
			t.Fatalf("%d, %v", len(got), err)
		}
		for _, s := range got {
			if s.Phase != downloader.PhasePaused {
				t.Fatalf("%+v", s)
			}
		}
	}
	if n := p.requests.Load() - before; n != looks {
		t.Errorf("%d looks made %d requests", looks, n)
	}
	before = p.requests.Load()
	var wg sync.WaitGroup
	for range 200 {
		wg.Go(func() {
			if _, err := b.driver.Check(t.Context(), refs[:100]); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := p.requests.Load() - before; n > 100 {
		t.Errorf("200 looks at once made %d requests", n)
	}
	if n := p.connections.Load(); n > 2 {
		t.Errorf("%d connections were made", n)
	}
}

// addPaused adds tiny magnet links, 20 at a time.
func (b *bench) addPaused(n int) []downloader.Ref {
	b.t.Helper()
	refs := make([]downloader.Ref, n)
	next := make(chan int)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			for i := range next {
				req := downloader.AddRequest{
					JobID: fmt.Sprintf("job-%d", i), Dir: fmt.Sprintf("%s/%d", b.daemon.Dir, i), Paused: true,
					Source: downloader.Source{Kind: downloader.SourceMagnet, URI: fmt.Sprintf("magnet:?xt=urn:btih:%040x", i+1)},
				}
				var err error
				if refs[i], err = b.driver.Add(b.t.Context(), req); err != nil {
					b.t.Error(err)
				}
			}
		})
	}
	for i := range refs {
		next <- i
	}
	close(next)
	wg.Wait()
	return refs
}
