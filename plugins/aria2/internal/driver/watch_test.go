package driver

import (
	"context"
	"testing"
	"time"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

func TestWatchPushesWhatHappensAtOnce(t *testing.T) {
	t.Parallel()
	a, w := startAria2(t), startWeb(t)
	d := newDriver(t, a.settings())
	pushed := watch(t, d)
	ref := add(t, d, "job-1", t.TempDir(), httpSource(w.URL+"/held/10/a"))
	await(t, d, ref, downloader.PhaseDownloading)
	close(w.release)
	began := time.Now()
	for s := range pushed {
		if s.Phase != downloader.PhaseComplete {
			continue
		}
		if s.JobID != "job-1" || len(s.Files) != 1 || s.Name != "a" {
			t.Errorf("pushed %+v", s)
		}
		t.Logf("from release to push: %v", time.Since(began))
		break
	}
	failing := add(t, d, "job-2", t.TempDir(), httpSource(w.URL+"/status/404"))
	for s := range pushed {
		if s.JobID == failing.JobID && s.Phase == downloader.PhaseFailed {
			break
		}
	}
}

func TestWatchEndsWithTheDaemonAndWorksAgainAfterwards(t *testing.T) {
	t.Parallel()
	a, w := startAria2(t), startWeb(t)
	d := newDriver(t, a.settings())
	ended := make(chan error, 1)
	if _, err := d.Check(t.Context(), []downloader.Ref{{JobID: "x"}}); err != nil {
		t.Fatal(err)
	}
	go func() { ended <- d.Watch(context.Background(), func([]downloader.Status) {}) }()
	a.kill()
	select {
	case err := <-ended:
		if !errs.Is(err, errs.DownloaderUnreachable) {
			t.Fatalf("watch ended with %v", err)
		}
	case <-time.After(patience):
		t.Fatal("watch goes on without a daemon")
	}
	if _, err := d.Check(t.Context(), []downloader.Ref{{JobID: "x"}}); !errs.Is(err, errs.DownloaderUnreachable) {
		t.Fatalf("check without daemon: %v", err)
	}
	a.Restart()
	eventually(t, "the driver is connected again", func() bool {
		_, err := d.Check(t.Context(), []downloader.Ref{{JobID: "x"}})
		return err == nil
	})
	pushed := watch(t, d)
	add(t, d, "job-1", t.TempDir(), httpSource(w.URL+"/file/10/a"))
	for s := range pushed {
		if s.Phase == downloader.PhaseComplete {
			break
		}
	}
}

func TestWatchIsNotOfferedWhereNoWebSocketGetsThrough(t *testing.T) {
	t.Parallel()
	d := newDriver(t, startCountingProxy(t, startAria2(t)).settings())
	if err := d.Watch(t.Context(), func([]downloader.Status) {}); !errs.Is(err, errs.NotOffered) {
		t.Fatalf("got %v", err)
	}
}

// watch runs Watch for the time of the test and returns what it pushes.
func watch(t testing.TB, d *Driver) <-chan downloader.Status {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*patience)
	out := make(chan downloader.Status, 1000)
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer close(out)
		_ = d.Watch(ctx, func(list []downloader.Status) {
			for _, s := range list {
				out <- s
			}
		})
	}()
	t.Cleanup(func() { cancel(); <-done })
	return out
}
