package driver

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

// What every plugin has to do is tested in contract_test.go; here is what is
// fetchd's own.

func TestAFileComesWholeAlsoOverARestartOfTheDaemon(t *testing.T) {
	daemon := startDaemon(t)
	d := newDriver(t, daemon)
	content := randomBytes(1 << 20)
	req := job("j1", web(t, content)+"/file.bin", t.TempDir())
	req.Limits.DownloadRate = 400_000
	ref := add(t, d, req)
	waitFor(t, d, ref, func(s downloader.Status) bool { return s.DoneBytes > 100_000 })
	daemon.restart()
	waitFor(t, d, ref, in(downloader.PhaseDownloading))
	if err := d.SetLimits(t.Context(), ref, downloader.Limits{}); err != nil {
		t.Fatal(err)
	}
	s := waitFor(t, d, ref, in(downloader.PhaseComplete))
	if len(s.Files) != 1 || s.Files[0].Path != "file.bin" || s.TotalBytes != 1<<20 {
		t.Fatalf("got %+v", s)
	}
	if got, err := os.ReadFile(filepath.Join(req.Dir, "file.bin")); err != nil || !bytes.Equal(got, content) {
		t.Errorf("the file has other bytes, %v", err)
	}
}

func TestAddsOfOneJobAtTheSameTimeMakeOneDownload(t *testing.T) {
	daemon := startDaemon(t)
	d := newDriver(t, daemon)
	req := job("j1", web(t, randomBytes(10))+"/x", t.TempDir())
	var group sync.WaitGroup
	for range 10 {
		group.Go(func() {
			if _, err := d.Add(t.Context(), req); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if n := len(daemon.downloads()); n != 1 {
		t.Errorf("there are %d downloads", n)
	}
}

func TestADownloadThatWasMovedIsReportedAndItsDataKept(t *testing.T) {
	daemon := startDaemon(t)
	d := newDriver(t, daemon)
	ref := add(t, d, job("j1", web(t, randomBytes(10))+"/x", t.TempDir()))
	waitFor(t, d, ref, in(downloader.PhaseComplete))
	elsewhere := t.TempDir()
	daemon.request(http.MethodPatch, fmt.Sprintf("/api/downloads/%d", daemon.downloads()[0].ID), fmt.Sprintf(`{"dir":%q}`, elsewhere))
	if s := check(t, d, ref); s.Phase != downloader.PhaseFailed || !errs.Is(s.Err, errs.MovedAway) {
		t.Errorf("got %+v", s)
	}
	if err := d.Remove(t.Context(), ref, true); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(elsewhere, "x")); err != nil || len(daemon.downloads()) != 0 {
		t.Errorf("%v; there are still %d downloads", err, len(daemon.downloads()))
	}
}

func TestWhatFailsHasACodeOfItsOwn(t *testing.T) {
	daemon := startDaemon(t)
	d := newDriver(t, daemon)
	for path, code := range map[string]errs.Code{
		web(t, nil) + "/404":  errs.SourceNotFound,
		"http://127.0.0.1:1/": errs.SourceUnreachable,
	} {
		ref := add(t, d, job("job of "+path, path, t.TempDir()))
		s := waitFor(t, d, ref, in(downloader.PhaseFailed))
		if !errs.Is(s.Err, code) {
			t.Errorf("%s: %v", path, s.Err)
		}
	}
}

func TestAStateThatIsNotKnownIsNoFailure(t *testing.T) {
	d := newDriver(t, startDaemon(t))
	if p := d.phase("defragmenting"); p != downloader.PhaseUnknown {
		t.Errorf("got %s", p)
	}
}

func TestATestTellsWhatIsWrong(t *testing.T) {
	daemon := startDaemon(t)
	other := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(other.Close)
	for name, tt := range map[string]struct {
		settings string
		code     errs.Code
	}{
		"all is well":        {fmt.Sprintf(`{"address":%q,"token":%q}`, daemon.Address(), testToken), ""},
		"the token is wrong": {fmt.Sprintf(`{"address":%q,"token":"no"}`, daemon.Address()), errs.DownloaderAuthFailed},
		"nothing is there":   {`{"address":"127.0.0.1:1"}`, errs.DownloaderUnreachable},
		"something else is":  {fmt.Sprintf(`{"address":%q}`, other.URL), errs.NotADownloader},
		"TLS is asked for":   {fmt.Sprintf(`{"address":"https://%s"}`, daemon.Address()), errs.NotADownloader},
	} {
		t.Run(name, func(t *testing.T) {
			dr, err := New().Configure(t.Context(), downloader.Config{DownloaderID: "d1", Settings: []byte(tt.settings)})
			if err != nil {
				t.Fatal(err)
			}
			r, err := dr.(downloader.Tester).Test(t.Context())
			if err != nil || r.OK() != (tt.code == "") {
				t.Fatalf("%+v, %v", r, err)
			}
			if last := r.Checks[len(r.Checks)-1]; errs.CodeOf(last.Err) != tt.code {
				t.Errorf("got %+v", last)
			}
			if tt.code == "" && (r.Version == "" || r.LocalAddress != "127.0.0.1") {
				t.Errorf("got %+v", r)
			}
		})
	}
}

func TestSettingsAreReadStrictly(t *testing.T) {
	for name, settings := range map[string]string{
		"no address":          `{}`,
		"an unknown key":      `{"address":"nas","adress":"nas"}`,
		"another scheme":      `{"address":"ftp://nas"}`,
		"a bad certificate":   `{"address":"nas","ca_certificate":"x"}`,
		"a list":              `[]`,
		"more than an object": `{"address":"nas"} {}`,
	} {
		_, err := New().Configure(t.Context(), downloader.Config{Settings: []byte(settings)})
		if !errs.Is(err, errs.InvalidSettings) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
