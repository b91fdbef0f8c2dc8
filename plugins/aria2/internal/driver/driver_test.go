package driver

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/haul-dl/haul/internal/lab"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

func TestFileIsLoadedUnderItsNameWithAllThatAStatusHas(t *testing.T) {
	t.Parallel()
	a, w := startAria2(t), startWeb(t)
	d, dir := newDriver(t, a.settings()), t.TempDir()
	ref := add(t, d, "job-1", dir, httpSource(w.URL+"/file/100000/photo.jpg"))

	s := await(t, d, ref, downloader.PhaseComplete)
	want := []downloader.File{{Path: "photo.jpg", Size: 100000, DoneBytes: 100000}}
	if s.JobID != "job-1" || s.Name != "photo.jpg" || s.TotalBytes != 100000 || s.DoneBytes != 100000 || fmt.Sprint(s.Files) != fmt.Sprint(want) {
		t.Fatalf("status is %+v", s)
	}
	sameFile(t, dir, "photo.jpg", content(100000))
}

func TestSuggestedNameIsUsedAndAHostileOneRefused(t *testing.T) {
	t.Parallel()
	a, w := startAria2(t), startWeb(t)
	d, dir := newDriver(t, a.settings()), t.TempDir()
	src := httpSource(w.URL + "/file/10/x")
	src.Name = "Überraschung (1).bin"
	await(t, d, add(t, d, "job-1", dir, src), downloader.PhaseComplete)
	sameFile(t, dir, src.Name, content(10))

	for i, name := range []string{"../x", "/etc/x", "a/b", "..", ".", "a\nb", "x\n dir=/tmp", strings.Repeat("n", 256)} {
		src.Name = name
		_, err := d.Add(t.Context(), downloader.AddRequest{JobID: fmt.Sprint("bad-", i), Source: src, Dir: dir})
		if !errs.Is(err, errs.InvalidSource) {
			t.Errorf("name %q: %v", name, err)
		}
	}
}

func TestHostileSourcesAreRefusedWithTheirCodes(t *testing.T) {
	t.Parallel()
	a := startAria2(t)
	d, dir := newDriver(t, a.settings()), t.TempDir()
	cases := []struct {
		name string
		src  downloader.Source
		want errs.Code
	}{
		{"not a URL", httpSource("::"), errs.InvalidSource},
		{"a path", httpSource("/etc/passwd"), errs.InvalidSource},
		{"a file URL", httpSource("file:///etc/passwd"), errs.InvalidSource},
		{"an unknown scheme", httpSource("gopher://x/y"), errs.SourceSchemeUnknown},
		{"ftps", downloader.Source{Kind: downloader.SourceFTP, URI: "ftps://x/y"}, errs.SourceNotSupported},
		{"a line break, which would be an option in the session file", httpSource("http://x/\n dir=/tmp"), errs.InvalidSource},
		{"a magnet link without a hash", downloader.Source{Kind: downloader.SourceMagnet, URI: "magnet:?dn=x"}, errs.InvalidMagnet},
		{"a magnet link with a bad hash", downloader.Source{Kind: downloader.SourceMagnet, URI: "magnet:?xt=urn:btih:zz"}, errs.InvalidMagnet},
		{"a URL as magnet link", downloader.Source{Kind: downloader.SourceMagnet, URI: "http://x/y"}, errs.InvalidMagnet},
		{"a magnet link with a v2 hash alone", downloader.Source{Kind: downloader.SourceMagnet, URI: "magnet:?xt=urn:btmh:1220" + strings.Repeat("ab", 32)}, errs.SourceNotSupported},
		{"a web page as torrent", downloader.Source{Kind: downloader.SourceTorrent, Content: []byte("<html>")}, errs.InvalidTorrent},
		{"an empty torrent", downloader.Source{Kind: downloader.SourceTorrent}, errs.InvalidTorrent},
		{"a web page as metalink", downloader.Source{Kind: downloader.SourceMetalink, Content: []byte("<html>")}, errs.InvalidMetalink},
		{"another kind", downloader.Source{Kind: "nzb"}, errs.SourceNotSupported},
	}
	for i, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := d.Add(t.Context(), downloader.AddRequest{JobID: fmt.Sprint("job-", i), Source: c.src, Dir: dir})
			if !errs.Is(err, c.want) || errs.HintOf(err) == "" {
				t.Fatalf("got %v (hint %q), want %s", err, errs.HintOf(err), c.want)
			}
		})
	}
	var active, waiting []any
	a.call("aria2.tellActive", &active)
	a.call("aria2.tellWaiting", &waiting, 0, 100)
	if len(active)+len(waiting) > 0 {
		t.Fatalf("something was left behind: %v %v", active, waiting)
	}
}

func TestDeadSourcesFailWithTheirCodesPromptly(t *testing.T) {
	t.Parallel()
	a, w := startAria2(t), startWeb(t)
	d := newDriver(t, a.settings())
	tls := startTLSWeb(t)
	refused := fmt.Sprintf("http://127.0.0.1:%d/x", lab.ClosedPort(t))
	cases := []struct {
		name, uri string
		want      errs.Code
	}{
		{"404", w.URL + "/status/404", errs.SourceNotFound},
		{"410", w.URL + "/status/410", errs.SourceNotFound},
		{"401", w.URL + "/status/401", errs.SourceForbidden},
		{"403", w.URL + "/status/403", errs.SourceForbidden},
		{"451", w.URL + "/status/451", errs.SourceForbidden},
		{"429", w.URL + "/status/429", errs.SourceServerError},
		{"500", w.URL + "/status/500", errs.SourceServerError},
		{"endless redirects", w.URL + "/loop/", errs.SourceServerError},
		{"connection refused", refused, errs.SourceUnreachable},
		{"unknown host", "http://no-such-host.invalid/x", errs.SourceUnreachable},
		{"certificate that nobody signed", tls + "/x", errs.SourceTLS},
		{"TLS asked of a plain server", strings.Replace(w.URL, "http:", "https:", 1) + "/file/1/x", errs.SourceTLS},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			ref := add(t, d, "job "+c.name, t.TempDir(), httpSource(c.uri))
			var s downloader.Status
			eventually(t, "the job fails", func() bool {
				got, err := d.Check(t.Context(), []downloader.Ref{ref})
				if err != nil {
					return false
				}
				s = got[0]
				return s.Phase == downloader.PhaseFailed
			})
			if !errs.Is(s.Err, c.want) || errs.HintOf(s.Err) == "" || errs.MessageOf(s.Err) == "" {
				t.Errorf("got %v, want %s", s.Err, c.want)
			}
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}

func TestEveryErrorCodeOfAria2HasAMessage(t *testing.T) {
	t.Parallel()
	cases := []struct {
		code, message string
		want          errs.Code
	}{
		{"1", "", errs.DownloaderError},
		{"1", "No URI available.", errs.SourceUnreachable},
		{"2", "Timeout.", errs.SourceTimeout},
		{"3", "Resource not found", errs.SourceNotFound},
		{"7", "", errs.Stalled},
		{"9", "Download aborted.", errs.OutOfSpace},
		{"12", "InfoHash is already registered.", errs.InUse},
		{"13", "", errs.DestinationExists},
		{"15", "", errs.PathNotWritable},
		{"16", "", errs.PathNotWritable},
		{"17", "", errs.PathNotWritable},
		{"18", "", errs.PathNotWritable},
		{"19", "", errs.SourceUnreachable},
		{"22", "The response status is not successful. status=403", errs.SourceForbidden},
		{"24", "Authorization failed.", errs.SourceForbidden},
		{"29", "The response status is not successful. status=503", errs.SourceServerError},
		{"32", "", errs.ChecksumMismatch},
		{"99", "", errs.DownloaderError},
	}
	for _, c := range cases {
		e := failureOf(c.code, c.message)
		if e.Code != c.want || e.Msg == "" || errs.HintOf(e) == "" {
			t.Errorf("code %s %q: %+v, want %s", c.code, c.message, e, c.want)
		}
	}
	for code, f := range failures {
		if f.msg == "" || f.code.Title() == string(f.code) {
			t.Errorf("code %s has no message or an unknown code", code)
		}
	}
}

func TestAddIsIdempotentAcrossRestartsOfEverything(t *testing.T) {
	t.Parallel()
	a, w := startAria2(t), startWeb(t)
	w.rate = 100_000
	dir := t.TempDir()
	src := httpSource(w.URL + "/file/300000/big")
	d := newDriver(t, a.settings())
	first := add(t, d, "job-1", dir, src)
	if again := add(t, d, "job-1", dir, src); toJSON(t, again) != toJSON(t, first) {
		t.Fatalf("second ref differs: %v %v", first, again)
	}
	if err := d.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	a.restart() // kill -9, as Add has returned the job is in the session file

	d = newDriver(t, a.settings())
	if again := add(t, d, "job-1", dir, src); toJSON(t, again) != toJSON(t, first) {
		t.Fatalf("ref after restart differs: %v %v", first, again)
	}
	var active []task
	a.call("aria2.tellActive", &active)
	if len(active) != 1 || active[0].GID != gidOf("job-1") {
		t.Fatalf("aria2 has %+v", active)
	}
	await(t, d, first, downloader.PhaseComplete)
	add(t, d, "job-1", dir, src) // also once it is complete
	if s := await(t, d, first, downloader.PhaseComplete); len(s.Files) != 1 {
		t.Fatalf("files are %v", s.Files)
	}
	sameFile(t, dir, "big", content(300000))
}

func TestManyAddsAtOnceTakeFewRequests(t *testing.T) {
	t.Parallel()
	a, w := startAria2(t), startWeb(t)
	proxy := startCountingProxy(t, a)
	d := newDriver(t, proxy.settings())
	if _, err := d.Check(t.Context(), []downloader.Ref{handle{}.ref("x")}); err != nil {
		t.Fatal(err)
	}
	before := proxy.count.Load()
	const n = 500
	root := t.TempDir()
	var wg sync.WaitGroup
	failed := make(chan error, n)
	refs := make([]downloader.Ref, n)
	for i := range n {
		wg.Go(func() {
			dir := filepath.Join(root, fmt.Sprint(i))
			if err := os.Mkdir(dir, 0o700); err != nil {
				failed <- err
				return
			}
			var err error
			refs[i], err = d.Add(t.Context(), downloader.AddRequest{JobID: fmt.Sprint("job-", i), Dir: dir, Source: httpSource(w.URL + "/file/1000/f")})
			if err != nil {
				failed <- err
			}
		})
	}
	wg.Wait()
	close(failed)
	for err := range failed {
		t.Fatal(err)
	}
	if requests := proxy.count.Load() - before; requests > n/5 {
		t.Errorf("%d adds took %d requests", n, requests)
	}
	eventually(t, "all are complete", func() bool {
		got, err := d.Check(t.Context(), refs)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range got {
			if s.Phase != downloader.PhaseComplete || len(s.Files) != 1 {
				return false
			}
		}
		return true
	})
	before = proxy.count.Load()
	if _, err := d.Check(t.Context(), refs); err != nil {
		t.Fatal(err)
	}
	if requests := proxy.count.Load() - before; requests != 1 {
		t.Errorf("a check of %d jobs took %d requests", n, requests)
	}
}

func TestPartialDataGoesOnAfterRemoveAndAfterKill(t *testing.T) {
	t.Parallel()
	const size = 4_000_000
	path := fmt.Sprintf("/file/%d/big", size)
	cases := []struct {
		name      string
		interrupt func(*testing.T, *aria2, *Driver, downloader.Ref)
	}{
		{"kill -9 of the daemon", func(_ *testing.T, a *aria2, _ *Driver, _ downloader.Ref) { a.restart() }},
		{"remove and add", func(t *testing.T, _ *aria2, d *Driver, ref downloader.Ref) {
			if err := d.Remove(t.Context(), ref, false); err != nil {
				t.Fatal(err)
			}
			await(t, d, ref, downloader.PhaseGone)
		}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			a, w := startAria2(t, "max-connection-per-server=1", "auto-save-interval=1"), startWeb(t)
			w.rate = 1_000_000
			d, dir := newDriver(t, a.settings()), t.TempDir()
			ref := add(t, d, "job-1", dir, httpSource(w.URL+path))
			eventually(t, "half of it is there", func() bool {
				got, err := d.Check(t.Context(), []downloader.Ref{ref})
				return err == nil && got[0].DoneBytes >= size/2
			})
			c.interrupt(t, a, d, ref)
			before, _ := w.served(path)
			add(t, d, "job-1", dir, httpSource(w.URL+path))
			await(t, d, ref, downloader.PhaseComplete)
			after, _ := w.served(path)
			if after-before > size*85/100 {
				t.Errorf("loaded %d of %d bytes again", after-before, size)
			}
			sameFile(t, dir, "big", content(size))
		})
	}
}

func TestDataWithoutControlFileIsNotTakenForWhole(t *testing.T) {
	t.Parallel()
	a, w := startAria2(t), startWeb(t)
	d, dir := newDriver(t, a.settings()), t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "big"), make([]byte, 100000), 0o600); err != nil {
		t.Fatal(err)
	}
	ref := add(t, d, "job-1", dir, httpSource(w.URL+"/file/100000/big"))
	await(t, d, ref, downloader.PhaseComplete)
	sameFile(t, dir, "big", content(100000))
}

func TestAJobReportedCompleteNeverComesBackAfterKill(t *testing.T) {
	t.Parallel()
	a, w := startAria2(t), startWeb(t)
	d, dir := newDriver(t, a.settings()), t.TempDir()
	const path = "/file/50000/x"
	ref := add(t, d, "job-1", dir, httpSource(w.URL+path))
	await(t, d, ref, downloader.PhaseComplete)
	if err := os.Rename(filepath.Join(dir, "x"), filepath.Join(t.TempDir(), "x")); err != nil { // delivered
		t.Fatal(err)
	}
	a.restart()
	await(t, d, ref, downloader.PhaseGone)
	if _, gets := w.served(path); gets != 1 {
		t.Errorf("loaded %d times", gets)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("aria2 wrote again: %v %v", left, err)
	}
}

func TestRemoveStopsAndForgets(t *testing.T) {
	t.Parallel()
	a, w := startAria2(t, "max-concurrent-downloads=1"), startWeb(t)
	d := newDriver(t, a.settings())
	a.call("aria2.changeGlobalOption", nil, map[string]string{"max-concurrent-downloads": "1"})
	running := add(t, d, "job-1", t.TempDir(), httpSource(w.URL+"/held/10/a"))
	waiting := add(t, d, "job-2", t.TempDir(), httpSource(w.URL+"/held/10/b"))
	await(t, d, running, downloader.PhaseDownloading)
	for _, ref := range []downloader.Ref{waiting, running, running, {JobID: "job-1"}, {JobID: "never"}} {
		if err := d.Remove(t.Context(), ref, true); err != nil {
			t.Fatalf("remove %s: %v", ref.JobID, err)
		}
	}
	var active, queued, stopped []any
	a.call("aria2.tellActive", &active)
	a.call("aria2.tellWaiting", &queued, 0, 10)
	a.call("aria2.tellStopped", &stopped, 0, 10)
	if len(active)+len(queued)+len(stopped) > 0 {
		t.Fatalf("aria2 still has %v %v %v", active, queued, stopped)
	}
}

func TestSomebodyElseRemovesAJob(t *testing.T) {
	t.Parallel()
	a, w := startAria2(t), startWeb(t)
	d, dir := newDriver(t, a.settings()), t.TempDir()
	ref := add(t, d, "job-1", dir, httpSource(w.URL+"/held/10/a"))
	await(t, d, ref, downloader.PhaseDownloading)
	a.call("aria2.forcePause", nil, gidOf("job-1"))
	await(t, d, ref, downloader.PhasePaused)
	a.call("aria2.unpause", nil, gidOf("job-1"))
	await(t, d, ref, downloader.PhaseDownloading)
	a.call("aria2.forceRemove", nil, gidOf("job-1"))
	await(t, d, ref, downloader.PhaseGone)
	close(w.release)
	add(t, d, "job-1", dir, httpSource(w.URL+"/file/10/a"))
	await(t, d, ref, downloader.PhaseComplete)
}

func TestLimitsOfADaemonAreOnlyRaised(t *testing.T) {
	t.Parallel()
	global := func(a *aria2) map[string]string {
		var o map[string]string
		a.call("aria2.getGlobalOption", &o)
		return o
	}
	low, high := startAria2(t), startAria2(t, "max-concurrent-downloads=77")
	for _, a := range []*aria2{low, high} {
		if _, err := newDriver(t, a.settings()).Check(t.Context(), []downloader.Ref{{JobID: "x"}}); err != nil {
			t.Fatal(err)
		}
	}
	if got := global(low)["max-concurrent-downloads"]; got != "50" {
		t.Errorf("low limit is %s now", got)
	}
	if got := global(high)["max-concurrent-downloads"]; got != "77" {
		t.Errorf("high limit is %s now", got)
	}
}

func TestListFindsWhatThisDownloaderAddedAndNothingElse(t *testing.T) {
	t.Parallel()
	a, w := startAria2(t), startWeb(t)
	d := newDriver(t, a.settings())
	add(t, d, "done", t.TempDir(), httpSource(w.URL+"/file/10/a"))
	add(t, d, "running", t.TempDir(), httpSource(w.URL+"/held/10/a"))
	add(t, d, "meta", t.TempDir(), downloader.Source{Kind: downloader.SourceMetalink, Content: metalink(w, "a", "b")})
	a.call("aria2.addUri", nil, []string{w.URL + "/held/10/other"}, map[string]string{"dir": t.TempDir()})
	got, err := d.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]int{}
	for _, l := range got {
		found[l.Ref.JobID] = len(handleOf(l.Ref).gids(l.Ref.JobID))
	}
	if fmt.Sprint(found) != "map[done:1 meta:2 running:1]" {
		t.Fatalf("found %v", found)
	}
}
