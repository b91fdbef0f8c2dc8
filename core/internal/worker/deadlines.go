package worker

import (
	"container/heap"
	"fmt"
	"time"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

// keepStallAfter is how old a stall is when it is written to the journal: most
// end sooner, and a disk shall not be woken for them.
const keepStallAfter = time.Hour

// clocks are what the journal keeps for a job's deadlines.
type clocks struct {
	// Total runs since the job was accepted.
	Total stopwatch `json:"total,omitzero"`
	// Metadata runs while the metadata of a torrent is looked for.
	Metadata stopwatch `json:"metadata,omitzero"`
	// Stall runs while the job could load and no byte comes; it is kept once it
	// is old.
	Stall *stopwatch `json:"stall,omitempty"`
}

// timing is what lives in memory for them.
type timing struct {
	// taken means that the clocks of the journal were taken up in this life of
	// the node, awake that the job could load in it.
	taken, awake bool
	stall        stopwatch
	// metadataNotBefore and stallNotBefore keep a job that could not be watched
	// while the node was down from failing before it had its chance.
	metadataNotBefore, stallNotBefore time.Time
	// alarm is when the job is looked at next.
	alarm time.Time
}

// chance is how long a job is watched at least after a start of the node before
// it misses a deadline.
func chance(limit time.Duration) time.Duration { return min(limit/4, time.Hour) }

// guardDeadlines fails a job that has missed a deadline, and else has it looked
// at again in time.
func (n *Node) guardDeadlines(j *job, now time.Time) {
	if j.Ending != 0 || j.Phase.Ended() || j.dataIsThere() {
		return
	}
	n.runClocks(j, now)
	at, err := n.deadlineOf(j, now)
	if !at.IsZero() && !at.After(now) {
		n.log.Info("download missed a deadline", "job", j.Job.ID, "code", errs.CodeOf(err))
		if n.failLoading(j, err, j.sharesOn()) {
			j.restartClocks()
			n.touchLater(j)
		}
		return
	}
	t := &j.timing
	if keep := j.keepStallAt(now); !keep.IsZero() && (at.IsZero() || keep.Before(at)) {
		at = keep
	}
	if at.IsZero() || t.alarm.After(now) && !at.Before(t.alarm) {
		return
	}
	t.alarm = at
	heap.Push(&n.timers, timer{at, j.Job.ID})
}

// failLoading ends the deliveries that lack something, so that what others want
// too much of costs nobody who has all of theirs. Without any of those it ends the
// job, unless that goes on in any case.
func (n *Node) failLoading(j *job, err error, goesOn bool) bool {
	var lacking []*deliveryRecord
	for _, d := range j.Deliveries {
		switch {
		case !d.open():
		case j.hasAllOf(d):
			goesOn = true
		default:
			lacking = append(lacking, d)
		}
	}
	if !goesOn || len(lacking) == 0 {
		j.fail(err, n.now())
		return false
	}
	for _, d := range lacking {
		d.fail(err, n.now())
	}
	j.choice = nil
	j.save()
	return true
}

// restartClocks gives a job all of its time again.
func (j *job) restartClocks() {
	j.Clocks, j.timing.stall = clocks{}, stopwatch{}
}

// deadlineOf returns when a job misses its next deadline, and the error then; a
// zero time where there is none.
func (n *Node) deadlineOf(j *job, now time.Time) (at time.Time, err error) {
	limits, t := &j.Job.Deadlines, &j.timing
	next := func(limit time.Duration, w *stopwatch, notBefore time.Time, missed func() error) {
		if limit <= 0 || !w.runs() || !t.awake && w != &j.Clocks.Total {
			return
		}
		due := later(now.Add(limit-w.elapsed(now)), notBefore)
		if at.IsZero() || due.Before(at) {
			at, err = due, missed()
		}
	}
	next(limits.Metadata, &j.Clocks.Metadata, t.metadataNotBefore, j.errMetadata)
	next(limits.Stall, &t.stall, t.stallNotBefore, j.errStalled)
	next(limits.Total, &j.Clocks.Total, time.Time{}, j.errTotal)
	return at, err
}

// runClocks starts and stops a job's clocks by how it stands.
func (n *Node) runClocks(j *job, now time.Time) {
	c, t, wall := &j.Clocks, &j.timing, n.wall()
	loads := n.couldLoad(j)
	j.takeUpClocks(now, wall)
	if !c.Total.runs() {
		c.Total.start(now, wall)
		j.save()
	}
	if !loads && !t.awake {
		return // nobody knows yet how it stands
	}
	if loads && !t.awake {
		t.awake = true
		t.metadataNotBefore = now.Add(chance(j.Job.Deadlines.Metadata))
		t.stallNotBefore = now.Add(chance(j.Job.Deadlines.Stall))
	}
	j.runStall(loads, now, wall)
	j.runMetadata(loads, now, wall)
}

// takeUpClocks goes on with what the journal has kept.
func (j *job) takeUpClocks(now, wall time.Time) {
	c, t := &j.Clocks, &j.timing
	if t.taken {
		return
	}
	t.taken = true
	c.Total.takeUp(now, wall)
	c.Metadata.takeUp(now, wall)
	if c.Stall != nil {
		t.stall = *c.Stall
		t.stall.takeUp(now, wall)
	}
}

func (j *job) runStall(loads bool, now, wall time.Time) {
	c, t := &j.Clocks, &j.timing
	before := t.stall.runs()
	if loads {
		t.stall.start(now, wall)
	} else {
		t.stall.stop(now)
	}
	old := c.Stall == nil && t.stall.elapsed(now) >= keepStallAfter
	if old || c.Stall != nil && before != loads {
		kept := t.stall
		c.Stall = &kept
		j.save()
	}
}

func (j *job) runMetadata(loads bool, now, wall time.Time) {
	w := &j.Clocks.Metadata
	looks := loads && j.phase == core.JobMetadata
	switch {
	case looks && !w.runs():
		w.start(now, wall)
	case loads && !looks && *w != (stopwatch{}): // it has the metadata
		*w = stopwatch{}
	case !loads && w.runs():
		w.stop(now)
	default:
		return
	}
	j.save()
}

// keepStallAt returns when the stall has to be written to the journal.
func (j *job) keepStallAt(now time.Time) time.Time {
	w := &j.timing.stall
	if j.Job.Deadlines.Stall <= 0 || j.Clocks.Stall != nil || !w.runs() {
		return time.Time{}
	}
	return now.Add(keepStallAfter - w.elapsed(now))
}

// couldLoad reports whether nothing of this machine keeps a job from loading:
// it stands at a downloader that is well, and is neither paused nor queued there.
func (n *Node) couldLoad(j *job) bool {
	if j.Phase != core.JobQueued || !j.heard() || n.wantsPause(j) {
		return false
	}
	b := n.backend(j.Job.Downloader)
	return b != nil && b.trouble() == nil && (j.phase == core.JobDownloading || j.phase == core.JobMetadata)
}

// noticeBytes begins the stall's clock anew when a status tells that something
// was loaded, and has the job looked at when its phase has changed.
func (n *Node) noticeBytes(j *job, s *downloader.Status) {
	if s.Phase != j.status.Phase {
		n.touch(j)
	}
	if !cameIn(&j.status, s) {
		return
	}
	t := &j.timing
	if t.stall.runs() {
		t.stall = stopwatch{}
		t.stall.start(time.Now(), n.wall())
	} else {
		t.stall = stopwatch{}
	}
	t.stallNotBefore = time.Time{}
	if j.Clocks.Stall != nil {
		j.Clocks.Stall = nil
		j.save()
		n.touch(j)
	}
}

// cameIn reports whether bytes were loaded between two looks. What is verified
// was there before, and what is uploaded does not count.
func cameIn(was, is *downloader.Status) bool {
	switch {
	case is.Phase == downloader.PhaseChecking:
		return false
	case is.Phase == downloader.PhaseDownloading && is.DownloadRate > 0:
		return true
	case was.Phase == "", was.Phase == downloader.PhaseChecking:
		return false
	case was.Phase == downloader.PhaseMetadata && is.Phase == downloader.PhaseDownloading:
		return true
	}
	return is.DoneBytes > was.DoneBytes
}

// rebaseClocks brings the journal in line with a wall clock that was set anew.
func (j *job) rebaseClocks(now, wall time.Time) bool {
	if !j.timing.taken || j.Phase.Ended() {
		return false
	}
	changed := j.Clocks.Total.rebase(now, wall)
	changed = j.Clocks.Metadata.rebase(now, wall) || changed
	j.timing.stall.rebase(now, wall)
	if j.Clocks.Stall != nil {
		kept := j.timing.stall
		j.Clocks.Stall, changed = &kept, true
	}
	return changed
}

func (j *job) errMetadata() error {
	return errs.New(errs.MetadataTimeout, "Nobody sent the torrent's metadata within %s. %s", timeWords(j.Job.Deadlines.Metadata), j.lastKnown())
}

func (j *job) errStalled() error {
	return errs.New(errs.Stalled, "No data came for %s. %s", timeWords(j.Job.Deadlines.Stall), j.lastKnown())
}

func (j *job) errTotal() error {
	return errs.New(errs.TotalTimeout, "The download was not complete within %s. %s", timeWords(j.Job.Deadlines.Total), j.lastKnown())
}

// lastKnown says how far the job was, and with whom.
func (j *job) lastKnown() string {
	s, text := &j.status, "Nothing is loaded"
	if j.shared() {
		text = "It is not complete"
	}
	if total := max(s.TotalBytes, j.wantedSize()); total > 0 && !j.shared() {
		text = fmt.Sprintf("%s of %s are loaded", sizeWords(s.DoneBytes), sizeWords(total))
	}
	if kind := j.Job.Source.Kind; kind == downloader.SourceMagnet || kind == downloader.SourceTorrent {
		text += fmt.Sprintf("; it was connected to %d peers, %d of them seeds", s.Peers, s.Seeds)
	}
	return text + "."
}
