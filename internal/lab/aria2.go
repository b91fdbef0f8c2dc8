package lab

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Aria2Options change how aria2 is started.
type Aria2Options struct {
	// Dir is the download folder; empty makes one.
	Dir string
	// Args are further options of aria2c, such as "--max-concurrent-downloads=500".
	Args []string
	// User is the system user that it runs as; only root can choose one.
	User *User
}

// Aria2 is a running aria2c with JSON-RPC. Its session is kept over a restart.
type Aria2 struct {
	// Address is the URL of its JSON-RPC interface, "http://127.0.0.1:PORT/jsonrpc".
	Address string
	// Secret is its RPC secret.
	Secret string
	// PID is that of the process that runs now.
	PID int
	// Dir is its download folder.
	Dir string

	d *daemon
}

// StartAria2 starts aria2c and waits until it answers. It ends with the test.
func StartAria2(t testing.TB, o Aria2Options) *Aria2 {
	t.Helper()
	base := t.TempDir()
	a := &Aria2{Secret: newSecret(), Dir: downloadDir(t, base, o.Dir)}
	conf, session := filepath.Join(base, "aria2.conf"), filepath.Join(base, "aria2.session")
	a.d = &daemon{t: t, base: base, user: o.User, program: program{
		name: "aria2c",
		pkg:  "aria2",
		configure: func(p ports) error {
			if err := os.WriteFile(session, nil, 0o600); err != nil {
				return err
			}
			return os.WriteFile(conf, []byte(a.config(p, session)), 0o600)
		},
		command: func(ports) (args, env []string) {
			return append([]string{"--conf-path=" + conf}, o.Args...), nil
		},
		ready: a.ready,
	}}
	a.d.start()
	a.Address, a.PID = aria2URL(a.d.ports), a.d.proc.pid()
	return a
}

func aria2URL(p ports) string { return fmt.Sprintf("http://127.0.0.1:%d/jsonrpc", p.api) }

// config is the configuration file: the secret must not show in a command line.
// Without disable-ipv6, aria2 would run on when its port is taken.
func (a *Aria2) config(p ports, session string) string {
	return strings.Join([]string{
		"enable-rpc=true",
		"rpc-listen-all=false",
		fmt.Sprintf("rpc-listen-port=%d", p.api),
		"rpc-secret=" + a.Secret,
		"rpc-max-request-size=64M",
		"dir=" + a.Dir,
		"input-file=" + session,
		"save-session=" + session,
		"save-session-interval=1",
		fmt.Sprintf("listen-port=%d", p.peer),
		"interface=127.0.0.1",
		"disable-ipv6=true",
		"enable-dht=false",
		"enable-dht6=false",
		"bt-enable-lpd=false",
		"enable-peer-exchange=false",
		"no-netrc=true",
		"console-log-level=notice",
		"show-console-readout=false",
		"summary-interval=0",
		"",
	}, "\n")
}

func (a *Aria2) ready(ctx context.Context, client *http.Client, p ports) error {
	body, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": "lab", "method": "aria2.getVersion", "params": []string{"token:" + a.Secret}})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, aria2URL(p), bytes.NewReader(body))
	if err != nil {
		return err
	}
	return expect(client, req, http.StatusOK)
}

// Stop ends it as an init system does, and waits for the end.
func (a *Aria2) Stop() { a.d.t.Helper(); a.d.stop() }

// Kill9 ends it without a word, and waits for the end.
func (a *Aria2) Kill9() { a.d.kill9() }

// Restart starts it again at the same address, with the session that it saved;
// one that still runs is stopped before.
func (a *Aria2) Restart() {
	a.d.t.Helper()
	a.d.restart()
	a.PID = a.d.proc.pid()
}

// Log returns the end of what it has printed.
func (a *Aria2) Log() string { return string(a.d.logTail()) }
