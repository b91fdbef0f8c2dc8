package lab

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"
)

// TransmissionOptions change how Transmission is started.
type TransmissionOptions struct {
	// Dir is the download folder; empty makes one.
	Dir string
	// Args are further arguments of transmission-daemon.
	Args []string
	// User is the system user that it runs as; only root can choose one.
	User *User
}

// Transmission is a running transmission-daemon with RPC. Its configuration
// folder is kept over a restart.
type Transmission struct {
	// Address is the URL of its RPC interface, "http://127.0.0.1:PORT/transmission/rpc".
	Address string
	// Username and Password are those of the RPC interface.
	Username, Password string
	// PID is that of the process that runs now.
	PID int
	// Dir is its download folder.
	Dir string

	d *daemon
}

// StartTransmission starts transmission-daemon and waits until it answers. It
// ends with the test.
func StartTransmission(t testing.TB, o TransmissionOptions) *Transmission {
	t.Helper()
	base := t.TempDir()
	tr := &Transmission{Username: username, Password: newSecret(), Dir: downloadDir(t, base, o.Dir)}
	config := filepath.Join(base, "config")
	tr.d = &daemon{t: t, base: base, user: o.User, program: program{
		name: "transmission-daemon",
		pkg:  "transmission-daemon",
		configure: func(p ports) error {
			raw, err := json.Marshal(tr.settings(p))
			if err != nil {
				return err
			}
			if err := os.MkdirAll(config, 0o700); err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(config, "settings.json"), raw, 0o600)
		},
		command: func(ports) (args, env []string) {
			return append([]string{"--foreground", "--config-dir", config}, o.Args...), nil
		},
		ready: tr.ready,
	}}
	tr.d.start()
	tr.Address, tr.PID = transmissionURL(tr.d.ports), tr.d.proc.pid()
	return tr
}

func transmissionURL(p ports) string {
	return fmt.Sprintf("http://127.0.0.1:%d/transmission/rpc", p.api)
}

// settings are spelled as 3.00 to 4.1 all read them. The daemon writes the
// file anew when it ends.
func (tr *Transmission) settings(p ports) map[string]any {
	return map[string]any{
		"rpc-enabled":                 true,
		"rpc-bind-address":            "127.0.0.1",
		"rpc-port":                    p.api,
		"rpc-url":                     "/transmission/",
		"rpc-authentication-required": true,
		"rpc-username":                tr.Username,
		"rpc-password":                tr.Password,
		"rpc-whitelist-enabled":       true,
		"rpc-whitelist":               "127.0.0.1,::1",
		"rpc-host-whitelist-enabled":  true,
		"rpc-host-whitelist":          "localhost",

		"bind-address-ipv4":         "127.0.0.1",
		"bind-address-ipv6":         "::1",
		"peer-port":                 p.peer,
		"peer-port-random-on-start": false,
		"port-forwarding-enabled":   false,
		"dht-enabled":               false,
		"lpd-enabled":               false,
		"pex-enabled":               false,
		"utp-enabled":               false,
		"blocklist-enabled":         false,

		"download-dir":                 tr.Dir,
		"incomplete-dir-enabled":       false,
		"watch-dir-enabled":            false,
		"rename-partial-files":         true,
		"start-added-torrents":         true,
		"trash-original-torrent-files": false,
		"speed-limit-up-enabled":       false,
		"speed-limit-down-enabled":     false,
		"download-queue-enabled":       true,
		"download-queue-size":          5,
		"message-level":                2,
		"umask":                        int(tr.d.user.umask()),
	}
}

// ready wants a 409: the credentials were right, the session id was missing.
func (tr *Transmission) ready(ctx context.Context, client *http.Client, p ports) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, transmissionURL(p), http.NoBody)
	if err != nil {
		return err
	}
	req.SetBasicAuth(tr.Username, tr.Password)
	return expect(client, req, http.StatusConflict)
}

// Stop ends it as an init system does, and waits for the end.
func (tr *Transmission) Stop() { tr.d.t.Helper(); tr.d.stop() }

// Kill9 ends it without a word, and waits for the end.
func (tr *Transmission) Kill9() { tr.d.kill9() }

// Restart starts it again at the same address, with its torrents; one that
// still runs is stopped before.
func (tr *Transmission) Restart() {
	tr.d.t.Helper()
	tr.d.restart()
	tr.PID = tr.d.proc.pid()
}

// Log returns the end of what it has printed.
func (tr *Transmission) Log() string { return string(tr.d.logTail()) }
