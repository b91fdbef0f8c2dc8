package conformance

import (
	"slices"
	"sync"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

func idempotenceCases() []testCase {
	return slices.Concat(
		perKind(testCase{
			name:     "add/twice",
			expected: "A second Add of a job changes nothing: there is one job, which one Remove ends.",
			try: func(c *C) {
				j := c.added(c.slowContent(slowSize)).awaitMoving()
				second, err := j.tryAdd()
				c.must("The second Add", err)
				c.isOne(j, second)
			},
		}),
		perKind(testCase{
			name:     "add/twice-at-once",
			expected: "Several calls of Add for one job at the same time make one job.",
			try:      addTwiceAtOnce,
		}),
		perKind(testCase{
			name:     "add/after-completion",
			expected: "An Add of a job that has its data already changes nothing.",
			try: func(c *C) {
				j := c.added(c.content(fileSize))
				j.awaitData()
				_, err := j.tryAdd()
				c.must("The second Add", err)
				j.awaitData()
				j.sameBytes()
			},
		}),
		[]testCase{{
			name:     "add/same-torrent-elsewhere",
			expected: "A torrent that another job has is refused with in_use, and that job goes on.",
			kind:     downloader.SourceTorrent,
			try: func(c *C) {
				content := c.slowContent(fileSize * 8)
				first := c.added(content).awaitMoving()
				_, err := c.job(content).tryAdd()
				c.hasCode("Add of the same torrent in another directory", err, errs.InUse)
				first.intact("the refused Add")
			},
		}, {
			name:     "add/same-torrent-later",
			expected: "A torrent whose job was removed can be added for another job.",
			kind:     downloader.SourceTorrent,
			try: func(c *C) {
				content := c.content(fileSize)
				first := c.added(content)
				first.awaitData()
				first.remove(true)
				second := c.added(content)
				second.awaitData()
				second.sameBytes()
			},
		}},
	)
}

func addTwiceAtOnce(c *C) {
	j := c.job(c.slowContent(slowSize))
	refs, failures := make([]downloader.Ref, 6), make([]error, 6)
	var adds sync.WaitGroup
	for i := range refs {
		adds.Go(func() { refs[i], failures[i] = j.tryAdd() })
	}
	adds.Wait()
	for _, err := range failures {
		c.must("One of the calls of Add", err)
	}
	j.ref = refs[0]
	j.awaitMoving()
	c.isOne(j, refs[1:]...)
}

// isOne ends the case unless all refs are of one job, the only one: removing it
// by one of them is removing it for the others, and nothing is loaded afterwards.
func (c *C) isOne(j *job, others ...downloader.Ref) {
	if lister, ok := j.d.(downloader.Lister); ok && slices.Contains(c.desc.Capabilities, downloader.CapabilityList) {
		jobs, err := lister.List(c.within(orderTimeout))
		c.must("List", err)
		if n := countJob(jobs, j.req.JobID); n != 1 {
			c.failf("List names the job %d times.", n)
		}
	}
	for _, other := range others {
		if st := c.statusOf(j.d, other); st.Phase == downloader.PhaseGone || st.Phase == downloader.PhaseFailed {
			c.failf("With the Ref of another Add the job is %s.", st.Phase)
		}
	}
	j.remove(true)
	for _, other := range others {
		if !j.isGone(other) {
			c.failf("After one Remove the job is still there for the Ref of another Add.")
		}
	}
	if !j.idle() {
		c.failf("After one Remove the source is still being loaded.")
	}
}

func countJob(jobs []downloader.Listed, id string) (n int) {
	for _, l := range jobs {
		if l.Ref.JobID == id {
			n++
		}
	}
	return n
}
