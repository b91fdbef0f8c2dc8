package driver

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

// startRangeless serves a file without ranges; of the first answer it keeps
// back the second half.
func startRangeless(t *testing.T, whole []byte) *httptest.Server {
	t.Helper()
	var asked atomic.Int32
	w := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("Content-Length", strconv.Itoa(len(whole)))
		if asked.Add(1) > 1 {
			_, _ = rw.Write(whole)
			return
		}
		_, _ = rw.Write(whole[:len(whole)/2])
		_ = http.NewResponseController(rw).Flush()
		<-r.Context().Done()
	}))
	t.Cleanup(w.Close)
	t.Cleanup(w.CloseClientConnections)
	return w
}

func TestDownloadBeginsAnewWhereTheServerCannotGoOn(t *testing.T) {
	t.Parallel()
	whole := content(4_000_000)
	w := startRangeless(t, whole)
	a := startAria2(t, "auto-save-interval=1")
	d, dir := newDriver(t, a.settings()), t.TempDir()
	req := downloader.AddRequest{
		JobID: "job-1", Dir: dir, Source: httpSource(w.URL + "/x"),
		Options: []byte(`{"header":["X-A: 1","X-B: 2"]}`), Limits: downloader.Limits{UploadRate: 5},
	}
	ref, err := d.Add(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	awaitBytes(t, d, ref)
	// What is on disk is noted once a second; a control file without it begins
	// at the first byte, which any server can.
	eventually(t, "aria2 has noted what it has", func() bool { return check(t, d, ref).DoneBytes >= 1_900_000 })
	settled := time.Now().Add(1200 * time.Millisecond)
	eventually(t, "the note is written", func() bool { return time.Now().After(settled) })
	pushed := watch(t, d)
	a.restart()
	await(t, d, ref, downloader.PhaseComplete)
	sameFile(t, dir, "x", whole)
	a.wantOptions("job-1", map[string]string{"header": "X-A: 1\nX-B: 2\n", "max-upload-limit": "5", "remove-control-file": "true"})
	for len(pushed) > 0 {
		if s := <-pushed; s.Phase == downloader.PhaseFailed {
			t.Errorf("a failure was pushed: %v", s.Err)
		}
	}
}

func TestDownloadThatSomebodyGaveAnotherFolderIsNotTaken(t *testing.T) {
	t.Parallel()
	a, w := startAria2(t), startWeb(t)
	d := newDriver(t, a.settings())
	ref := add(t, d, "job-1", t.TempDir(), httpSource(w.URL+"/held/10/x"))
	await(t, d, ref, downloader.PhaseDownloading)
	pause(t, d, ref)
	elsewhere := t.TempDir()
	a.call("aria2.changeOption", nil, gidOf("job-1"), map[string]string{"dir": elsewhere})
	close(w.release)
	resume(t, d, ref)
	if s := awaitFailed(t, d, ref); !errs.Is(s.Err, errs.MovedAway) || len(s.Files) > 0 {
		t.Errorf("it failed with %v, files %v", s.Err, s.Files)
	}
	if err := d.Remove(t.Context(), ref, true); err != nil {
		t.Fatal(err)
	}
	sameFile(t, elsewhere, "x", content(10)) // what is outside of the job's directory stays
}

func TestDaemonThatLosesItsJobsGetsThemAgain(t *testing.T) {
	t.Parallel()
	w := startWeb(t)
	a := startAria2(t, "save-session=")
	d, dir := newDriver(t, a.settings()), t.TempDir()
	ref := add(t, d, "job-1", dir, httpSource(w.URL+"/held/10/x"))
	await(t, d, ref, downloader.PhaseDownloading)
	a.restart()
	await(t, d, ref, downloader.PhaseGone)
	close(w.release)
	add(t, d, "job-1", dir, httpSource(w.URL+"/held/10/x"))
	await(t, d, ref, downloader.PhaseComplete)
}

func TestWaitingJobRemovedByHandIsGone(t *testing.T) {
	t.Parallel()
	a, w := startAria2(t), startWeb(t)
	d := newDriver(t, a.settings())
	ref, err := d.Add(t.Context(), downloader.AddRequest{JobID: "job-1", Dir: t.TempDir(), Source: httpSource(w.URL + "/file/1/x"), Paused: true})
	if err != nil {
		t.Fatal(err)
	}
	await(t, d, ref, downloader.PhasePaused)
	a.call("aria2.forceRemove", nil, gidOf("job-1"))
	await(t, d, ref, downloader.PhaseGone)
}

func TestALookAtAThousandJobsIsOneRequest(t *testing.T) {
	t.Parallel()
	a := startAria2(t)
	proxy := startCountingProxy(t, a)
	d := newDriver(t, proxy.settings())
	const n = 1000
	refs := make([]downloader.Ref, n)
	dir := t.TempDir()
	done := make(chan error, n)
	for i := range refs {
		go func() {
			var err error
			magnet := fmt.Sprintf("magnet:?xt=urn:btih:%040x", i+1)
			refs[i], err = d.Add(t.Context(), downloader.AddRequest{JobID: fmt.Sprint("job-", i), Dir: dir, Source: downloader.Source{Kind: downloader.SourceMagnet, URI: magnet}})
			done <- err
		}()
	}
	for range refs {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	if requests := proxy.count.Load(); requests > n/5 {
		t.Errorf("%d adds took %d requests", n, requests)
	}
	eventually(t, "a look is one request, and saves no session", func() bool {
		before, saves := proxy.count.Load(), proxy.calls("aria2.saveSession")
		got, err := d.Check(t.Context(), refs)
		if err != nil || len(got) != n {
			t.Fatal(len(got), err)
		}
		return proxy.count.Load() == before+1 && proxy.calls("aria2.saveSession") == saves
	})
}
