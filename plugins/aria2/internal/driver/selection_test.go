package driver

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

func TestOnlySelectedFilesAreLoaded(t *testing.T) {
	t.Parallel()
	s := startSwarm(t)
	s.seed(t)
	for _, src := range []downloader.Source{
		{Kind: downloader.SourceTorrent, Content: s.torrent}, {Kind: downloader.SourceMagnet, URI: s.magnet()},
	} {
		t.Run(string(src.Kind), func(t *testing.T) {
			t.Parallel()
			d, dir := newDriver(t, startAria2(t).settings()), t.TempDir()
			ref, err := d.Add(t.Context(), downloader.AddRequest{JobID: "job-1", Dir: dir, Source: src, Files: []int{1}})
			if err != nil {
				t.Fatal(err)
			}
			st := await(t, d, ref, downloader.PhaseComplete)
			if len(st.Files) != 2 || !st.Files[0].Skipped || st.Files[1].Skipped || st.Files[1].DoneBytes != 100_001 {
				t.Errorf("files are %+v", st.Files)
			}
			sameFile(t, dir, "data/sub/b.bin", s.files["data/sub/b.bin"])
			// The piece at the border leaves a part of the neighbour behind.
			if part, err := os.ReadFile(filepath.Join(dir, "data/a.bin")); err == nil && sum(part) == sum(s.files["data/a.bin"]) {
				t.Error("the file that nobody wanted is there")
			}
		})
	}
}

func TestSelectionIsChangedWhileItRunsAndWhileItIsPaused(t *testing.T) {
	t.Parallel()
	s := startSwarm(t)
	seeder := s.seed(t)
	seeder.call("aria2.changeGlobalOption", nil, map[string]string{"max-overall-upload-limit": "20K"})
	a := startAria2(t)
	proxy := startCountingProxy(t, a)
	d, dir := newDriver(t, proxy.settings()), t.TempDir()
	ref, err := d.Add(t.Context(), downloader.AddRequest{
		JobID: "job-1", Dir: dir, Source: downloader.Source{Kind: downloader.SourceMagnet, URI: s.magnet()}, Files: []int{0},
	})
	if err != nil {
		t.Fatal(err)
	}
	awaitBytes(t, d, ref)
	selectFiles(t, d, ref, 0)
	if n := proxy.calls("aria2.changeOption"); n != 0 {
		t.Errorf("the same selection made %d changes, each of which restarts the download", n)
	}
	selectFiles(t, d, ref, 1)
	st := check(t, d, ref)
	if st.Phase == downloader.PhasePaused || len(st.Files) != 2 || !st.Files[0].Skipped || st.Files[1].Skipped {
		t.Errorf("after the change it is %+v", st)
	}
	pause(t, d, ref)
	selectFiles(t, d, ref, 1, 0)
	if st := check(t, d, ref); st.Phase != downloader.PhasePaused || st.TotalBytes != 300_001 {
		t.Errorf("paused, it is %+v", st)
	}
	selectFiles(t, d, ref, 1)
	a.restart() // the selection is in the session file
	st = await(t, d, ref, downloader.PhasePaused)
	if len(st.Files) != 2 || !st.Files[0].Skipped || st.TotalBytes != 100_001 {
		t.Errorf("after a restart it is %+v", st)
	}
	seeder.call("aria2.changeGlobalOption", nil, map[string]string{"max-overall-upload-limit": "0"})
	resume(t, d, ref)
	await(t, d, ref, downloader.PhaseComplete)
	sameFile(t, dir, "data/sub/b.bin", s.files["data/sub/b.bin"])
	if err := d.SelectFiles(t.Context(), ref, []int{0, 1}); !errs.Is(err, errs.JobNotFound) {
		t.Errorf("a larger selection at the end: %v", err)
	}
	await(t, d, ref, downloader.PhaseGone)
	addToVerify(t, d, downloader.AddRequest{JobID: ref.JobID, Dir: dir, Source: downloader.Source{Kind: downloader.SourceMagnet, URI: s.magnet()}})
	s.check(t, dir, await(t, d, ref, downloader.PhaseComplete))
	selectFiles(t, d, ref, 1)
}

func selectFiles(t testing.TB, d *Driver, ref downloader.Ref, files ...int) {
	t.Helper()
	if err := d.SelectFiles(t.Context(), ref, files); err != nil {
		t.Fatalf("select %v: %v", files, err)
	}
}

// aria2 itself takes such indexes, and says complete without a byte.
func TestFilesThatATorrentDoesNotHaveAreRefused(t *testing.T) {
	t.Parallel()
	s, w := startSwarm(t), startWeb(t)
	a := startAria2(t)
	d := newDriver(t, a.settings())
	torrent := downloader.Source{Kind: downloader.SourceTorrent, Content: s.torrent}
	magnet := downloader.Source{Kind: downloader.SourceMagnet, URI: s.magnet()}
	for _, src := range []downloader.Source{torrent, httpSource(w.URL + "/held/1/x"), {Kind: downloader.SourceMetalink, Content: metalink(w, "a", "b", "c")}} {
		_, err := d.Add(t.Context(), downloader.AddRequest{JobID: "job-1", Dir: t.TempDir(), Source: src, Files: []int{0, 2}})
		if !errs.Is(err, errs.InvalidRequest) || !strings.Contains(fmt.Sprint(fieldsOf(err)), "files") {
			t.Errorf("%s: %v", src.Kind, err)
		}
	}
	ref := add(t, d, "job-2", t.TempDir(), magnet)
	await(t, d, ref, downloader.PhaseMetadata)
	if err := d.SelectFiles(t.Context(), ref, []int{0}); !errs.Is(err, errs.MetadataMissing) {
		t.Errorf("without metadata: %v", err)
	}
	if err := d.Remove(t.Context(), ref, false); err != nil {
		t.Fatal(err)
	}
	s.seed(t)
	ref, err := d.Add(t.Context(), downloader.AddRequest{JobID: "job-3", Dir: t.TempDir(), Source: magnet, Files: []int{2}})
	if err != nil {
		t.Fatal(err)
	}
	failed := awaitFailed(t, d, ref)
	if !errs.Is(failed.Err, errs.InvalidRequest) {
		t.Errorf("a magnet link without such a file: %v", failed.Err)
	}
	if err := d.SelectFiles(t.Context(), ref, []int{0, 7}); !errs.Is(err, errs.InvalidRequest) {
		t.Errorf("another index: %v", err)
	}
}

// awaitFailed checks a job until it has failed, and that it stays so.
func awaitFailed(t testing.TB, d *Driver, ref downloader.Ref) downloader.Status {
	t.Helper()
	var s downloader.Status
	eventually(t, "the job fails", func() bool {
		s = check(t, d, ref)
		return s.Phase == downloader.PhaseFailed
	})
	if again := check(t, d, ref); again.Phase != downloader.PhaseFailed {
		t.Errorf("a failed job is %s a moment later", again.Phase)
	}
	return s
}

func TestSelectionIsWrittenAsAria2Does(t *testing.T) {
	for want, files := range map[string][]int{
		"1": {0}, "1-3": {0, 1, 2}, "2,4-6,9": {1, 3, 4, 5, 8}, "1,3": {0, 2}, "1-2,4-5": {0, 1, 3, 4},
	} {
		if got := selection(files); got != want || lastSelected(got) != files[len(files)-1]+1 {
			t.Errorf("%v is written %q, not %q, and ends at %d", files, got, want, lastSelected(got))
		}
	}
}
