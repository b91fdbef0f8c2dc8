package conformance

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

// How long haul gives the calls.
const (
	addTimeout   = 30 * time.Second
	checkTimeout = 10 * time.Second
	orderTimeout = 30 * time.Second
)

// job is one job of a case.
type job struct {
	content
	c   *C
	d   downloader.Driver
	req downloader.AddRequest
	dir string // as this process sees it
	ref downloader.Ref
}

// job makes a job's directory, and adds nothing yet.
func (c *C) job(content content) *job { return c.jobAt(c.main, content) }

// jobAt is job at another instance.
func (c *C) jobAt(in *instance, content content) *job {
	c.jobs++
	dir := filepath.Join(c.ownDir(), fmt.Sprintf("job-%d", c.jobs))
	c.mustOwn(os.Mkdir(dir, 0o700))
	c.mustOwn(openToDaemon(dir))
	return &job{c: c, d: in.driver, content: content, dir: dir, req: downloader.AddRequest{
		JobID: c.newID(), Source: content.source, Dir: c.daemonPath(dir),
	}}
}

// tryAdd adds the job, and sees to it that it does not stay.
func (j *job) tryAdd() (downloader.Ref, error) {
	ref, err := j.d.Add(j.c.within(addTimeout), j.req)
	j.c.note(err)
	if err == nil {
		// By the driver of then: the plugin may have been restarted.
		j.c.onCleanup(func(ctx context.Context) { j.c.note(j.d.Remove(ctx, ref, true)) })
	}
	return ref, err
}

// add adds the job; it has to work.
func (j *job) add() *job {
	ref, err := j.tryAdd()
	j.c.must("Add", err)
	if ref.JobID != j.req.JobID {
		j.c.failf("Add returned a Ref with the job id %q, not %q.", ref.JobID, j.req.JobID)
	}
	if len(ref.Opaque) > 4096 {
		j.c.failf("Add returned a Ref of %d bytes; 4096 is the most.", len(ref.Opaque))
	}
	j.ref = ref
	return j
}

// added returns a job that has been added.
func (c *C) added(content content) *job { return c.job(content).add() }

// statusOf asks for one job.
func (c *C) statusOf(d downloader.Driver, ref downloader.Ref) downloader.Status {
	st, err := c.tryStatus(d, ref)
	c.must("Check", err)
	return st
}

func (c *C) tryStatus(d downloader.Driver, ref downloader.Ref) (downloader.Status, error) {
	statuses, err := d.Check(c.within(checkTimeout), []downloader.Ref{ref})
	if err != nil {
		c.note(err)
		return downloader.Status{}, err
	}
	if len(statuses) != 1 || statuses[0].JobID != ref.JobID {
		c.failf("Check of one job returned %d statuses, not one of that job.", len(statuses))
	}
	c.note(statuses[0].Err)
	return statuses[0], nil
}

func (j *job) status() downloader.Status { return j.c.statusOf(j.d, j.ref) }

// await waits for a status. A job that fails while one waits ends the case.
func (j *job) await(what string, ok func(downloader.Status) bool) downloader.Status {
	var st downloader.Status
	if j.c.eventually(j.c.opts.Patience, func() bool {
		st = j.status()
		if ok(st) {
			return true
		}
		if st.Phase == downloader.PhaseFailed {
			j.c.failf("Waiting until the job %s, it failed: %s.", what, j.c.describe(st.Err))
		}
		return false
	}) {
		return st
	}
	j.c.failf("The job did not get to where it %s within %s. It is %s, with %d of %d bytes.", what, j.c.opts.Patience, st.Phase, st.DoneBytes, st.TotalBytes)
	return st
}

// awaitData waits until the job has all its data.
func (j *job) awaitData() downloader.Status {
	return j.await("has its data", func(st downloader.Status) bool { return st.Phase.HasData() })
}

func (j *job) awaitPhase(phase downloader.Phase) {
	j.await("is "+string(phase), func(st downloader.Status) bool { return st.Phase == phase })
}

// awaitMoving waits until the daemon takes bytes from the source.
func (j *job) awaitMoving() *job {
	if !j.c.eventually(j.c.opts.Patience, func() bool { return j.shelf.sent.Load() > 0 }) {
		j.c.failf("Nothing was loaded from the source within %s. The job is %s.", j.c.opts.Patience, j.status().Phase)
	}
	return j
}

// quietTime is how long a daemon may take to follow.
const quietTime = 10 * time.Second

// drainTime is how long it may take to end its connections: some let a request
// to a web seed run to its end, and throw away what comes.
const drainTime = 45 * time.Second

// idle reports whether nothing is being loaded any more.
func (j *job) idle() bool {
	return j.c.eventually(drainTime, func() bool { return j.shelf.reading.Load() == 0 })
}

// remove has the daemon forget the job.
func (j *job) remove(deleteData bool) {
	j.c.must("Remove", j.d.Remove(j.c.within(orderTimeout), j.ref, deleteData))
}

// isGone reports whether the daemon comes to not having the job.
func (j *job) isGone(ref downloader.Ref) bool {
	return j.c.eventually(quietTime, func() bool { return j.c.statusOf(j.d, ref).Phase == downloader.PhaseGone })
}

// sameBytes compares what is on disk with what was served, for the files of
// these indexes, or all.
func (j *job) sameBytes(indexes ...int) {
	if len(indexes) == 0 {
		for i := range j.files {
			indexes = append(indexes, i)
		}
	}
	for _, i := range indexes {
		f := j.files[i]
		got, err := os.ReadFile(filepath.Join(j.dir, filepath.FromSlash(f.path)))
		if err != nil {
			j.c.failf("The file %q is not below the job's directory: %v.", f.path, err)
		}
		if !bytes.Equal(got, f.data) {
			j.c.failf("The file %q has %d bytes that are not the %d bytes served.", f.path, len(got), len(f.data))
		}
	}
}

// nothingBeside looks for files that jobs left outside of their directories.
func (c *C) nothingBeside(but ...string) {
	known := map[string]bool{}
	for i := range c.jobs {
		known[fmt.Sprintf("job-%d", i+1)] = true
	}
	for _, name := range but {
		known[name] = true
	}
	entries, err := os.ReadDir(c.ownDir())
	c.mustOwn(err)
	for _, e := range entries {
		if !known[e.Name()] {
			c.failf("There is %q beside the job's directory.", e.Name())
		}
	}
}

// intact ends the case unless a job runs, and ends well.
func (j *job) intact(after string) {
	if st := j.status(); st.Phase == downloader.PhaseGone || st.Phase == downloader.PhaseFailed {
		j.c.failf("After %s another job is %s.", after, st.Phase)
	}
	j.shelf.open()
	j.awaitData()
	j.sameBytes()
}

// isRefusal reports whether err says that the request is wrong.
func isRefusal(err error) bool {
	switch errs.KindOf(err) {
	case errs.KindInvalid, errs.KindForbidden, errs.KindUnsupported, errs.KindTooLarge:
		return true
	}
	return false
}
