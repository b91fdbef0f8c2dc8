package lab

import (
	"context"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// QBittorrentOptions change how qBittorrent is started.
type QBittorrentOptions struct {
	// Dir is the download folder; empty makes one.
	Dir string
	// Args are further arguments of qbittorrent-nox.
	Args []string
	// User is the system user that it runs as; only root can choose one.
	User *User
}

// QBittorrent is a running qbittorrent-nox with its WebUI. Its profile is kept
// over a restart.
type QBittorrent struct {
	// Address is the URL of its WebUI, "http://127.0.0.1:PORT".
	Address string
	// Username and Password are those of the WebUI.
	Username, Password string
	// PID is that of the process that runs now.
	PID int
	// Dir is its download folder.
	Dir string

	d *daemon
}

// StartQBittorrent starts qbittorrent-nox and waits until it answers. It ends
// with the test.
func StartQBittorrent(t testing.TB, o QBittorrentOptions) *QBittorrent {
	t.Helper()
	base := t.TempDir()
	q := &QBittorrent{Username: username, Password: newSecret(), Dir: downloadDir(t, base, o.Dir)}
	profile := filepath.Join(base, "profile")
	conf := filepath.Join(profile, "qBittorrent", "config", "qBittorrent.conf")
	q.d = &daemon{t: t, base: base, user: o.User, program: program{
		name: "qbittorrent-nox",
		pkg:  "qbittorrent-nox",
		configure: func(p ports) error {
			text, err := q.config(p)
			if err != nil {
				return err
			}
			if err := os.MkdirAll(filepath.Dir(conf), 0o700); err != nil {
				return err
			}
			return os.WriteFile(conf, []byte(text), 0o600)
		},
		command: func(p ports) (args, env []string) {
			return append([]string{"--profile=" + profile, fmt.Sprintf("--webui-port=%d", p.api)}, o.Args...), nil
		},
		ready:   q.ready,
		mayHang: true, // 4.5.2 did, once in some hundred times
	}}
	q.d.start()
	q.Address, q.PID = qbittorrentURL(q.d.ports), q.d.proc.pid()
	return q
}

func qbittorrentURL(p ports) string { return fmt.Sprintf("http://127.0.0.1:%d", p.api) }

// config is understood by 4.5 to 5.3. Without LocalHostAuth, loopback would
// need no password.
func (q *QBittorrent) config(p ports) (string, error) {
	password, err := qbittorrentPassword(q.Password)
	if err != nil {
		return "", err
	}
	return strings.Join([]string{
		"[LegalNotice]",
		"Accepted=true",
		"[BitTorrent]",
		`Session\AddExtensionToIncompleteFiles=false`,
		`Session\AddTorrentStopped=false`,
		`Session\DHTEnabled=false`,
		`Session\LSDEnabled=false`,
		`Session\PeXEnabled=false`,
		`Session\MultiConnectionsPerIp=true`,
		`Session\IgnoreLimitsOnLAN=false`,
		`Session\Interface=lo`,
		`Session\InterfaceName=lo`,
		`Session\InterfaceAddress=127.0.0.1`,
		fmt.Sprintf(`Session\Port=%d`, p.peer),
		`Session\DefaultSavePath=` + q.Dir,
		`Session\TempPathEnabled=false`,
		`Session\QueueingSystemEnabled=true`,
		`Session\MaxActiveDownloads=5`,
		`Session\SSRFMitigation=false`,
		`Session\ReannounceWhenAddressChanged=false`,
		"[Network]",
		"PortForwardingEnabled=false",
		"[Preferences]",
		`Downloads\SavePath=` + q.Dir,
		`General\Locale=en`,
		`WebUI\Address=127.0.0.1`,
		fmt.Sprintf(`WebUI\Port=%d`, p.api),
		`WebUI\UseUPnP=false`,
		`WebUI\Username=` + q.Username,
		`WebUI\Password_PBKDF2=` + password,
		`WebUI\LocalHostAuth=true`,
		`WebUI\AuthSubnetWhitelistEnabled=false`,
		`WebUI\CSRFProtection=true`,
		`WebUI\ClickjackingProtection=true`,
		`WebUI\HostHeaderValidation=true`,
		`WebUI\MaxAuthenticationFailCount=5`,
		`WebUI\BanDuration=3600`,
		`WebUI\SessionTimeout=3600`,
		"[RSS]",
		`Session\EnableProcessing=false`,
		"",
	}, "\n"), nil
}

// qbittorrentPassword returns a password as the configuration file has it.
func qbittorrentPassword(password string) (string, error) {
	const saltSize, rounds, keySize = 16, 100_000, 64
	salt := make([]byte, saltSize)
	_, _ = rand.Read(salt) // never fails
	key, err := pbkdf2.Key(sha512.New, password, salt, rounds, keySize)
	if err != nil {
		return "", err
	}
	encode := base64.StdEncoding.EncodeToString
	return fmt.Sprintf(`"@ByteArray(%s:%s)"`, encode(salt), encode(key)), nil
}

func (q *QBittorrent) ready(ctx context.Context, client *http.Client, p ports) error {
	form := url.Values{"username": {q.Username}, "password": {q.Password}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, qbittorrentURL(p)+"/api/v2/auth/login", strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return expect(client, req, http.StatusOK, http.StatusNoContent)
}

// Stop ends it as an init system does, and waits for the end.
func (q *QBittorrent) Stop() { q.d.t.Helper(); q.d.stop() }

// Kill9 ends it without a word, and waits for the end.
func (q *QBittorrent) Kill9() { q.d.kill9() }

// Restart starts it again at the same address, with its profile; one that
// still runs is stopped before.
func (q *QBittorrent) Restart() {
	q.d.t.Helper()
	q.d.restart()
	q.PID = q.d.proc.pid()
}

// Log returns the end of what it has printed.
func (q *QBittorrent) Log() string { return string(q.d.logTail()) }
