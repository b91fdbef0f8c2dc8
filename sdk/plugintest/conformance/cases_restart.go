package conformance

import (
	"context"
	"slices"
	"time"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

func restartCases() []testCase {
	return slices.Concat(
		perKind(testCase{
			name:     "restart/finds-jobs",
			expected: "After the plugin's end and new start its jobs are found by their references, go on, and are never said to be gone.",
			try: func(c *C) {
				in := c.readyInstance()
				j := c.jobAt(in, c.slowContent(8*fileSize)).add().awaitMoving()
				c.restart(in)
				j.d = in.driver
				j.comesBack(in)
				j.shelf.open()
				j.awaitData()
				j.sameBytes()
			},
		}),
		perKind(testCase{
			name:     "restart/adds-again",
			expected: "An Add of a job that was added before the plugin's restart, by a call whose answer was lost, makes no second one.",
			try: func(c *C) {
				in := c.readyInstance()
				j := c.jobAt(in, c.slowContent(slowSize)).add().awaitMoving()
				c.restart(in)
				c.must("The daemon", in.ready(c.ctx, c.opts.Patience))
				j.d = in.driver
				first := j.ref
				j.add()
				c.isOne(j, first)
			},
		}),
		[]testCase{{
			name:     "restart/ends",
			expected: "Asked to end, the plugin lets go of everything within ten seconds.",
			try: func(c *C) {
				in := c.readyInstance()
				began := time.Now()
				err := in.session.end(c.ctx, in.driver)
				in.session = nil
				c.must("Drain", err)
				if took := time.Since(began); took > drainTimeout {
					c.failf("It took %s.", took.Round(time.Second))
				}
			},
		}},
	)
}

// readyInstance starts a plugin of the case's own whose daemon answers.
func (c *C) readyInstance() *instance {
	in := c.instance(c.opts.Settings)
	c.must("The daemon", in.ready(c.ctx, c.opts.Patience))
	return in
}

func (c *C) restart(in *instance) { c.must("The new start", in.restart(c.ctx)) }

// comesBack waits until Check answers again; the first answer must know the job.
func (j *job) comesBack(in *instance) {
	var st downloader.Status
	var err error
	j.c.eventually(j.c.opts.Patience, func() bool {
		st, err = j.c.tryStatus(in.driver, j.ref)
		return err == nil || !isDowntime(err)
	})
	j.c.must("Check after the restart", err)
	if st.Phase == downloader.PhaseGone || st.Phase == downloader.PhaseFailed {
		j.c.failf("After the restart the job is %s.", st.Phase)
	}
}

func daemonCases() []testCase {
	restartable := func(o Options) string {
		if o.RestartDaemon == nil {
			return "The suite cannot restart the daemon here."
		}
		return ""
	}
	killable := func(o Options) string {
		if o.KillDaemon == nil {
			return "The suite cannot kill the daemon here."
		}
		return restartable(o)
	}
	return slices.Concat(
		perKind(testCase{
			name:     "daemon/restarted",
			expected: "After a restart of the daemon its jobs go on; adding one again makes no second one.",
			hook:     restartable,
			try: func(c *C) {
				j := c.added(c.slowContent(slowSize)).awaitMoving()
				c.must("The restart of the daemon", c.opts.RestartDaemon(c.ctx))
				j.comesBack(c.main)
				first := j.ref
				j.add()
				c.isOne(j, first)
			},
		}),
		perKind(testCase{
			name:     "daemon/killed",
			expected: "While the daemon is dead, calls answer with downloader_unreachable; when it is back, jobs go on or are gone, and adding them again works.",
			hook:     killable,
			try:      daemonKilled,
		}),
	)
}

func daemonKilled(c *C) {
	j := c.added(c.slowContent(8 * fileSize)).awaitMoving()
	c.must("The end of the daemon", c.opts.KillDaemon(c.ctx))
	back := false
	c.onCleanup(func(ctx context.Context) {
		if !back {
			c.note(c.opts.RestartDaemon(ctx))
		}
	})
	_, err := c.tryStatus(j.d, j.ref)
	c.hasCode("Check while the daemon is dead", err, errs.DownloaderUnreachable)
	c.must("The start of the daemon", c.opts.RestartDaemon(c.ctx))
	back = true
	c.must("The daemon", c.main.ready(c.ctx, c.opts.Patience))
	j.add()
	j.shelf.open()
	j.awaitData()
	j.sameBytes()
}

func handCases() []testCase {
	return []testCase{{
		name:       "by-hand/paused",
		expected:   "A job that somebody pauses at the daemon says paused, stays so, and can be resumed.",
		capability: downloader.CapabilityPause,
		hook: func(o Options) string {
			if o.PauseByHand == nil {
				return "The suite cannot pause by hand here."
			}
			return ""
		},
		try: func(c *C) {
			c.anyKind()
			j := c.added(c.slowContent(slowSize)).awaitMoving()
			c.must("Pausing by hand", c.opts.PauseByHand(c.ctx, j.hand()))
			j.awaitPhase(downloader.PhasePaused)
			if !c.during(2*time.Second, func() bool { return isPaused(j.status()) }) {
				c.failf("It became %s by itself.", j.status().Phase)
			}
			j.resume()
			j.shelf.open()
			j.awaitData()
		},
	}, {
		name:     "by-hand/removed",
		expected: "A job that somebody removes at the daemon is gone, and can be added again.",
		hook: func(o Options) string {
			if o.RemoveByHand == nil {
				return "The suite cannot remove by hand here."
			}
			return ""
		},
		try: func(c *C) {
			c.anyKind()
			j := c.added(c.slowContent(8 * fileSize)).awaitMoving()
			c.must("Removing by hand", c.opts.RemoveByHand(c.ctx, j.hand()))
			if !j.isGone(j.ref) {
				c.failf("It is %s.", j.status().Phase)
			}
			j.shelf.open()
			j.add()
			j.awaitData()
			j.sameBytes()
		},
	}}
}

func (j *job) hand() HandJob { return HandJob{Ref: j.ref, InfoHash: j.hash, Dir: j.req.Dir} }
