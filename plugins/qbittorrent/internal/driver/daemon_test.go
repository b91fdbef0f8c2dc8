package driver

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/haul-dl/haul/sdk/downloader"
)

func startPlain(s *httptest.Server) { s.Start() }

// session is that of a person at the Web UI.
func (b *bench) session() *http.Client {
	b.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		b.t.Fatal(err)
	}
	client := &http.Client{Jar: jar}
	resp, err := client.PostForm(b.q.Address+"/api/v2/auth/login", url.Values{"username": {b.q.Username}, "password": {b.q.Password}})
	if err != nil {
		b.t.Fatal(err)
	}
	_ = resp.Body.Close()
	return client
}

// call changes something at the daemon, as a person would.
func (b *bench) call(method string, form map[string]string) {
	b.t.Helper()
	values := url.Values{}
	for k, v := range form {
		values.Set(k, v)
	}
	resp, err := b.session().PostForm(b.q.Address+"/api/v2/"+method, values)
	if err != nil {
		b.t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		b.t.Fatalf("%s: %s", method, resp.Status)
	}
}

func (b *bench) read(method string, to any) {
	b.t.Helper()
	resp, err := b.session().Get(b.q.Address + "/api/v2/" + method)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(to); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) preferences(changed string) {
	b.t.Helper()
	b.call("app/setPreferences", map[string]string{"json": changed})
}

// addMany adds magnet links that nobody answers.
func addMany(t testing.TB, b *bench, d *Driver, n int) []downloader.Ref {
	t.Helper()
	refs := make([]downloader.Ref, n)
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			for i := worker; i < n; i += 4 {
				hash := make([]byte, 20)
				_, _ = rand.Read(hash)
				ref, err := d.Add(t.Context(), downloader.AddRequest{
					JobID: fmt.Sprintf("many-%d", i), Dir: filepath.Join(b.q.Dir, fmt.Sprintf("many-%d", i)),
					Source: downloader.Source{Kind: downloader.SourceMagnet, URI: "magnet:?xt=urn:btih:" + hex.EncodeToString(hash)},
				})
				if err != nil {
					t.Error(err)
					return
				}
				refs[i] = ref
			}
		})
	}
	wg.Wait()
	if t.Failed() {
		t.FailNow()
	}
	return refs
}

// mountSmall makes a small disk of a directory, where that is allowed.
func mountSmall(t *testing.T, dir string, size int) {
	t.Helper()
	err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d,mode=777", size))
	if err != nil {
		t.Skipf("a small disk cannot be mounted here: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
}

// clock is one that the test sets.
type clock struct {
	mu  sync.Mutex // guards now
	now time.Time
}

func newClock() *clock { return &clock{now: time.Now()} }

// Now returns the time.
func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Add lets time pass.
func (c *clock) Add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}
