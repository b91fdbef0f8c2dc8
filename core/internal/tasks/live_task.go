package tasks

import (
	"time"

	"github.com/haul-dl/haul/core"
)

// liveTask is what of a stored task decides whether a report changes it. Of each
// task that is under way one is kept in memory, so it holds no more than that.
type liveTask struct {
	id               core.TaskID
	job              core.JobID
	wish             core.Wish
	state            core.TaskState
	name             string
	named            bool
	infoHash, v2     string
	totalBytes       int64
	files            []core.DeliveredFile
	failure          *core.Failure
	heldUntil        *time.Time
	removed          []core.DeliveredFile
	joinedAt, leftAt int64
	logSeen, events  int
}

func liveTaskOf(t *core.Task) liveTask {
	return liveTask{
		id: t.ID, job: t.Job, wish: t.Wish, state: t.State, name: t.Name, named: t.Named,
		infoHash: t.InfoHash, v2: t.InfoHashV2, totalBytes: t.TotalBytes, files: t.Files,
		failure: t.Error, heldUntil: t.HeldUntil, joinedAt: t.JoinedAt, leftAt: t.LeftAt,
		removed: t.Removed, logSeen: t.LogSeen, events: t.Events,
	}
}

// wouldChange reports whether a report changes anything of the task that is stored.
func (l *liveTask) wouldChange(o *core.ObservedJob, now time.Time) bool {
	t := core.Task{
		ID: l.id, Job: l.job, Wish: l.wish, State: l.state, Name: l.name, Named: l.named,
		InfoHash: l.infoHash, InfoHashV2: l.v2, TotalBytes: l.totalBytes, Files: l.files,
		Error: l.failure, HeldUntil: l.heldUntil, JoinedAt: l.joinedAt, LeftAt: l.leftAt,
		Removed: l.removed, LogSeen: l.logSeen, Events: l.events,
	}
	return t.Observe(o, now)
}
