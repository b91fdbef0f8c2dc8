package worker

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"slices"
	"time"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

// directoriesFound are the directories of jobs that are there.
type directoriesFound struct {
	ids []core.JobID
	err error
}

// scanDirectories looks for directories of jobs, beside the loop: a download
// folder may be slow.
func (n *Node) scanDirectories() {
	n.steps.Go(func() {
		ids, err := n.dirs.list()
		n.post(directoriesFound{ids, err})
	})
}

// list returns the jobs whose directories are there, by their names and marks.
// Links are not followed.
func (d *jobDirs) list() ([]core.JobID, error) {
	entries, err := fs.ReadDir(d.root.FS(), ".")
	if err != nil {
		return nil, err
	}
	var out []core.JobID
	for _, e := range entries {
		id, err := core.ParseID[core.JobID](e.Name())
		if err != nil || !e.IsDir() || !d.ours(id) {
			continue
		}
		out = append(out, id)
	}
	return out, nil
}

// ours reports whether a directory may be removed: it has the job's mark, or
// nothing in it.
func (d *jobDirs) ours(id core.JobID) bool {
	if marked, err := d.marked(id); err != nil || marked {
		return marked
	}
	dir, err := d.root.Open(string(id))
	if err != nil {
		return false
	}
	_, err = dir.Readdirnames(1)
	return errors.Join(dir.Close()) == nil && errors.Is(err, io.EOF)
}

func (n *Node) onDirectoriesFound(e directoriesFound) {
	now := time.Now()
	n.orphans.scanning = false
	if e.err != nil && !errors.Is(e.err, os.ErrClosed) {
		n.log.Warn("the jobs' directory cannot be read", "err", e.err)
	}
	if e.err != nil {
		n.orphans.scanAt = now.Add(orphansAgain)
		return
	}
	n.forgetOrphans(func(o *orphan) bool {
		return o.Kind == orphanDirectory && (n.belongs(o.Job) || !slices.Contains(e.ids, o.Job))
	})
	for _, id := range e.ids {
		if !n.belongs(id) {
			n.noteOrphan(&orphan{Kind: orphanDirectory, Job: id}, now)
		}
	}
}

// listing is when a downloader is asked for all jobs that carry haul's mark.
type listing struct {
	inst     Instance // that was asked
	restarts int      // of its plugin at that time
	at       time.Time
	busy     bool
}

// jobsListed is what a downloader has of haul's.
type jobsListed struct {
	instance Instance
	jobs     []downloader.Listed
	err      error
}

// listJobs asks a downloader that can list its jobs, after each start of its
// plugin and at each interval.
func (n *Node) listJobs(b *backend, now time.Time) {
	l := &b.listing
	if l.busy || !b.ready() || b.closing || b.inst == nil || b.removed {
		return
	}
	if l.inst != b.inst || l.restarts != b.status.Restarts {
		l.inst, l.restarts, l.at = b.inst, b.status.Restarts, now
	}
	if now.Before(l.at) {
		n.wakeAt(l.at)
		return
	}
	l.busy, l.at = true, now.Add(orphansEvery)
	inst := b.inst
	n.call(b, lookTimeout, func(ctx context.Context) event {
		jobs, err := listDriver(ctx, inst.Driver())
		return jobsListed{inst, jobs, err}
	})
}

func listDriver(ctx context.Context, d downloader.Driver) ([]downloader.Listed, error) {
	l, ok := d.(downloader.Lister)
	if !ok {
		return nil, errs.New(errs.NotOffered, "The plugin cannot list its downloader's jobs.")
	}
	return l.List(ctx)
}

func (n *Node) onJobsListed(e jobsListed) {
	b := n.backendOf(e.instance)
	if b == nil {
		return
	}
	now := time.Now()
	b.listing.busy = false
	switch {
	case errs.Is(e.err, errs.NotOffered):
		return
	case e.err != nil:
		b.listing.at = now.Add(orphansAgain)
		n.log.Debug("the downloader's jobs cannot be listed", "downloader", b.want.Name, "err", e.err)
		return
	}
	listed := map[core.JobID]downloader.Ref{}
	for _, l := range e.jobs {
		// One whose mark does not tell its id may be of any job.
		if id, err := core.ParseID[core.JobID](l.Ref.JobID); err == nil && !n.belongs(id) {
			listed[id] = l.Ref
		}
	}
	n.forgetOrphans(func(o *orphan) bool {
		_, there := listed[o.Job]
		return o.Kind == orphanJob && o.Downloader == b.want.ID && !there
	})
	for id, ref := range listed {
		n.noteOrphan(&orphan{Kind: orphanJob, Job: id, Downloader: b.want.ID, Ref: ref}, now)
	}
}
