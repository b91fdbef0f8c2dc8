package tasks

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
	"github.com/haul-dl/haul/sdk/source"
)

const torrentURL = "http://h/a.torrent"

// sends has the nodes fetch a torrent of three files.
func sends(content []byte) func(context.Context, core.TaskSource) (*core.FetchedSource, error) {
	return func(context.Context, core.TaskSource) (*core.FetchedSource, error) {
		return &core.FetchedSource{Kind: downloader.SourceTorrent, Content: content, Size: -1}, nil
	}
}

// until waits until a task is as wanted.
func (w *world) until(ctx context.Context, id core.TaskID, what string, ok func(*core.TaskView) bool) *core.TaskView {
	w.t.Helper()
	var v *core.TaskView
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(2 * time.Millisecond) {
		if v = w.get(ctx, id); ok(v) {
			return v
		}
	}
	w.t.Fatalf("never %s: %+v, waiting %+v", what, v.Task, v.Waiting)
	return nil
}

func waitsFor(code errs.Code) func(*core.TaskView) bool {
	return func(v *core.TaskView) bool { return v.Waiting != nil && v.Waiting.Code == code }
}

func (w *world) asked(ctx context.Context, uri string, selection core.Selection) core.TaskID {
	w.t.Helper()
	tasks, err := w.service.Create(ctx, &core.NewTask{Sources: []core.NewSource{{URI: uri}}, Selection: selection})
	if err != nil {
		w.t.Fatal(err)
	}
	return tasks[0].ID
}

func TestATorrentURLIsFetchedBeforeThereIsAJob(t *testing.T) {
	w := newWorld(t)
	release := make(chan struct{})
	w.reg.set(func(a *answers) {
		a.fetch = func(ctx context.Context, s core.TaskSource) (*core.FetchedSource, error) {
			select {
			case <-release:
			case <-ctx.Done():
				return nil, ctx.Err()
			}
			return sends(threeFiles())(ctx, s)
		}
	})
	id := w.asked(w.alice, torrentURL, core.Selection{Patterns: []string{"b"}})
	if v := w.get(w.alice, id); v.State != core.StateQueued || v.Waiting == nil || v.Waiting.Code != core.WaitingForSource {
		t.Fatalf("meanwhile: %+v, %+v", v.State, v.Waiting)
	}
	w.restart() // whatever was under way is begun again
	close(release)
	job := w.started()
	want, err := source.ParseTorrent(threeFiles())
	if err != nil {
		t.Fatal(err)
	}
	if job.InfoHash != want.InfoHash || job.ContentOf != id || !job.Source.Fetched || job.Source.URI != torrentURL {
		t.Errorf("job %+v", job)
	}
	v := w.get(w.alice, id)
	if v.Name != "set" || v.InfoHash != want.InfoHash || v.TotalBytes != 4 {
		t.Errorf("task %+v", v.Task)
	}
	if content, err := w.store.Content(t.Context(), id); err != nil || string(content) != string(threeFiles()) {
		t.Errorf("content: %v", err)
	}
	// One who gives the same torrent in another way shares the job.
	w.asked(w.bob, "magnet:?xt=urn:btih:"+want.InfoHash, core.Selection{})
	if joined := w.started(); joined.ID != job.ID {
		t.Errorf("the second gets %+v", joined)
	}
	done := func(o *core.ObservedJob) {
		for i := range o.Deliveries {
			o.Deliveries[i].Done = true
		}
	}
	w.report(job, core.JobDone, done)
	if _, err := w.store.Content(t.Context(), id); !errs.Is(err, errs.NotFound) {
		t.Errorf("the torrent stays: %v", err)
	}
}

func TestASourceThatCannotBeHadEndsItsTaskWithTheReason(t *testing.T) {
	w := newWorld(t)
	w.reg.set(func(a *answers) {
		a.fetch = func(_ context.Context, s core.TaskSource) (*core.FetchedSource, error) {
			switch s.URI {
			case "http://h/gone.torrent":
				return nil, errs.New(errs.SourceNotFound, "It is gone.")
			case "http://h/page.torrent":
				return &core.FetchedSource{Kind: downloader.SourceTorrent, Content: []byte("<html>")}, nil
			}
			return sends(threeFiles())(context.Background(), s)
		}
	})
	for _, tt := range []struct {
		uri       string
		selection core.Selection
		code      errs.Code
	}{
		{"http://h/gone.torrent", core.Selection{}, errs.SourceNotFound},
		{"http://h/page.torrent", core.Selection{}, errs.InvalidTorrent},
		{torrentURL, core.Selection{Patterns: []string{"*.mkv"}}, errs.NoFilesSelected},
		{torrentURL, only(7), errs.InvalidRequest},
	} {
		v := w.until(w.alice, w.asked(w.alice, tt.uri, tt.selection), "failed", func(v *core.TaskView) bool { return v.State == core.StateFailed })
		if v.Error == nil || v.Error.Code != tt.code {
			t.Errorf("%s: %+v", tt.uri, v.Error)
		}
	}
	w.idle()
}

func TestOtherFilesCanBeChosenWhereNothingOfAFetchedTorrentWasWanted(t *testing.T) {
	w := newWorld(t)
	w.reg.set(func(a *answers) { a.fetch = sends(threeFiles()) })
	id := w.asked(w.alice, torrentURL, core.Selection{Patterns: []string{"*.mkv"}})
	v := w.until(w.alice, id, "failed", func(v *core.TaskView) bool { return v.State == core.StateFailed })
	if v.Name != "set" || v.InfoHash == "" {
		t.Errorf("known are name %q, info hash %q", v.Name, v.InfoHash)
	}
	files, err := w.service.Files(w.alice, id)
	if err != nil || len(files) != 3 || files[0].Wanted {
		t.Fatalf("files %+v, %v", files, err)
	}
	if _, err := w.service.Update(w.alice, id, &core.TaskChange{Selection: &core.Selection{Patterns: []string{"*.avi"}}}); !errs.Is(err, errs.NoFilesSelected) {
		t.Errorf("a selection that matches nothing either: %v", err)
	}
	if _, err := w.service.Update(w.alice, id, &core.TaskChange{Selection: &core.Selection{Patterns: []string{"b"}}}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.service.Retry(w.alice, id, core.RetryOptions{}); err != nil {
		t.Fatal(err)
	}
	if job := w.started(); job.ContentOf != id {
		t.Errorf("job %+v", job)
	}
}

func TestAServerThatDoesNotAnswerIsTriedThreeTimes(t *testing.T) {
	w := newWorld(t)
	var tries atomic.Int32
	w.reg.set(func(a *answers) {
		a.fetch = func(context.Context, core.TaskSource) (*core.FetchedSource, error) {
			tries.Add(1)
			return nil, errs.New(errs.SourceUnreachable, "Nobody answers.")
		}
	})
	id := w.asked(w.alice, torrentURL, core.Selection{})
	for n := int32(1); n < fetchTries; n++ {
		v := w.until(w.alice, id, "pausing", func(v *core.TaskView) bool { return tries.Load() == n && waitsFor(core.WaitingForSource)(v) })
		if v.State != core.StateQueued {
			t.Fatalf("after try %d: %s", n, v.State)
		}
		w.untilDue()
		w.later(time.Minute)
	}
	w.until(w.alice, id, "failed", func(v *core.TaskView) bool { return v.State == core.StateFailed })
	if n := tries.Load(); n != fetchTries {
		t.Errorf("%d tries", n)
	}
}

// untilDue waits until a task waits for a time.
func (w *world) untilDue() {
	w.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		w.service.mu.Lock()
		_, ok := w.service.waiting.later.next()
		w.service.mu.Unlock()
		if ok {
			return
		}
	}
	w.t.Fatal("nothing waits for a time")
}

func TestSourcesWaitForTheirNodeAndNoMoreThanEightAreFetchedAtOnce(t *testing.T) {
	w := newWorld(t)
	var mu sync.Mutex
	now, most := 0, 0
	release := make(chan struct{})
	w.reg.set(func(a *answers) {
		a.offline = true
		a.fetch = func(ctx context.Context, s core.TaskSource) (*core.FetchedSource, error) {
			mu.Lock()
			now++
			most = max(most, now)
			mu.Unlock()
			<-release
			mu.Lock()
			now--
			mu.Unlock()
			return nil, errs.New(errs.SourceNotFound, "It is gone.")
		}
	})
	var ids []core.TaskID
	for range 20 {
		ids = append(ids, w.asked(w.alice, torrentURL, core.Selection{}))
	}
	for _, id := range ids {
		w.until(w.alice, id, "waiting for the node", waitsFor(errs.NodeOffline))
	}
	w.reg.set(func(a *answers) { a.offline = false })
	w.service.Wake()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		mu.Lock()
		full := now == fetchesAtOnce
		mu.Unlock()
		if full {
			break
		}
	}
	close(release)
	for _, id := range ids {
		w.until(w.alice, id, "failed", func(v *core.TaskView) bool { return v.State == core.StateFailed })
	}
	if most != fetchesAtOnce {
		t.Errorf("%d at once", most)
	}
}

func TestWhatIsDoneToATaskWhileItsSourceIsFetchedCounts(t *testing.T) {
	w := newWorld(t)
	begun, release := make(chan struct{}, 10), make(chan struct{})
	w.reg.set(func(a *answers) {
		a.fetch = func(ctx context.Context, s core.TaskSource) (*core.FetchedSource, error) {
			begun <- struct{}{}
			<-release // whatever ctx says
			return sends(threeFiles())(ctx, s)
		}
	})
	canceled, paused, deleted := w.asked(w.alice, torrentURL, core.Selection{}), w.asked(w.alice, torrentURL, core.Selection{}), w.asked(w.alice, torrentURL, core.Selection{})
	for range 3 {
		<-begun
	}
	w.act(w.service.Cancel, canceled)
	w.act(w.service.Pause, paused)
	if err := w.service.Delete(w.alice, deleted, false); err != nil {
		t.Fatal(err)
	}
	close(release)
	w.restart()
	w.idle()
	if v := w.get(w.alice, canceled); v.State != core.StateCanceled || v.Source.Fetched {
		t.Errorf("canceled: %+v", v.Task)
	}
	if v := w.get(w.alice, paused); v.State != core.StatePaused {
		t.Errorf("paused: %+v", v.Task)
	}
	w.act(w.service.Resume, paused)
	if job := w.started(); job.Deliveries[0].Task != paused {
		t.Errorf("resumed: %+v", job)
	}
}

func TestInspectTellsWhatASourceIs(t *testing.T) {
	w := newWorld(t)
	torrent, err := source.ParseTorrent(threeFiles())
	if err != nil {
		t.Fatal(err)
	}
	w.reg.set(func(a *answers) {
		a.fetch = func(ctx context.Context, s core.TaskSource) (*core.FetchedSource, error) {
			if s.Kind == downloader.SourceHTTP {
				return &core.FetchedSource{Kind: s.Kind, Name: "real.bin", Size: 77, Resumable: true}, nil
			}
			return sends(threeFiles())(ctx, s)
		}
	})
	for _, tt := range []struct {
		name string
		src  core.NewSource
		want core.SourceInfo
	}{
		{"a magnet link", core.NewSource{URI: testMagnet + "&dn=film&xl=5"}, core.SourceInfo{Kind: "magnet", Name: "film", InfoHash: "dd8255ecdc7ca55fb0bbf81323d87062db1f6d1c", Size: 5}},
		{"a web address", core.NewSource{URI: "http://h/x"}, core.SourceInfo{Kind: "http", Name: "real.bin", Size: 77, Resumable: true}},
		{"a torrent's address", core.NewSource{URI: torrentURL}, core.SourceInfo{Kind: "torrent", Name: "set", InfoHash: torrent.InfoHash, Size: 12}},
		{"a torrent", core.NewSource{URI: "t", Content: threeFiles()}, core.SourceInfo{Kind: "torrent", Name: "set", InfoHash: torrent.InfoHash, Size: 12}},
	} {
		got, err := w.service.Inspect(w.alice, &tt.src)
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		if got.Kind != tt.want.Kind || got.Name != tt.want.Name || got.InfoHash != tt.want.InfoHash || got.Size != tt.want.Size || got.Resumable != tt.want.Resumable {
			t.Errorf("%s: %+v", tt.name, got)
		}
		if !slices.Equal(got.Downloaders, []string{"d"}) || (got.Kind == downloader.SourceTorrent) != (len(got.Files) == 3) {
			t.Errorf("%s: downloaders %v, files %v", tt.name, got.Downloaders, got.Files)
		}
	}
	if _, err := w.service.Inspect(t.Context(), &core.NewSource{URI: testMagnet}); !errs.Is(err, errs.Unauthenticated) {
		t.Errorf("by nobody: %v", err)
	}
	w.reg.set(func(a *answers) { a.offline = true })
	if _, err := w.service.Inspect(w.alice, &core.NewSource{URI: "http://h/x"}); !errs.Is(err, errs.NodeOffline) {
		t.Errorf("without a node: %v", err)
	}
	if page, err := w.service.List(w.alice, &core.TaskQuery{}); err != nil || len(page.Items) != 0 {
		t.Errorf("tasks were made: %d, %v", len(page.Items), err)
	}
}
