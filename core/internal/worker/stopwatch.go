package worker

import "time"

// stopwatch measures how long something lasts, with breaks. While the node runs
// it goes by the monotonic clock; the journal keeps what the wall clock said.
type stopwatch struct {
	// Spent is what it had measured when it was started last.
	Spent time.Duration `json:"spent,omitempty"`
	// Since is when that was; zero while it stands still.
	Since time.Time `json:"since,omitzero"`

	began time.Time // Since on the monotonic clock
}

// runs reports whether it measures.
func (w *stopwatch) runs() bool { return !w.Since.IsZero() }

// elapsed returns what it has measured; never less than nothing, wherever the
// clocks have gone.
func (w *stopwatch) elapsed(now time.Time) time.Duration {
	if !w.runs() {
		return w.Spent
	}
	return w.Spent + max(0, now.Sub(w.began))
}

// start lets it go on.
func (w *stopwatch) start(now, wall time.Time) {
	if !w.runs() {
		w.Since, w.began = wall.UTC(), now
	}
}

// stop makes it stand still.
func (w *stopwatch) stop(now time.Time) {
	*w = stopwatch{Spent: w.elapsed(now)}
}

// takeUp goes on with what the journal has kept.
func (w *stopwatch) takeUp(now, wall time.Time) {
	if w.runs() {
		w.began = now.Add(-max(0, wall.Sub(w.Since)))
	}
}

// rebase brings Since in line with a wall clock that was set anew, and reports
// whether that changed it.
func (w *stopwatch) rebase(now, wall time.Time) bool {
	if !w.runs() {
		return false
	}
	w.Since = wall.Add(-max(0, now.Sub(w.began))).UTC()
	return true
}

// maxDrift is how far the wall clock may go apart from the monotonic one before
// what rests on it is brought in line.
const maxDrift = 5 * time.Second

// clockGuard notices when somebody sets the wall clock, or the machine slept.
type clockGuard struct {
	// now and wall were read at the same moment.
	now, wall time.Time
}

// wall returns the wall clock without a monotonic reading.
func (n *Node) wall() time.Time { return n.now().Round(0) }

// guardClock keeps deadlines right when the wall clock jumps: what has elapsed
// stays as it was measured.
func (n *Node) guardClock(now time.Time) {
	c, wall := &n.clock, n.wall()
	if c.now.IsZero() {
		*c = clockGuard{now, wall}
		return
	}
	jump := wall.Sub(c.wall) - now.Sub(c.now)
	if jump.Abs() < maxDrift {
		return
	}
	n.log.Warn("the clock was set anew, deadlines stay as they are", "by", jump.Round(time.Second))
	*c = clockGuard{now, wall}
	for _, j := range n.jobs {
		rebased, shifted := j.rebaseClocks(now, wall), j.shiftTimes(jump)
		if rebased || shifted {
			j.save()
			n.touch(j)
		}
	}
	n.rebaseOrphans(now, wall)
	n.rebaseRemnants(now, wall)
}

// shiftTimes moves the stamps of a wall clock that was set anew along with it:
// else held data would be given up, or sharing ended, too early or too late.
func (j *job) shiftTimes(by time.Duration) (changed bool) {
	if j.Phase.Ended() {
		return false
	}
	shift := func(at *time.Time) *time.Time {
		moved := at.Round(0).Add(by).UTC()
		return &moved
	}
	if j.LoadedAt != nil {
		j.LoadedAt, changed = shift(j.LoadedAt), true
	}
	for _, d := range j.Deliveries {
		if d.HeldSince != nil {
			d.HeldSince, changed = shift(d.HeldSince), true
		}
		if !d.JoinedAt.IsZero() {
			d.JoinedAt, changed = *shift(&d.JoinedAt), true
		}
	}
	return changed
}
