package scripted

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

// loadState is what a job that loads by itself has besides.
type loadState struct {
	Owner string // the downloader's id
	Name  string
	Hash  string
	Parts []part

	stop func() // ends the load under way, and waits; nil without one
}

// part is one file.
type part struct {
	Path, URL  string
	Size, Done int64
	Whole      bool
	Skipped    bool
}

// choose makes files the wanted ones; none means all.
func (l *loadState) choose(files []int) error {
	for _, i := range files {
		if i < 0 || i >= len(l.Parts) {
			return errs.New(errs.InvalidRequest, "The torrent has no file %d.", i)
		}
	}
	for i := range l.Parts {
		l.Parts[i].Skipped = len(files) > 0 && !slices.Contains(files, i)
	}
	return nil
}

// change changes a job that the daemon has, brings its status up to date, and
// tells those who watch of a new phase.
func (p *Plugin) change(id string, do func(*Job)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	j, ok := p.jobs[id]
	if !ok || j.gone() {
		return
	}
	before := j.Status.Phase
	do(j)
	j.report()
	if j.Status.Phase == before {
		return
	}
	for w := range p.watchers {
		w.push(j.Status)
	}
}

// report makes the status anew, as those who were given the last one keep it.
func (j *Job) report() {
	st := &j.Status
	st.Files, st.TotalBytes, st.DoneBytes = nil, 0, 0
	for i, f := range j.load.Parts {
		st.Files = append(st.Files, downloader.File{Index: i, Path: f.Path, Size: f.Size, DoneBytes: f.Done, Skipped: f.Skipped})
		if !f.Skipped {
			st.TotalBytes += f.Size
			st.DoneBytes += f.Done
		}
	}
}

// proceed starts the load of a job that shall load and does not.
func (d *loader) proceed(id string) {
	d.p.change(id, func(j *Job) {
		if j.load.stop != nil || j.Status.Phase != downloader.PhaseDownloading {
			return
		}
		ctx, cancel := context.WithCancel(d.ctx)
		ended := make(chan struct{})
		j.load.stop = func() {
			cancel()
			<-ended
		}
		d.loads.Go(func() {
			defer cancel()
			defer close(ended)
			d.run(ctx, id)
		})
	})
}

// halt ends the load of a job, if there is one.
func (p *Plugin) halt(id string) {
	p.mu.Lock()
	var stop func()
	if j, ok := p.jobs[id]; ok {
		stop, j.load.stop = j.load.stop, nil
	}
	p.mu.Unlock()
	if stop != nil {
		stop()
	}
}

// run loads all that is wanted of a job.
func (d *loader) run(ctx context.Context, id string) {
	for {
		next := -1
		d.p.change(id, func(j *Job) {
			next = slices.IndexFunc(j.load.Parts, func(f part) bool { return !f.Whole && !f.Skipped })
			if next < 0 {
				j.Status.Phase, j.load.stop = dataPhase(j.Request.Limits), nil
			}
		})
		if next < 0 {
			d.saveOrLog()
			return
		}
		err := d.fetch(ctx, id, next)
		switch {
		case ctx.Err() != nil:
			if d.ctx.Err() != nil { // the next driver takes it up
				d.p.change(id, func(j *Job) { j.load.stop = nil })
			}
			return
		case err != nil && !errors.Is(err, errNotWanted):
			d.p.change(id, func(j *Job) {
				j.Status.Phase, j.Status.Err, j.load.stop = downloader.PhaseFailed, err, nil
			})
			d.saveOrLog()
			return
		}
	}
}

// errNotWanted ends the load of a file that was deselected.
var errNotWanted = errors.New("not wanted any more")

// fetch loads one file.
func (d *loader) fetch(ctx context.Context, id string, index int) error {
	var f part
	var dir string
	d.p.change(id, func(j *Job) { f, dir = j.load.Parts[index], j.Request.Dir })
	if dir == "" {
		return errNotWanted // the job is gone
	}
	body, size, err := get(ctx, f.URL)
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }()
	path := filepath.Join(dir, filepath.FromSlash(f.Path))
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return errs.Wrap(err, errs.PathNotWritable, "The folder cannot be made.")
	}
	file, err := os.Create(path)
	if err != nil {
		return errs.Wrap(err, errs.PathNotWritable, "The file cannot be made.")
	}
	defer func() { _ = file.Close() }()
	d.p.change(id, func(j *Job) { j.load.Parts[index].Size, j.load.Parts[index].Done = size, 0 })
	if err := d.copyTo(ctx, file, body, id, index); err != nil {
		return err
	}
	d.p.change(id, func(j *Job) { j.load.Parts[index].Whole = true })
	return nil
}

func get(ctx context.Context, uri string) (io.ReadCloser, int64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, uri, http.NoBody)
	if err != nil {
		return nil, 0, errs.Wrap(err, errs.InvalidSource, "That is not a URL.")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, 0, errs.Wrap(err, errs.SourceUnreachable, "The server does not answer.")
	}
	if resp.StatusCode == http.StatusOK {
		return resp.Body, resp.ContentLength, nil
	}
	_ = resp.Body.Close()
	code := errs.SourceServerError
	if resp.StatusCode == http.StatusNotFound {
		code = errs.SourceNotFound
	}
	return nil, 0, errs.New(code, "The server answers %s.", resp.Status)
}

// copyTo copies at the job's rate.
func (d *loader) copyTo(ctx context.Context, to io.Writer, from io.Reader, id string, index int) error {
	buf := make([]byte, 16<<10)
	for {
		n, err := from.Read(buf)
		if _, writeErr := to.Write(buf[:n]); writeErr != nil {
			return errs.Wrap(writeErr, errs.PathNotWritable, "The file cannot be written.")
		}
		var rate int64
		wanted := false
		d.p.change(id, func(j *Job) {
			j.load.Parts[index].Done += int64(n)
			rate, wanted = j.Request.Limits.DownloadRate, !j.load.Parts[index].Skipped
		})
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return errs.Wrap(err, errs.SourceUnreachable, "The server hung up.")
		case !wanted:
			return errNotWanted
		case rate > 0:
			pause(ctx, time.Duration(n)*time.Second/time.Duration(rate))
		}
	}
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

func (j *Job) deleteFiles() {
	for _, f := range j.load.Parts {
		_ = os.Remove(filepath.Join(j.Request.Dir, filepath.FromSlash(f.Path))) // haul removes the rest
	}
}

// kept is a job as it is in the state directory.
type kept struct {
	Request downloader.AddRequest
	Phase   downloader.Phase
	Load    loadState
}

func (d *loader) stateFile() string { return filepath.Join(d.config.StateDir, "jobs.json") }

// save writes the downloader's jobs down. Without a state directory there is
// nowhere to.
func (d *loader) save() error {
	if d.config.StateDir == "" {
		return nil
	}
	d.p.mu.Lock()
	defer d.p.mu.Unlock()
	var jobs []kept
	for _, id := range d.p.order {
		if j := d.p.jobs[id]; j.load.Owner == d.config.DownloaderID && !j.gone() {
			jobs = append(jobs, kept{j.Request, j.Status.Phase, j.load})
		}
	}
	raw, err := json.Marshal(jobs)
	if err != nil {
		return err
	}
	if err := os.WriteFile(d.stateFile()+".new", raw, 0o600); err != nil {
		return err
	}
	return os.Rename(d.stateFile()+".new", d.stateFile())
}

func (d *loader) saveOrLog() {
	if err := d.save(); err != nil && d.config.Logger != nil {
		d.config.Logger.Warn("jobs were not written down", "err", err)
	}
}

// restore takes up the jobs that were written down, and those that an earlier
// driver in this process has left.
func (d *loader) restore() error {
	var jobs []kept
	raw, err := os.ReadFile(d.stateFile())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err == nil {
		if err := json.Unmarshal(raw, &jobs); err != nil {
			return fmt.Errorf("read %s: %w", d.stateFile(), err)
		}
	}
	for _, k := range jobs {
		if _, known := d.p.Job(k.Request.JobID); known || !d.p.add(k.Request) {
			continue
		}
		d.p.change(k.Request.JobID, func(j *Job) {
			j.load, j.Status.Phase, j.Status.Name, j.Status.InfoHash = k.Load, k.Phase, k.Load.Name, k.Load.Hash
		})
	}
	for _, id := range d.p.Jobs() {
		if d.owns(id) {
			d.proceed(id)
		}
	}
	return nil
}
