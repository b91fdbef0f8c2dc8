package tasks

import (
	"slices"
	"time"

	"github.com/haul-dl/haul/core"
)

// liveJob is a job that has not ended, with what its node last reported. It
// lives in memory alone; transitions are stored, progress is not.
type liveJob struct {
	id         core.JobID
	node       core.NodeID
	downloader core.DownloaderID
	// wish and revision are those of the stored job.
	wish     core.JobWish
	revision int64
	seen     core.ObservedJob
	// tasks are as they are stored; mostly there is one.
	tasks []liveTask
	// left has the revisions at which tasks left that may come back.
	left map[core.TaskID]int64
	// unseen reports that the job is older than the service, and that its node
	// has not said yet how far it is.
	unseen bool
}

// joinable reports whether the job still takes another task.
func (j *liveJob) joinable() bool {
	return !j.unseen && j.wish != core.JobRemove && (j.seen.Phase <= core.JobDownloaded || j.seen.Phase == core.JobSeeding)
}

// hasLeft reports that the node knows of no delivery of a task that is still to
// be made, so that a new one is not taken for an earlier one.
func (j *liveJob) hasLeft(task core.TaskID) bool {
	d := j.seen.Delivery(task)
	return (d == nil || d.Done) && j.seen.Revision >= j.left[task]
}

// tells returns what the node says of a task's part in the job; nil while it has
// not let the task in: then the job is that of others alone.
func (j *liveJob) tells(t *core.Task) *core.ObservedDelivery {
	if d := t.DeliveryIn(&j.seen); d != nil && !d.Refused {
		return d
	}
	return nil
}

// takesPlace reports whether the job counts against its downloader's limit. One
// that its owner has paused does not, so that others can load meanwhile; it
// goes on at once when it is resumed, and nothing new starts until there is
// room again. One that somebody stopped at the downloader keeps its place.
func (j *liveJob) takesPlace() bool {
	return j.seen.Phase.Active() && (j.seen.Phase != core.JobPaused || j.wish != core.JobPause)
}

// wouldChange reports whether a report changes anything that is stored.
func (j *liveJob) wouldChange(o *core.ObservedJob, now time.Time) bool {
	return slices.ContainsFunc(j.tasks, func(t liveTask) bool { return t.wouldChange(o, now) })
}

// task returns where a task is among those of the job, -1 where it is not.
func (j *liveJob) task(id core.TaskID) int {
	return slices.IndexFunc(j.tasks, func(t liveTask) bool { return t.id == id })
}

// liveJobs is all of them. The service's mutex guards it.
type liveJobs struct {
	jobs   map[core.JobID]*liveJob
	places map[core.DownloaderID]int
}

func newLiveJobs() *liveJobs {
	return &liveJobs{jobs: map[core.JobID]*liveJob{}, places: map[core.DownloaderID]int{}}
}

// add begins to follow a job.
func (l *liveJobs) add(job *core.Job, tasks ...core.Task) *liveJob {
	j := &liveJob{
		id: job.ID, node: job.Node, downloader: job.Downloader, wish: job.Wish, revision: job.Revision,
		seen:  core.ObservedJob{ID: job.ID, Phase: core.JobAccepted},
		tasks: make([]liveTask, len(tasks)),
	}
	for i := range tasks {
		j.tasks[i] = liveTaskOf(&tasks[i])
	}
	l.jobs[job.ID] = j
	l.places[job.Downloader]++
	return j
}

// see notes a report, and reports whether that freed a place.
func (l *liveJobs) see(j *liveJob, o *core.ObservedJob) bool {
	return l.recount(j, func() { j.seen, j.unseen = *o, false })
}

// order notes a job as it is stored now, and reports whether that freed a place.
func (l *liveJobs) order(job *core.Job) bool {
	j := l.jobs[job.ID]
	if j == nil || job.Revision < j.revision {
		return false
	}
	return l.recount(j, func() { j.wish, j.revision = job.Wish, job.Revision })
}

// recount changes a job, and reports whether that freed a place.
func (l *liveJobs) recount(j *liveJob, change func()) bool {
	had := j.takesPlace()
	change()
	has := j.takesPlace()
	switch {
	case had && !has:
		l.places[j.downloader]--
	case !had && has:
		l.places[j.downloader]++
	}
	return had && !has
}

// remove ends following a job, and reports whether that freed a place.
func (l *liveJobs) remove(id core.JobID) bool {
	j := l.jobs[id]
	if j == nil {
		return false
	}
	delete(l.jobs, id)
	if j.takesPlace() {
		l.places[j.downloader]--
		return true
	}
	return false
}

// active returns a copy of the number of places taken.
func (l *liveJobs) active() map[core.DownloaderID]int {
	out := make(map[core.DownloaderID]int, len(l.places))
	for id, n := range l.places {
		out[id] = n
	}
	return out
}

// drop forgets a task that has left its job for good.
func (l *liveJobs) drop(job core.JobID, task core.TaskID) {
	j := l.jobs[job]
	if j == nil || j.task(task) < 0 {
		return
	}
	j.tasks = slices.DeleteFunc(j.tasks, func(t liveTask) bool { return t.id == task })
	if j.left == nil {
		j.left = map[core.TaskID]int64{}
	}
	j.left[task] = j.revision
}

// keep notes a task as it is stored now, unless a newer one is known: whatever
// somebody wants or a node reports goes into the task's history.
func (l *liveJobs) keep(t *core.Task) {
	j := l.jobs[t.Job]
	if j == nil {
		return
	}
	switch i := j.task(t.ID); {
	case i < 0:
		j.tasks = append(j.tasks, liveTaskOf(t))
	case j.tasks[i].events <= t.Events:
		j.tasks[i] = liveTaskOf(t)
	}
}
