package driver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/haul-dl/haul/internal/lab"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

func TestTestFindsAGoodDaemon(t *testing.T) {
	t.Parallel()
	a := startAria2(t)
	r, err := newDriver(t, a.settings()).Test(t.Context())
	if err != nil || !r.OK() || r.Version == "" || len(r.Checks) != 3 || r.Took <= 0 {
		t.Fatalf("%+v, %v", r, err)
	}
}

func TestTestTellsWhatIsWrong(t *testing.T) {
	t.Parallel()
	page := func(h func(http.ResponseWriter, *http.Request)) string {
		s := httptest.NewServer(http.HandlerFunc(h))
		t.Cleanup(s.Close)
		return s.URL
	}
	write := func(status int, header, value, body string) func(http.ResponseWriter, *http.Request) {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set(header, value)
			w.WriteHeader(status)
			_, _ = fmt.Fprint(w, body)
		}
	}
	a := startAria2(t)
	transmission := lab.StartTransmission(t, lab.TransmissionOptions{})
	qbittorrent := lab.StartQBittorrent(t, lab.QBittorrentOptions{})
	cases := []struct {
		name, address, secret string
		check                 string
		want                  errs.Code
		says                  string
	}{
		{"nothing there", fmt.Sprintf("127.0.0.1:%d", lab.ClosedPort(t)), "", "reachable", errs.DownloaderUnreachable, "connection refused"},
		{"unknown host", "no-such-host.invalid:6800", "", "reachable", errs.DownloaderUnreachable, "not known"},
		{"wrong secret", a.host(), "wrong", "credentials", errs.DownloaderAuthFailed, "secret"},
		{"no secret", a.host(), "", "credentials", errs.DownloaderAuthFailed, "secret"},
		{"wrong path", a.host() + "/rpc", a.Secret, "reachable", errs.NotADownloader, "/rpc"},
		{"a web page", page(write(200, "Content-Type", "text/html", "<title>My  NAS &amp; more</title>")), "", "reachable", errs.NotADownloader, `"My NAS & more"`},
		{"a server without a page", page(write(404, "X-Nothing", "", "")), "", "reachable", errs.NotADownloader, "A web server"},
		{"Transmission", page(write(409, "X-Transmission-Session-Id", "x", "")), "", "reachable", errs.NotADownloader, "Transmission"},
		{"qBittorrent", page(write(200, "Content-Type", "text/html", "<title>qBittorrent WebUI</title>")), "", "reachable", errs.NotADownloader, "qBittorrent"},
		{"a real Transmission", transmission.Address, "", "reachable", errs.NotADownloader, "Transmission"},
		{"a real qBittorrent", qbittorrent.Address, "", "reachable", errs.NotADownloader, "qBittorrent"},
		{"a login in front", page(write(401, "WWW-Authenticate", "Basic", "")), "", "reachable", errs.NotADownloader, "login"},
		{"a proxy without aria2 behind it", page(write(502, "X-Nothing", "", "")), "", "reachable", errs.DownloaderUnreachable, "proxy"},
		{"other JSON", page(write(200, "Content-Type", "application/json", `{"hello":1}`)), "", "reachable", errs.NotADownloader, "A web server"},
		{"no TLS", strings.Replace(page(write(200, "X-Nothing", "", "")), "http:", "https:", 1), "", "reachable", errs.NotADownloader, "TLS"},
		{"a certificate of its own", startTLSWeb(t), "", "reachable", errs.DownloaderTLS, "certificate"},
		{"an SSH server", startBanner(t, "SSH-2.0-OpenSSH_9\r\n"), "", "reachable", errs.NotADownloader, "HTTP"},
		{"an old aria2", startFake(t, "1.18.1"), "", "version", errs.DownloaderTooOld, "1.18.1"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := newDriver(t, toJSON(t, map[string]string{"address": c.address, "secret": c.secret}))
			r, err := d.Test(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			last := r.Checks[len(r.Checks)-1]
			if last.Name != c.check || !errs.Is(last.Err, c.want) || !strings.Contains(last.Message, c.says) || errs.HintOf(last.Err) == "" {
				t.Errorf("check %s: %v (%s), want %s: %s", last.Name, last.Err, last.Message, c.check, c.want)
			}
			_, err = d.Check(t.Context(), []downloader.Ref{{JobID: "x"}})
			if !errs.Is(err, c.want) {
				t.Errorf("Check says %v", err)
			}
			_, err = d.Add(t.Context(), downloader.AddRequest{JobID: "x", Dir: t.TempDir(), Source: httpSource("http://127.0.0.1/x")})
			if !errs.Is(err, c.want) {
				t.Errorf("Add says %v", err)
			}
		})
	}
}

func TestASilentServerIsGivenUpInTime(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() // it never accepts
	d := newDriver(t, fmt.Sprintf(`{"address":%q}`, l.Addr()))
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	r, err := d.Test(ctx)
	if err != nil || !errs.Is(r.Checks[0].Err, errs.DownloaderUnreachable) {
		t.Fatalf("%+v, %v", r, err)
	}
}

func TestWrongSecretIsNotTriedInALoop(t *testing.T) {
	t.Parallel()
	a := startAria2(t)
	d := newDriver(t, fmt.Sprintf(`{"address":%q,"secret":"wrong"}`, a.host()))
	refs := []downloader.Ref{{JobID: "x"}}
	if _, err := d.Check(t.Context(), refs); !errs.Is(err, errs.DownloaderAuthFailed) {
		t.Fatal(err)
	}
	began := time.Now()
	for range 100 {
		if _, err := d.Check(t.Context(), refs); !errs.Is(err, errs.DownloaderAuthFailed) {
			t.Fatal(err)
		}
	}
	if took := time.Since(began); took > time.Second { // aria2 would take 2 s for each
		t.Errorf("100 checks took %v", took)
	}
}

// startBanner is a server that says one line, as SSH and SMTP do.
func startBanner(t *testing.T, line string) string {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Write([]byte(line))
			_, _ = c.Read(make([]byte, 4096))
			c.Close()
		}
	}()
	return l.Addr().String()
}

// startFake is an aria2 of a version that no machine has any more.
func startFake(t *testing.T, version string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]any{
			"jsonrpc": "2.0", "id": "1",
			"result": []any{[]any{map[string]string{"version": version}}, []any{map[string]string{}}},
		})
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func TestSettingsAreChecked(t *testing.T) {
	t.Parallel()
	cases := []struct{ name, settings, field string }{
		{"unknown field", `{"adress":"x"}`, ""},
		{"wrong type", `{"address":1}`, "address"},
		{"not an object", `[]`, ""},
		{"two objects", `{}{}`, ""},
		{"a secret without an address", `{"secret":"x"}`, "address"},
		{"bad address", `{"address":"ftp://x"}`, "address"},
		{"managed with an address", `{"address":"x","managed":{}}`, "managed"},
		{"a low port", `{"managed":{"listen_port":80}}`, "managed.listen_port"},
		{"a line break in the interface", `{"managed":{"interface":"lo\nrpc-secret="}}`, "managed.interface"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := New().Configure(t.Context(), downloader.Config{Settings: []byte(c.settings), StateDir: t.TempDir()})
			e, ok := errors.AsType[*errs.Error](err)
			if !ok || e.Code != errs.InvalidSettings {
				t.Fatalf("got %v", err)
			}
			if c.field != "" && !strings.Contains(fmt.Sprintf("%+v", e.Fields), c.field) {
				t.Errorf("fields are %+v", e.Fields)
			}
		})
	}
}

func TestDescriptionHasAValidSchemaWithTheSecretMarked(t *testing.T) {
	t.Parallel()
	desc, err := New().Describe(t.Context())
	if err != nil || desc.Name != "aria2" || !desc.Managed && desc.ManagedHint == "" {
		t.Fatalf("%+v, %v", desc, err)
	}
	var schema struct {
		AdditionalProperties bool
		Properties           map[string]struct {
			Title, Description string
			WriteOnly          bool
		}
	}
	if err := json.Unmarshal(desc.SettingsSchema, &schema); err != nil {
		t.Fatal(err)
	}
	if len(schema.Properties) != 4 || !schema.Properties["secret"].WriteOnly || schema.Properties["address"].WriteOnly {
		t.Fatalf("schema is %+v", schema)
	}
}
