package lab

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"
)

// username is the one of daemons that want one.
const username = "admin"

// newSecret returns a secret of its own for each daemon: only the daemon that
// was started for a test accepts it, so a ready one is the right one.
func newSecret() string { return rand.Text() }

// downloadDir makes the download folder, by default one below the base.
func downloadDir(t testing.TB, base, dir string) string {
	t.Helper()
	if dir == "" {
		dir = filepath.Join(base, "downloads")
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// expect makes a request and wants one of the given answers.
func expect(client *http.Client, req *http.Request, want ...int) error {
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	for _, status := range want {
		if resp.StatusCode == status {
			return nil
		}
	}
	return fmt.Errorf("%s answers %s", req.URL.Host, resp.Status)
}
