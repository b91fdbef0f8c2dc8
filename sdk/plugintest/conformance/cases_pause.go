package conformance

import (
	"slices"
	"time"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

func pauseCases() []testCase {
	cases := slices.Concat(
		perKind(testCase{
			name:     "pause/stops",
			expected: "A paused job loads nothing and says paused; resumed, it gets all its data. Both orders may be repeated.",
			try:      pauseStops,
		}),
		perKind(testCase{
			name:     "pause/at-add",
			expected: "A job that is added paused loads nothing until it is resumed.",
			try:      pauseAtAdd,
		}),
		perKind(testCase{
			name:     "pause/complete",
			expected: "Pausing and resuming what has its data succeeds, and it keeps its data.",
			try: func(c *C) {
				j := c.added(c.content(fileSize))
				j.awaitData()
				c.must("Pause of a complete job", j.pauser().Pause(c.within(orderTimeout), j.ref))
				c.must("Resume of a complete job", j.pauser().Resume(c.within(orderTimeout), j.ref))
				j.awaitData()
				j.sameBytes()
			},
		}),
		[]testCase{{
			name:     "pause/no-such-job",
			expected: "Pause and Resume of a job that the daemon does not have answer with job_not_found.",
			try: func(c *C) {
				j := c.removedJob()
				c.hasCode("Pause", j.pauser().Pause(c.within(orderTimeout), j.ref), errs.JobNotFound)
				c.hasCode("Resume", j.pauser().Resume(c.within(orderTimeout), j.ref), errs.JobNotFound)
			},
		}},
	)
	return withCapability(downloader.CapabilityPause, cases)
}

// withCapability marks cases as those of an optional part.
func withCapability(capability downloader.Capability, cases []testCase) []testCase {
	for i := range cases {
		cases[i].capability = capability
	}
	return cases
}

// pauser returns the driver's optional part, which was declared.
func (j *job) pauser() downloader.Pauser {
	p, ok := j.d.(downloader.Pauser)
	if !ok {
		j.c.failf("The driver cannot pause, though the plugin declares it.")
	}
	return p
}

// obey repeats an order as haul does, until the job follows.
func (j *job) obey(what string, phase func(downloader.Status) bool, order func() error) {
	again := time.Now()
	j.await("obeys "+what, func(st downloader.Status) bool {
		if phase(st) {
			return true
		}
		if time.Now().After(again) {
			j.c.must(what, order())
			again = time.Now().Add(2 * time.Second)
		}
		return false
	})
}

func isPaused(st downloader.Status) bool { return st.Phase == downloader.PhasePaused }

func (j *job) pause() {
	j.obey("Pause", isPaused, func() error { return j.pauser().Pause(j.c.within(orderTimeout), j.ref) })
}

func (j *job) resume() {
	running := func(st downloader.Status) bool { return !isPaused(st) && st.Phase != downloader.PhaseUnknown }
	j.obey("Resume", running, func() error { return j.pauser().Resume(j.c.within(orderTimeout), j.ref) })
}

func pauseStops(c *C) {
	j := c.added(c.slowContent(slowSize)).awaitMoving()
	j.pause()
	c.must("A second Pause", j.pauser().Pause(c.within(orderTimeout), j.ref))
	if !j.idle() {
		c.failf("%s after Pause the source is still being loaded.", drainTime)
	}
	before := j.shelf.sent.Load()
	if !c.during(time.Second, func() bool { return isPaused(j.status()) }) {
		c.failf("A paused job became %s by itself.", j.status().Phase)
	}
	if now := j.shelf.sent.Load(); now != before {
		c.failf("A paused job loaded %d bytes.", now-before)
	}
	j.resume()
	c.must("A second Resume", j.pauser().Resume(c.within(orderTimeout), j.ref))
	j.shelf.open()
	j.awaitData()
	j.sameBytes()
}

func pauseAtAdd(c *C) {
	j := c.job(c.content(fileSize))
	j.req.Paused = true
	j.add()
	j.awaitPhase(downloader.PhasePaused)
	c.during(2*time.Second, func() bool { return j.shelf.sent.Load() == 0 })
	if sent := j.shelf.sent.Load(); sent > 0 {
		c.failf("A job that was added paused loaded %d bytes.", sent)
	}
	j.resume()
	j.awaitData()
	j.sameBytes()
}
