package worker

import (
	"time"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

const (
	// spaceEvery is how often the free space is measured while jobs load.
	spaceEvery = 2 * time.Second
	// markShare is what of the file system the low-water mark is at most.
	markShare = 20
)

// spaceGuard keeps downloads from filling the disk that they go to. A job gets
// room there before it begins, and holds it until all is loaded; what something
// else takes of the disk shows as a low-water mark that is passed.
type spaceGuard struct {
	// measure is Options.FreeSpace, minFree Options.MinFree.
	measure func(path string) (free, total int64, err error)
	minFree int64
	metrics *spaceMetrics

	// free and total are the last that was measured; known is false where that
	// failed, and nothing is guarded then.
	free, total int64
	known       bool
	// allocated is what jobs have on the disk already, where that was measured.
	allocated map[core.JobID]int64

	// reserved is what those that have room will still take.
	reserved int64
	// low means that the mark was passed, until twice as much is free.
	low bool
	// again means that room has to be given out anew.
	again bool
	// loading and waiting count the jobs that have room, and that want it.
	loading, waiting int

	measuring  bool
	measuredAt time.Time
	measureNow bool
}

// room is what a job has of the disk.
type room struct {
	state roomState
	// sized means that the job's size was known when it got room.
	sized bool
	// stopped means that the job was told to stop at its downloader.
	stopped bool
	waiting *core.Waiting // of roomRefused
}

type roomState int

const (
	roomUnasked roomState = iota
	roomGiven
	roomRefused
)

// mark is how much has to stay free.
func (s *spaceGuard) mark() int64 { return min(s.minFree, s.total/markShare) }

// available is what of the disk may still be promised.
func (s *spaceGuard) available() int64 { return s.free - s.mark() - s.reserved }

// fresh reports whether the last measurement still counts.
func (s *spaceGuard) fresh(now time.Time) bool {
	return !s.measuredAt.IsZero() && now.Sub(s.measuredAt) <= 2*spaceEvery
}

// spaceMeasured is what the disk has.
type spaceMeasured struct {
	free, total int64
	allocated   map[core.JobID]int64
	at          time.Time
	err         error
}

// guardSpace measures while jobs load, or wait for room.
func (n *Node) guardSpace(now time.Time) {
	s := &n.space
	switch {
	case s.again && s.fresh(now):
		n.giveRoom(now)
	case s.again:
		s.measureNow = true
	}
	if s.measuring {
		return
	}
	due := s.measuredAt.Add(spaceEvery)
	switch {
	case s.measureNow:
		due = now
	case s.loading+s.waiting == 0:
		return
	}
	if now.Before(due) {
		n.wakeAt(due)
		return
	}
	s.measuring, s.measureNow = true, false
	n.measureSpace(n.jobsToWeigh())
}

// measureSpace looks beside the loop, since a network file system may hang.
func (n *Node) measureSpace(weigh []core.JobID) {
	measure := n.space.measure
	n.steps.Go(func() {
		m := spaceMeasured{allocated: n.dirs.allocated(n.ctx, weigh)}
		m.free, m.total, m.err = measure(n.dirs.path)
		m.at = time.Now()
		n.post(m)
	})
}

// onSpaceMeasured takes in what the disk has.
func (n *Node) onSpaceMeasured(e spaceMeasured) {
	s := &n.space
	s.measuring, s.measuredAt, s.again = false, e.at, true
	if e.err != nil {
		if s.known || s.total == 0 {
			n.log.Warn("the free space cannot be measured, downloads are not held back", "err", e.err)
		}
		s.known, s.total = false, -1
		return
	}
	s.known, s.free, s.total, s.allocated = true, e.free, e.total, e.allocated
	s.metrics.free.Set(float64(e.free))
}

// spaceChanged has the space measured at once, where somebody waits for it.
func (n *Node) spaceChanged() {
	n.space.measureNow = n.space.measureNow || n.space.waiting > 0
}

// spaceFor reserves room for a job that is about to be added, and returns why
// that has to wait; nil where it may begin. A job that can never fit fails.
func (n *Node) spaceFor(j *job, now time.Time) *core.Waiting {
	s := &n.space
	if j.room.state == roomGiven || n.wantsPause(j) {
		return nil
	}
	if !s.fresh(now) {
		s.measureNow = true
		j.room = room{state: roomRefused} // until it was measured
		n.wakeAt(now)
		return &core.Waiting{Code: core.WaitingForSpace, Message: "The free space is measured."}
	}
	need, sized := n.needs(j)
	if n.failTooLarge(j, need) {
		return j.room.waiting
	}
	if missing := s.missing(need, sized, 0); missing > 0 {
		n.refuseRoom(j, missing)
		s.waiting = max(1, s.waiting)
		return j.room.waiting
	}
	j.room = room{state: roomGiven, sized: sized}
	s.reserved += need
	s.loading++
	return nil
}

// spacePaused reports whether a job has to stand still at its downloader for
// want of space.
func (n *Node) spacePaused(j *job) bool {
	if j.Phase != core.JobQueued || j.Job.Wish != core.JobRun {
		return false
	}
	if j.room.state == roomUnasked && j.Applied.Paused {
		n.space.again = true // it stays as it is until it was asked for
		n.wakeAt(time.Now())
		return true
	}
	return j.room.state == roomRefused
}

// canPause reports whether a job's downloader can stop it.
func (n *Node) canPause(j *job) bool {
	b := n.backend(j.Job.Downloader)
	return b != nil && n.offers(b.want.Plugin, downloader.CapabilityPause)
}

// waitingForSpace says that a job waits for room; nil where it does not.
func (j *job) waitingForSpace() *core.Waiting {
	if j.room.state != roomRefused || j.Job.Wish != core.JobRun || j.Ending != 0 || j.dataIsThere() {
		return nil
	}
	return j.room.waiting
}

// needs returns how much a job will still take of the disk; sized is false
// where its size is not known.
func (n *Node) needs(j *job) (need int64, sized bool) {
	size := j.wantedSize()
	if size <= 0 {
		return 0, false
	}
	there := max(j.status.DoneBytes, n.space.allocated[j.Job.ID])
	return max(0, size-there), true
}

// wantedSize returns the size of what the tasks together want, 0 where it is not known.
func (j *job) wantedSize() int64 {
	c := j.wantedFiles()
	switch {
	case !c.known:
		return 0
	case len(j.Files) == 0:
		return j.status.TotalBytes
	case c.files == nil:
		return max(j.status.TotalBytes, j.sizeOfChoice())
	}
	return j.sizeOfChoice()
}

// missing returns how much more has to be free for a job to begin, beside what
// was promised to others.
func (s *spaceGuard) missing(need int64, sized bool, promised int64) int64 {
	lacks := need + promised - s.available()
	switch {
	case !s.known:
		return 0
	case s.low:
		return max(1, 2*s.mark()-s.free, lacks)
	case !sized:
		return 0
	}
	return lacks
}

// failTooLarge fails a job that the whole disk cannot hold.
func (n *Node) failTooLarge(j *job, need int64) bool {
	s := &n.space
	if !s.known || need <= s.total-s.mark() {
		return false
	}
	w := waitingFor(j.errTooLarge(s.total))
	j.room = room{state: roomRefused, waiting: w}
	j.fail(j.errTooLarge(s.total), n.now())
	n.touchLater(j)
	return true
}

func (j *job) errTooLarge(total int64) error {
	err := errs.New(errs.OutOfSpace, "The download has %s, and the disk of the node's download folder %s in all.", sizeWords(j.wantedSize()), sizeWords(total))
	if j.shared() {
		err = errs.New(errs.OutOfSpace, "The disk of the node's download folder, with %s in all, cannot hold it.", sizeWords(total))
	}
	err = err.WithHint("Choose some of its files, another node, or a larger disk for the download folder.")
	err.Retryable = new(false) // no try of ours makes the disk larger
	return err
}

// refuseRoom lets a job wait for room.
func (n *Node) refuseRoom(j *job, missing int64) {
	text := "It needs " + sizeWords(missing) + " more of free space on the disk of the node's download folder, beside what running downloads will take."
	if j.shared() {
		text = "It needs more of free space on the disk of the node's download folder, beside what running downloads will take."
	}
	if n.space.low {
		text = "The disk of the node's download folder is nearly full. Downloads go on when " + sizeWords(missing) + " more are free."
	}
	if w := j.room.waiting; w == nil || w.Message != text {
		n.dirty[j.Job.ID] = struct{}{}
	}
	j.room.state, j.room.sized = roomRefused, false
	j.room.waiting = &core.Waiting{Code: core.WaitingForSpace, Message: text}
}
