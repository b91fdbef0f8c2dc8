package fakedaemon

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
)

// The states of a download.
const (
	Queued   = "queued"
	Running  = "running"
	Stopped  = "stopped"
	Finished = "finished"
	Failed   = "failed"
)

// Download is one download as the API shows it.
type Download struct {
	ID        int      `json:"id"`
	Tag       string   `json:"tag"`
	URL       string   `json:"url"`
	Dir       string   `json:"dir"`
	Name      string   `json:"name"`
	UserAgent string   `json:"user_agent"`
	Limit     int64    `json:"limit"`
	State     string   `json:"state"`
	Size      int64    `json:"size"`
	Loaded    int64    `json:"loaded"`
	Rate      int64    `json:"rate"`
	Problem   *Problem `json:"problem"`
}

// Problem is why a download failed.
type Problem struct {
	// Kind is "status", "network", "tls", "disk_full", "permission" or "other".
	Kind string `json:"kind"`
	// Status is that of the server's answer, for "status".
	Status int    `json:"status"`
	Text   string `json:"text"`
}

var (
	errUnknown = errors.New("there is no such download")
	errBadURL  = errors.New("the URL is not one of http or https")
	errBadPath = errors.New("the directory or the name is not allowed")
)

// add takes a new download. Two with the same tag are two downloads: it is the
// plugin that has to look first.
func (d *Daemon) add(dl Download) (Download, error) {
	u, err := url.Parse(dl.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return Download{}, errBadURL
	}
	if dl.Name == "" {
		dl.Name = path.Base("/" + u.Path)
	}
	if dl.Name == "/" {
		dl.Name = "index"
	}
	if !filepath.IsAbs(dl.Dir) || dl.Name != filepath.Base(dl.Name) || !filepath.IsLocal(dl.Name) {
		return Download{}, errBadPath
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.saved.LastID++
	dl.ID = d.saved.LastID
	if dl.State != Stopped {
		dl.State = Queued
	}
	d.saved.Downloads[dl.ID] = &dl
	d.startQueued()
	return dl, d.save()
}

// list returns the downloads with a tag, or all.
func (d *Daemon) list(tag string) []Download {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := []Download{}
	for _, dl := range d.saved.Downloads {
		if tag == "" || dl.Tag == tag {
			out = append(out, *dl)
		}
	}
	slices.SortFunc(out, func(a, b Download) int { return cmp.Compare(a.ID, b.ID) })
	return out
}

// stop lets a download rest; start lets it go on, also after a failure.
func (d *Daemon) stop(id int) error {
	d.mu.Lock()
	dl, ok := d.saved.Downloads[id]
	if !ok {
		d.mu.Unlock()
		return errUnknown
	}
	if dl.State == Queued || dl.State == Running {
		dl.State = Stopped
	}
	ending := d.halt(id)
	d.startQueued()
	err := d.save()
	d.mu.Unlock()
	ending.wait()
	return err
}

func (d *Daemon) start(id int) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	dl, ok := d.saved.Downloads[id]
	if !ok {
		return errUnknown
	}
	if dl.State == Stopped || dl.State == Failed {
		dl.State, dl.Problem = Queued, nil
	}
	d.startQueued()
	return d.save()
}

func (d *Daemon) setLimit(id int, limit int64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	dl, ok := d.saved.Downloads[id]
	if !ok {
		return errUnknown
	}
	dl.Limit = limit
	return d.save()
}

// move takes a download to another directory, with what it has loaded.
func (d *Daemon) move(id int, dir string) error {
	if !filepath.IsAbs(dir) {
		return errBadPath
	}
	if err := d.stop(id); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	dl, ok := d.saved.Downloads[id]
	if !ok {
		return errUnknown
	}
	for _, name := range []string{dl.Name, dl.Name + partSuffix} {
		err := os.Rename(filepath.Join(dl.Dir, name), filepath.Join(dir, name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	dl.Dir = dir
	return d.save()
}

// remove forgets a download, and deletes its file if asked.
func (d *Daemon) remove(id int, files bool) error {
	d.mu.Lock()
	dl, ok := d.saved.Downloads[id]
	if !ok {
		d.mu.Unlock()
		return errUnknown
	}
	ending := d.halt(id)
	delete(d.saved.Downloads, id)
	delete(d.saved.Validators, id)
	d.startQueued()
	err := d.save()
	d.mu.Unlock()
	ending.wait()
	if files {
		for _, name := range []string{dl.Name, dl.Name + partSuffix} {
			if e := os.Remove(filepath.Join(dl.Dir, name)); e != nil && !errors.Is(e, fs.ErrNotExist) {
				err = errors.Join(err, e)
			}
		}
	}
	return err
}

// halt ends the work on a download; the caller holds d.mu, and waits for the
// run after it has let go of it.
func (d *Daemon) halt(id int) *run {
	r := d.runs[id]
	if r == nil {
		return nil
	}
	delete(d.runs, id)
	r.cancel()
	return r
}

// startQueued starts as many downloads as may run; the caller holds d.mu.
func (d *Daemon) startQueued() {
	for _, id := range d.queue() {
		if len(d.runs) >= d.saved.MaxRunning {
			return
		}
		ctx, cancel := context.WithCancel(context.Background())
		r := &run{cancel: cancel, done: make(chan struct{})}
		d.runs[id] = r
		d.saved.Downloads[id].State = Running
		go func() {
			defer close(r.done)
			defer cancel()
			d.settle(id, r, d.fetch(ctx, id))
		}()
	}
}

// queue returns what waits, the oldest first; the caller holds d.mu.
func (d *Daemon) queue() []int {
	var ids []int
	for id, dl := range d.saved.Downloads {
		if dl.State == Queued {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// settle notes down how a run ended, unless it was halted.
func (d *Daemon) settle(id int, r *run, problem *Problem) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.runs[id] != r {
		return
	}
	delete(d.runs, id)
	dl := d.saved.Downloads[id]
	dl.State, dl.Problem, dl.Rate = Finished, problem, 0
	if problem != nil {
		dl.State = Failed
	}
	d.startQueued()
	if err := d.save(); err != nil {
		dl.State, dl.Problem = Failed, problemOf(err)
	}
}
