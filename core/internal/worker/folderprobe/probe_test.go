package folderprobe

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
	"github.com/haul-dl/haul/sdk/source"
)

// daemon is a small client of torrents with web seeds and of HTTP files, with
// the troubles that real ones have.
type daemon struct {
	// to is where it writes instead of where it is told to.
	to string
	// fails is how a job fails that it begins.
	fails error
	// addFails is how an Add fails.
	addFails error
	// stuck jobs never begin, blind ones never find what is there, offline ones
	// load nothing, and claiming ones say that they have everything at once.
	stuck, blind, offline, claims bool

	mu      sync.Mutex // guards all below
	status  downloader.Status
	url     string
	removed int
}

func (d *daemon) Add(ctx context.Context, req downloader.AddRequest) (downloader.Ref, error) {
	ref := downloader.Ref{JobID: req.JobID}
	if d.addFails != nil {
		return ref, d.addFails
	}
	dir := req.Dir
	if d.to != "" {
		dir = d.to
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.status = downloader.Status{JobID: req.JobID, Phase: downloader.PhaseDownloading}
	switch {
	case d.stuck:
		d.status.Phase = downloader.PhaseQueued
	case d.fails != nil:
		d.status.Phase, d.status.Err = downloader.PhaseFailed, d.fails
	case d.claims:
		d.status.Phase = downloader.PhaseComplete
	case req.Source.Kind == downloader.SourceHTTP:
		d.url = req.Source.URI
		return ref, d.load(ctx, req.Source.URI, filepath.Join(dir, req.Source.Name))
	default:
		return ref, d.loadTorrent(ctx, req.Source.Content, dir)
	}
	return ref, nil
}

func (d *daemon) loadTorrent(ctx context.Context, content []byte, dir string) error {
	t, err := source.ParseTorrent(content)
	if err != nil {
		return err
	}
	d.url = t.WebSeeds[0]
	for _, f := range t.Files {
		path := filepath.Join(dir, f.Path)
		if info, err := os.Stat(path); err == nil && info.Size() == f.Size && !d.blind {
			d.status.DoneBytes += f.Size
			continue
		}
		if f.Size == 0 {
			if err := write(path, nil); err != nil {
				return err
			}
			continue
		}
		if err := d.load(ctx, t.WebSeeds[0]+(&url.URL{Path: f.Path}).EscapedPath(), path); err != nil {
			return err
		}
	}
	return nil
}

func (d *daemon) load(ctx context.Context, from, path string) error {
	if d.offline {
		return nil
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, from, http.NoBody)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	d.status.Phase = downloader.PhaseComplete
	return write(path, content)
}

func write(path string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, content, 0o600)
}

func (d *daemon) Check(context.Context, []downloader.Ref) ([]downloader.Status, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return []downloader.Status{d.status}, nil
}

func (d *daemon) Remove(context.Context, downloader.Ref, bool) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.removed++
	return nil
}

// run probes a daemon in a folder of its own, and checks that nothing is left.
func (d *daemon) run(t *testing.T, ctx context.Context, kind downloader.SourceKind, change func(*Options)) []downloader.TestCheck {
	t.Helper()
	root := t.TempDir()
	job := filepath.Join(root, "job")
	if err := os.MkdirAll(filepath.Join(job, "data"), 0o750); err != nil {
		t.Fatal(err)
	}
	o := Options{
		Driver: d, Sources: []downloader.SourceKind{kind}, JobID: "job",
		Dir: filepath.Join(job, "data"), DaemonDir: filepath.Join(job, "data"), Root: root, DaemonRoot: root,
		Remove: func() error { return os.RemoveAll(job) }, Logger: hclog.NewNullLogger(),
		limits: limits{work: 3 * time.Second, reach: time.Second, settle: 300 * time.Millisecond},
	}
	if change != nil {
		change(&o)
	}
	out := Run(ctx, o)
	if left, err := os.ReadDir(root); err != nil || len(left) > 0 {
		t.Errorf("left are %v, %v", left, err)
	}
	if d.addFails == nil && d.removed != 1 {
		t.Errorf("the job was removed %d times", d.removed)
	}
	if u, err := url.Parse(d.url); err == nil && u.Host != "" {
		if c, err := net.DialTimeout("tcp", u.Host, time.Second); err == nil {
			_ = c.Close()
			t.Error("the web server still listens")
		}
	}
	return out
}

func TestWhatIsProven(t *testing.T) {
	denied := errs.New(errs.PathNotWritable, "permission denied")
	unreachable := errs.New(errs.SourceUnreachable, "connection refused")
	const torrent, file = downloader.SourceTorrent, downloader.SourceHTTP
	mapped := func(o *Options) { o.DaemonRoot = "/downloads" }
	tests := map[string]struct {
		daemon *daemon
		kind   downloader.SourceKind
		change func(*Options)
		// checks is how many there are; the last one has this code and says this.
		checks int
		code   errs.Code
		says   string
	}{
		"a torrent, all well":                 {&daemon{}, torrent, nil, 3, "", "move and delete"},
		"a file, all well":                    {&daemon{}, file, nil, 3, "", "move and delete"},
		"a torrent, without a network":        {&daemon{offline: true}, torrent, nil, 3, "", "move and delete"},
		"a file, without a network":           {&daemon{offline: true}, file, nil, 2, "", "That is no failure"},
		"a file, failing without a network":   {&daemon{fails: unreachable}, file, nil, 2, "", "That is no failure"},
		"a torrent, loaded to somewhere else": {&daemon{to: "other", blind: true}, torrent, nil, 1, errs.PathNotShared, "is not haul's"},
		"a file, loaded to somewhere else":    {&daemon{to: "other"}, file, nil, 1, errs.PathNotShared, "is not haul's"},
		"a lie":                               {&daemon{claims: true}, file, nil, 1, errs.PathNotShared, "is not haul's"},
		"nothing found, without a network":    {&daemon{to: "other", blind: true, offline: true}, torrent, nil, 1, errs.PathNotShared, "does not find"},
		"no permission":                       {&daemon{fails: denied}, torrent, nil, 1, errs.PathNotWritable, "chmod g+x"},
		"no permission below a mapped path":   {&daemon{fails: denied}, torrent, mapped, 1, errs.PathNotShared, "path_map"},
		"a full disk":                         {&daemon{fails: errs.New(errs.OutOfSpace, "full")}, torrent, nil, 1, errs.OutOfSpace, "full"},
		"the daemon is gone":                  {&daemon{addFails: errs.New(errs.DownloaderUnreachable, "gone")}, torrent, nil, 1, errs.DownloaderUnreachable, "gone"},
		"a job that never begins":             {&daemon{stuck: true}, torrent, nil, 1, errs.DeadlineExceeded, "did not begin"},
		"neither torrents nor files":          {&daemon{addFails: denied}, downloader.SourceMetalink, nil, 1, "", "was not tried"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := tt.daemon
			if d.to != "" {
				d.to = t.TempDir()
			}
			if tt.kind == downloader.SourceMetalink {
				if got := Run(t.Context(), Options{Sources: []downloader.SourceKind{tt.kind}}); len(got) != 1 || got[0].Err != nil {
					t.Errorf("got %+v", got)
				}
				return
			}
			got := d.run(t, t.Context(), tt.kind, tt.change)
			last := got[len(got)-1]
			if len(got) != tt.checks || errs.CodeOf(last.Err) != tt.code || !strings.Contains(last.Message+errs.HintOf(last.Err), tt.says) {
				t.Errorf("got %+v", got)
			}
			if last.Err != nil && errs.HintOf(last.Err) == "" {
				t.Error("it lacks a hint")
			}
		})
	}
}

func TestACallerThatGivesUpLeavesNothing(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	d := &daemon{stuck: true}
	began := time.Now()
	got := d.run(t, ctx, downloader.SourceTorrent, nil)
	if !errs.Is(got[0].Err, errs.DeadlineExceeded) || time.Since(began) > 5*time.Second {
		t.Errorf("after %s: %+v", time.Since(began), got)
	}
}

// lossy takes a job, and loses the first answer.
type lossy struct {
	daemon
	adds int
}

func (l *lossy) Add(ctx context.Context, req downloader.AddRequest) (downloader.Ref, error) {
	l.adds++
	ref, err := l.daemon.Add(ctx, req)
	if err == nil && l.adds == 1 {
		err = errs.New(errs.DeadlineExceeded, "no answer")
	}
	return ref, err
}

func TestAJobWhoseAnswerWasLostIsRemoved(t *testing.T) {
	l := &lossy{daemon: daemon{stuck: true}}
	got := l.run(t, t.Context(), downloader.SourceTorrent, func(o *Options) { o.Driver = l })
	if l.adds != 2 || l.removed != 1 || !errs.Is(got[0].Err, errs.DeadlineExceeded) {
		t.Errorf("added %d times, removed %d times: %+v", l.adds, l.removed, got)
	}
}

func TestTheServerTellsNothingToThoseWhoGuess(t *testing.T) {
	s := newTorrentSample()
	w, err := serve(t.Context(), "::1%lo", s)
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	for _, path := range []string{"/", "/" + s.loaded.urlPath(), "/x/" + s.loaded.urlPath()} {
		resp, err := http.Get("http://" + w.address + path)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusNotFound {
			t.Errorf("%s answers %s", path, resp.Status)
		}
	}
	if w.requests.Load() > 0 {
		t.Error("guesses count")
	}
	w.left.Store(0)
	resp, err := http.Get(w.url + s.loaded.urlPath())
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusTooManyRequests {
		t.Errorf("beyond the limit it answers %s", resp.Status)
	}
}

func TestTheTorrentIsOneThatHaulItselfTakes(t *testing.T) {
	s := newTorrentSample()
	parsed, err := source.ParseTorrent(s.torrent("http://127.0.0.1:1/x/"))
	if err != nil {
		t.Fatal(err)
	}
	if len(parsed.Files) != 3 || !parsed.Private || len(parsed.Trackers) > 0 || len(parsed.WebSeeds) != 1 {
		t.Errorf("got %+v", parsed)
	}
}
