package lab

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"
)

// WebDAV is Apache's WebDAV server. Its files are kept over a restart.
type WebDAV struct {
	// URL is that of its top folder, without a slash at the end.
	URL string
	// Username and Password are those of its only user.
	Username, Password string
	// Dir has its files.
	Dir string

	d *daemon
}

// StartWebDAV starts Apache with mod_dav. It ends with the test.
func StartWebDAV(t testing.TB) *WebDAV {
	t.Helper()
	base := t.TempDir()
	w := &WebDAV{Username: "haul", Password: newSecret(), Dir: filepath.Join(base, "files")}
	conf := filepath.Join(base, "apache.conf")
	w.d = &daemon{t: t, base: base, program: program{
		name:      "/usr/sbin/apache2",
		pkg:       "apache2-bin",
		mayHang:   true, // while somebody uploads
		configure: func(p ports) error { return w.configure(conf, p) },
		command: func(ports) (args, env []string) {
			return []string{"-X", "-f", conf}, nil
		},
		ready: w.ready,
	}}
	w.d.start()
	w.URL = webdavURL(w.d.ports)
	return w
}

func webdavURL(p ports) string { return fmt.Sprintf("http://127.0.0.1:%d/dav", p.api) }

// configure writes the configuration: a single process with threads, so that
// to kill it kills all of it.
func (w *WebDAV) configure(conf string, p ports) error {
	base := filepath.Dir(conf)
	hash, err := bcrypt.GenerateFromPassword([]byte(w.Password), bcrypt.MinCost)
	if err != nil {
		return err
	}
	var lines []string
	for _, module := range []string{"mpm_event", "authn_core", "authn_file", "authz_core", "authz_user", "auth_basic", "alias", "dav", "dav_fs", "dav_lock"} {
		lines = append(lines, fmt.Sprintf("LoadModule %s_module /usr/lib/apache2/modules/mod_%s.so", module, module))
	}
	lines = append(lines,
		fmt.Sprintf("Listen 127.0.0.1:%d", p.api),
		"ServerName 127.0.0.1",
		"ServerRoot "+base,
		"DefaultRuntimeDir "+base,
		"PidFile "+filepath.Join(base, "apache.pid"),
		"ErrorLog "+filepath.Join(base, "log"),
		"DAVLockDB "+filepath.Join(base, "locks"),
		"AllowEncodedSlashes On",
		"Alias /dav "+w.Dir,
		"<Directory "+w.Dir+">",
		"Dav On",
		"AuthType Basic",
		"AuthName haul",
		"AuthUserFile "+filepath.Join(base, "users"),
		"Require valid-user",
		"</Directory>",
		"",
	)
	return errors.Join(
		os.MkdirAll(w.Dir, 0o755),
		os.WriteFile(filepath.Join(base, "users"), []byte(w.Username+":"+string(hash)+"\n"), 0o600),
		os.WriteFile(conf, []byte(strings.Join(lines, "\n")), 0o600),
	)
}

func (w *WebDAV) ready(ctx context.Context, client *http.Client, p ports) error {
	req, err := http.NewRequestWithContext(ctx, "PROPFIND", webdavURL(p)+"/", http.NoBody)
	if err != nil {
		return err
	}
	req.SetBasicAuth(w.Username, w.Password)
	req.Header.Set("Depth", "0")
	return expect(client, req, http.StatusMultiStatus)
}

// Kill9 ends it without a word, and waits for the end. Asked to end, it would
// wait for uploads.
func (w *WebDAV) Kill9() { w.d.kill9() }

// Restart starts it again at the same address, with its files as they are.
func (w *WebDAV) Restart() { w.d.t.Helper(); w.d.restart() }

// Log returns the end of what it has printed.
func (w *WebDAV) Log() string { return string(w.d.logTail()) }
