package driver

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

func TestAJobIsAddedOnceAlsoAfterRestartsOfPluginAndDaemon(t *testing.T) {
	daemon := startDaemon(t)
	req := job("j1", web(t, randomBytes(10))+"/x", t.TempDir())
	first := add(t, newDriver(t, daemon), req)
	daemon.restart()
	d := newDriver(t, daemon)
	if again := add(t, d, req); string(again.Opaque) != string(first.Opaque) {
		t.Errorf("got another ref: %s", again.Opaque)
	}
	waitFor(t, d, first, in(downloader.PhaseComplete))
	if n := len(daemon.downloads()); n != 1 {
		t.Errorf("there are %d downloads", n)
	}
}

func TestAThousandJobsAreCheckedAtOnceAndThoseThatAreGoneSaySo(t *testing.T) {
	daemon := startDaemon(t)
	d := newDriver(t, daemon)
	ref := add(t, d, job("there", web(t, randomBytes(10))+"/x", t.TempDir()))
	refs := []downloader.Ref{ref}
	for i := range 999 {
		refs = append(refs, downloader.Ref{JobID: fmt.Sprint("gone-", i)})
	}
	statuses, err := d.Check(t.Context(), refs)
	if err != nil || len(statuses) != 1000 {
		t.Fatalf("%d statuses, %v", len(statuses), err)
	}
	for _, s := range statuses {
		if (s.Phase == downloader.PhaseGone) != (s.JobID != "there") {
			t.Errorf("%s is %s", s.JobID, s.Phase)
		}
	}
}

func TestWhatIsGoneCanBeRemovedButNotPaused(t *testing.T) {
	daemon := startDaemon(t)
	d := newDriver(t, daemon)
	ref := add(t, d, job("j1", web(t, randomBytes(10))+"/x", t.TempDir()))
	for range 2 {
		if err := d.Remove(t.Context(), ref, true); err != nil {
			t.Error(err)
		}
	}
	for op, err := range map[string]error{
		"pause":      d.Pause(t.Context(), ref),
		"resume":     d.Resume(t.Context(), ref),
		"set limits": d.SetLimits(t.Context(), ref, downloader.Limits{}),
	} {
		if !errs.Is(err, errs.JobNotFound) {
			t.Errorf("%s: %v", op, err)
		}
	}
}

func TestAJobWaitsWhilePausedAndGoesOn(t *testing.T) {
	daemon := startDaemon(t)
	d := newDriver(t, daemon)
	req := job("j1", web(t, randomBytes(1<<20))+"/x", t.TempDir())
	req.Paused = true
	ref := add(t, d, req)
	for range 2 {
		if err := d.Pause(t.Context(), ref); err != nil {
			t.Fatal(err)
		}
	}
	if s := check(t, d, ref); s.Phase != downloader.PhasePaused || s.DoneBytes != 0 {
		t.Errorf("got %+v", s)
	}
	for range 2 {
		if err := d.Resume(t.Context(), ref); err != nil {
			t.Fatal(err)
		}
	}
	waitFor(t, d, ref, in(downloader.PhaseComplete))
}

func TestOnlyJobsOfThisDownloaderAreListed(t *testing.T) {
	daemon := startDaemon(t)
	d := newDriver(t, daemon)
	ref := add(t, d, job("j1", web(t, randomBytes(10))+"/x", t.TempDir()))
	for _, tag := range []string{"", "haul/d2/j1", "mine"} {
		daemon.request(http.MethodPost, "/api/downloads", fmt.Sprintf(`{"url":"http://127.0.0.1:1/","dir":%q,"tag":%q}`, t.TempDir(), tag))
	}
	jobs, err := d.List(t.Context())
	if err != nil || len(jobs) != 1 || jobs[0].Ref.JobID != "j1" || string(jobs[0].Ref.Opaque) != string(ref.Opaque) {
		t.Errorf("%+v, %v", jobs, err)
	}
}
