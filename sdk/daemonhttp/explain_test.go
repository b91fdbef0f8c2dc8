package daemonhttp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/haul-dl/haul/sdk/errs"
)

// banner is a server that says one line to everybody, as SSH and SMTP do.
func banner(t *testing.T, line string) string {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { l.Close(); <-done })
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Read(make([]byte, 4096))
			_, _ = c.Write([]byte(line))
			c.Close()
		}
	}()
	return l.Addr().String()
}

// closedAddress is one that refuses connections. It is the near end of one to
// server, and so stays taken until the test ends.
func closedAddress(t *testing.T, server net.Addr) string {
	t.Helper()
	c, err := net.Dial("tcp4", server.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c.LocalAddr().String()
}

func TestFailureToConnectIsExplained(t *testing.T) {
	plain, secure := serve(t, hello), serveTLS(t, hello)
	demanding := httptest.NewUnstartedServer(http.HandlerFunc(hello))
	demanding.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	demanding.Config.ErrorLog = secure.Config.ErrorLog
	demanding.StartTLS()
	t.Cleanup(demanding.Close)
	for _, c := range []struct {
		name, address, ca string
		want              errs.Code
		says              string
	}{
		{"nothing there", closedAddress(t, plain.Listener.Addr()), "", errs.DownloaderUnreachable, "connection refused"},
		{"an unknown host", "no-such-host.invalid", "", errs.DownloaderUnreachable, "not known"},
		{"no TLS", strings.Replace(plain.URL, "http", "https", 1), "", errs.NotADownloader, "TLS"},
		{"SSH", banner(t, "SSH-2.0-OpenSSH_9\r\n"), "", errs.NotADownloader, "HTTP"},
		{"a server that hangs up", banner(t, ""), "", errs.DownloaderUnreachable, "cannot be reached"},
		{"an unknown authority", secure.URL, "", errs.DownloaderTLS, "authority"},
		{"a server that wants a certificate", demanding.URL, caOf(demanding), errs.DownloaderTLS, "refuses"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := get(t, newClient(t, c.address, c.ca))
			if !errs.Is(err, c.want) || !strings.Contains(errs.MessageOf(err), c.says) || errs.HintOf(err) == "" {
				t.Errorf("got %v (%s), want %s: %s", err, errs.HintOf(err), c.want, c.says)
			}
		})
	}
}

func TestCallerThatGivesUpAndOneThatRunsOutOfTimeAreToldApart(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0") // it never answers
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c := newClient(t, l.Addr().String(), "")
	late, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	gone, giveUp := context.WithCancel(t.Context())
	giveUp()
	for want, ctx := range map[errs.Code]context.Context{errs.DownloaderUnreachable: late, errs.Canceled: gone} {
		req, err := http.NewRequest(http.MethodGet, c.URL("").String(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Do(ctx, req); !errs.Is(err, want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	mine := errs.New(errs.InUse, "x")
	if got := c.Explain(t.Context(), mine); !errors.Is(got, mine) {
		t.Errorf("an explained error became %v", got)
	}
}

func TestForeignServersAreNamed(t *testing.T) {
	answer := func(status int, header, value, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set(header, value)
			w.WriteHeader(status)
			_, _ = fmt.Fprint(w, body)
		}
	}
	frontPage := func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/" {
			http.NotFound(w, r)
			return
		}
		_, _ = fmt.Fprint(w, "<title>Home of my NAS</title>")
	}
	for _, c := range []struct {
		name       string
		handler    http.HandlerFunc
		want       errs.Code
		says, hint string
	}{
		{"a web page", answer(200, "Content-Type", "text/html", "<TITLE>My  NAS &amp; more</title>"), errs.NotADownloader, `"My NAS & more"`, "6800"},
		{"a page at the root", frontPage, errs.NotADownloader, `"Home of my NAS"`, "6800"},
		{"nothing to go by", answer(404, "X-A", "b", ""), errs.NotADownloader, "A web server", "6800"},
		{"Transmission", answer(409, "X-Transmission-Session-Id", "x", ""), errs.NotADownloader, "Transmission", "6800"},
		{"qBittorrent", answer(200, "Content-Type", "text/html", "<title>qBittorrent WebUI</title>"), errs.NotADownloader, "qBittorrent answers", "6800"},
		{"a login in front", answer(401, "WWW-Authenticate", "Basic", ""), errs.NotADownloader, "login", "6800"},
		{"a redirect", answer(302, "Location", "https://nas.example/new/rpc?token=s3cret", ""), errs.NotADownloader, "302", "nas.example/new/rpc;"},
		{"a redirect within", answer(301, "Location", "/new", ""), errs.NotADownloader, "301", "/new;"},
		{"TLS alone", answer(400, "X-A", "b", "Client sent an HTTP request to an HTTPS server."), errs.NotADownloader, "TLS", "https://"},
		{"nginx with TLS alone", answer(400, "Server", "nginx", "<title>400 The plain HTTP request was sent to HTTPS port</title>"), errs.NotADownloader, "TLS", "https://"},
		{"a proxy without the daemon", answer(502, "X-A", "b", "<title>502 Bad Gateway</title>"), errs.DownloaderUnreachable, "502", "runs"},
		{"a proxy that waits in vain", answer(504, "X-A", "b", ""), errs.DownloaderUnreachable, "504", "runs"},
		{"a proxy with a small limit", answer(413, "X-A", "b", ""), errs.DownloaderError, "size", "limit"},
	} {
		t.Run(c.name, func(t *testing.T) {
			client := newClient(t, serve(t, c.handler).URL+"/jsonrpc", "")
			resp, err := get(t, client)
			if err != nil {
				t.Fatal(err)
			}
			err = client.Foreign(t.Context(), resp)
			if !errs.Is(err, c.want) || !strings.Contains(errs.MessageOf(err), c.says) || !strings.Contains(errs.HintOf(err), c.hint) {
				t.Errorf("got %v (%s), want %s: %s (%s)", err, errs.HintOf(err), c.want, c.says, c.hint)
			}
			if strings.Contains(errs.HintOf(err), "s3cret") {
				t.Errorf("the hint tells a secret: %s", errs.HintOf(err))
			}
		})
	}
}
