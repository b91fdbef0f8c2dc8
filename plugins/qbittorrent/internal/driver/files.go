package driver

import (
	"context"
	"path"
	"path/filepath"
	"sync"
	"time"

	"github.com/haul-dl/haul/plugins/qbittorrent/internal/qbittorrentrpc"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

const (
	// maxFileCalls is how many lists of files one Check asks for at most.
	maxFileCalls = 40
	// smallList is how many files a status has at every tick.
	smallList = 200
)

// fileCache has the files of torrents, since each list costs a call.
type fileCache struct {
	mu    sync.Mutex // guards lists
	lists map[string]fileList
}

// fileList is what was known of a torrent's files, and of itself then.
type fileList struct {
	files  []downloader.File
	unsafe bool // one of them is not inside of the torrent's folder
	// wanted is the size of the wanted files, partial tells that there are others.
	wanted  int64
	partial bool
	// whole tells that all wanted files are loaded.
	whole bool

	size, completed int64
	content         string
	up              bool
	at              time.Time
}

func newFileCache() *fileCache { return &fileCache{lists: map[string]fileList{}} }

// get returns what is known, and whether that is still true but for progress.
func (c *fileCache) get(t *qbittorrentrpc.Torrent) (list fileList, fresh bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	l, ok := c.lists[t.ID]
	up := isUp(t.State)
	// The state lags behind a changed selection, so one that says that all is
	// loaded counts only where the files agree.
	return l, ok && l.size == t.Size && l.content == t.ContentPath && l.up == up && (l.whole || !up)
}

func (c *fileCache) put(id string, l fileList) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lists[id] = l
}

func (c *fileCache) forget(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.lists, id)
}

func (c *fileCache) keep(has func(id string) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id := range c.lists {
		if !has(id) {
			delete(c.lists, id)
		}
	}
}

// reportable keeps long lists out of most statuses.
func (l fileList) reportable(p downloader.Phase) bool {
	return !l.unsafe && (len(l.files) <= smallList || p == downloader.PhasePaused)
}

// learnFiles asks for the files of jobs that have just got their metadata or
// their data, or another selection; and, for the progress of single files, for
// those of one more job at each call.
func (d *Driver) learnFiles(ctx context.Context, jobs []job) error {
	var needy []job
	var oldest *job
	var oldestAt time.Time
	for i, j := range jobs {
		if !d.isOurs(j) || !j.torrent.HasMetadata() {
			continue
		}
		if phase, _ := phaseOf(j.torrent); phase == downloader.PhaseUnknown || phase == downloader.PhaseFailed {
			continue
		}
		list, fresh := d.files.get(j.torrent)
		switch {
		case !fresh && isUp(j.torrent.State):
			needy = append([]job{j}, needy...) // it waits for it
		case !fresh:
			needy = append(needy, j)
		case list.completed != j.torrent.Completed && (oldest == nil || list.at.Before(oldestAt)):
			oldest, oldestAt = &jobs[i], list.at
		}
	}
	needy = needy[:min(len(needy), maxFileCalls)]
	if oldest != nil && len(needy) == 0 {
		needy = append(needy, *oldest)
	}
	for _, j := range needy {
		if err := d.learn(ctx, j); err != nil && !errs.Is(err, errs.JobNotFound) {
			return err
		}
	}
	return nil
}

func (d *Driver) learn(ctx context.Context, j job) error {
	files, err := d.listFiles(ctx, j)
	if err != nil {
		return err
	}
	t := j.torrent
	l := fileList{
		files: files, size: t.Size, completed: t.Completed, content: t.ContentPath,
		up: isUp(t.State), at: d.now(), whole: true,
	}
	for i, f := range files {
		files[i].Path = path.Clean(f.Path)
		l.unsafe = l.unsafe || !filepath.IsLocal(f.Path)
		l.partial = l.partial || f.Skipped
		if !f.Skipped {
			l.wanted += f.Size
			l.whole = l.whole && f.DoneBytes >= f.Size
		}
	}
	d.files.put(t.ID, l)
	return nil
}
