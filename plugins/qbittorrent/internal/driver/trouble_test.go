package driver

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

func TestARestartAndAKill(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	d := b.driver()
	ref := add(t, d, b.request("slow", true))
	await(t, d, ref, "bytes", func(s downloader.Status) bool { return s.DoneBytes > 0 })
	for _, end := range []func(){b.q.Stop, b.q.Kill9} {
		end()
		_, err := d.Check(t.Context(), []downloader.Ref{ref})
		wantCode(t, err, errs.DownloaderUnreachable)
		b.q.Restart()
		await(t, d, ref, "bytes", func(s downloader.Status) bool {
			if s.Phase == downloader.PhaseGone || s.Phase == downloader.PhaseFailed {
				t.Fatalf("it is %s after the restart", s.Phase)
			}
			return s.DoneBytes > 0 && s.DownloadRate > 0
		})
	}
}

func TestAFullDiskAndAForbiddenFolder(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	d := b.driver()
	req := b.request("small", false)
	if err := os.Chmod(req.Dir, 0o555); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(req.Dir, 0o755) })
	ref := add(t, d, req)
	s := await(t, d, ref, "the reason", func(s downloader.Status) bool {
		return s.Phase == downloader.PhaseFailed && !errs.Is(s.Err, errs.DownloaderError)
	})
	wantCode(t, s.Err, errs.PathNotWritable)
	if strings.Contains(errs.MessageOf(s.Err), req.Dir) {
		t.Error("the message for the user names a path")
	}
	t.Run("a full disk", func(t *testing.T) { fullDisk(t, b, d) })
	t.Run("data that goes away", func(t *testing.T) { missingData(t, b, d) })
}

func fullDisk(t *testing.T, b *bench, d *Driver) {
	req := b.request("big", false)
	mountSmall(t, req.Dir, 2<<20)
	ref := add(t, d, req)
	s := await(t, d, ref, "the reason", func(s downloader.Status) bool {
		return s.Phase == downloader.PhaseFailed && !errs.Is(s.Err, errs.DownloaderError)
	})
	wantCode(t, s.Err, errs.OutOfSpace)
	if err := d.Remove(t.Context(), ref, true); err != nil {
		t.Error(err)
	}
}

func missingData(t *testing.T, b *bench, d *Driver) {
	req := b.request("private", false)
	ref := add(t, d, req)
	awaitPhase(t, d, ref, downloader.PhaseComplete)
	b.q.Stop()
	if err := os.Remove(filepath.Join(req.Dir, "private.bin")); err != nil {
		t.Fatal(err)
	}
	b.q.Restart()
	s := awaitPhase(t, d, ref, downloader.PhaseFailed)
	wantCode(t, s.Err, errs.FilesMissing)
}

func TestACheckObeysItsDeadline(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	d := b.driver()
	ref := add(t, d, b.request("dead", false))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := d.Check(ctx, []downloader.Ref{ref})
	wantCode(t, err, errs.Canceled)
	awaitPhase(t, d, ref, downloader.PhaseDownloading)
}
