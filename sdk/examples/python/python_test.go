// Package python tests the Python example over the wire.
package python

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
	"github.com/haul-dl/haul/sdk/wire"
)

// start builds the plugin, starts it as haul does, and returns its client.
func start(t *testing.T) downloader.Plugin {
	t.Helper()
	dir, err := os.MkdirTemp("", "haul-py-*") // sockets have short paths
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if out, err := exec.Command("make", "OUT="+dir).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	cmd := exec.Command(filepath.Join(dir, "haul-downloader-python-http"))
	cmd.Env = append(os.Environ(), "PLUGIN_UNIX_SOCKET_DIR="+dir)
	client := plugin.NewClient(&plugin.ClientConfig{
		HandshakeConfig: wire.Handshake, VersionedPlugins: wire.VersionedPlugins(nil), Cmd: cmd,
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC}, Logger: hclog.NewNullLogger(),
	})
	t.Cleanup(client.Kill)
	protocol, err := client.Client()
	if err != nil {
		t.Fatal(err)
	}
	raw, err := protocol.Dispense(wire.PluginName)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "plugin.sock")); err != nil {
		t.Errorf("the socket is not where it should be: %v", err)
	}
	return raw.(*wire.Client)
}

func configure(ctx context.Context, t *testing.T, p downloader.Plugin, settings string) (downloader.Driver, error) {
	return p.Configure(ctx, downloader.Config{DownloaderID: "d", Settings: []byte(settings), StateDir: t.TempDir(), MaxActive: 5})
}

func TestItsErrorsHaveTheirCodes(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	p := start(t)
	for settings, field := range map[string]string{
		`{"timeout":0}`: "timeout", `{"timeout":"1"}`: "timeout", `{"colour":1}`: "colour", `[]`: "",
	} {
		_, err := configure(ctx, t, p, settings)
		e, _ := errors.AsType[*errs.Error](err)
		if !errs.Is(err, errs.InvalidSettings) || field != "" && (len(e.Fields) != 1 || e.Fields[0].Name != field) {
			t.Errorf("%s: %v", settings, err)
		}
	}
	d, err := configure(ctx, t, p, `{"timeout":5}`)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := configure(ctx, t, p, `{}`); !errs.Is(err, errs.Conflict) {
		t.Errorf("a second configuration: %v", err)
	}
	job := func(kind downloader.SourceKind, uri, options string) downloader.AddRequest {
		return downloader.AddRequest{
			JobID: "j", Dir: t.TempDir(), Options: []byte(options), Source: downloader.Source{Kind: kind, URI: uri},
		}
	}
	for name, tt := range map[string]struct {
		req  downloader.AddRequest
		code errs.Code
	}{
		"a kind that it does not take": {job(downloader.SourceMagnet, "magnet:?xt=x", ""), errs.SourceNotSupported},
		"a local file":                 {job(downloader.SourceHTTP, "file:///etc/passwd", ""), errs.InvalidSource},
		"a URL without a host":         {job(downloader.SourceHTTP, "http:///x", ""), errs.InvalidSource},
		"an unknown option":            {job(downloader.SourceHTTP, "http://127.0.0.1:1/", `{"dir":"/"}`), errs.InvalidOptions},
		"a header in an option":        {job(downloader.SourceHTTP, "http://127.0.0.1:1/", `{"user_agent":"a\nb: c"}`), errs.InvalidOptions},
	} {
		if _, err := d.Add(ctx, tt.req); !errs.Is(err, tt.code) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := d.(downloader.Pauser).Pause(ctx, downloader.Ref{JobID: "j"}); !errs.Is(err, errs.NotOffered) {
		t.Errorf("pause: %v", err)
	}
	if err := p.(*wire.Client).Drain(ctx, time.Second); err != nil {
		t.Error(err)
	}
	if _, err := d.Check(ctx, []downloader.Ref{{JobID: "j"}}); !errs.Is(err, errs.Unavailable) {
		t.Errorf("after the drain: %v", err)
	}
}
