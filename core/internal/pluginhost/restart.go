package pluginhost

import "time"

// restartPolicy says how long to wait before a plugin is started again, and
// when to give up.
//
// Giving up is for plugins that cannot start: one that exits before it is
// configured does so again for the same reason, until somebody installs another
// binary. A plugin that has been ready once is started again for ever, at
// most a minute later each time: whatever kills it (a job, the daemon, the
// kernel when memory is short) may go away by itself, and a downloader that
// stays down until an operator comes fails everybody's downloads. One that
// works for a while in between waits no longer than half of that while, so that
// downloads get on however often it dies.
type restartPolicy struct {
	first        time.Duration // after the first crash of one that was ready: downloads wait for it
	min, max     time.Duration
	jitter       float64       // so that plugins that died together do not start together
	worksAfter   time.Duration // a run so long was of use
	healthyAfter time.Duration // a run so long forgets all crashes before it
	window       time.Duration // failed starts are counted over this time
	maxStarts    int           // so many failed starts in window are the last
}

// restarts counts the crashes and failed starts of one instance.
type restarts struct {
	policy   restartPolicy
	random   func() float64 // in [0, 1)
	attempts int            // crashes and failed starts since the last healthy run
	failures []time.Time    // failed starts within the window
}

// afterRun returns the wait after a plugin that had been ready for ran has died.
func (r *restarts) afterRun(ran time.Duration) time.Duration {
	r.failures = nil
	if ran >= r.policy.healthyAfter {
		r.attempts = 0
	}
	r.attempts++
	if r.attempts == 1 {
		return r.policy.first
	}
	wait := r.delay(r.attempts - 2)
	if ran >= r.policy.worksAfter {
		wait = min(wait, ran/2)
	}
	return wait
}

// afterFailedStart returns the wait after a start that came to nothing. Only
// a counted one, which the plugin itself is to blame for, can be the last.
func (r *restarts) afterFailedStart(now time.Time, counted bool) (wait time.Duration, giveUp bool) {
	if counted {
		r.failures = append(r.failures, now)
		for now.Sub(r.failures[0]) > r.policy.window {
			r.failures = r.failures[1:]
		}
		if len(r.failures) >= r.policy.maxStarts {
			return 0, true
		}
	}
	r.attempts++
	return r.delay(r.attempts - 1), false
}

// delay returns min doubled n times, at most max, give or take the jitter.
func (r *restarts) delay(n int) time.Duration {
	d := r.policy.min
	for ; n > 0 && d < r.policy.max; n-- {
		d *= 2
	}
	d = min(d, r.policy.max)
	return time.Duration(float64(d) * (1 + r.policy.jitter*(2*r.random()-1)))
}

// reset forgets everything: the plugin is another one now.
func (r *restarts) reset() {
	r.attempts = 0
	r.failures = nil
}
