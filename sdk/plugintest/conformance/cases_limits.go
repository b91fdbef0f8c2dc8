package conformance

import (
	"slices"
	"time"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

// The limit of rate that is tried, and how long. Without it the whole file comes
// in that time; with it a small part.
const (
	limitedRate = 128 << 10
	limitedSize = 16 << 20
	limitedTime = 4 * time.Second
	// lateSize is for a limit that is set late: what a client has asked a web seed
	// for by then, 16 MiB with libtorrent, it may take at full speed.
	lateSize = 3 * limitedSize
)

func limitCases() []testCase {
	seedless := testCase{
		name:     "limits/no-seeding",
		expected: "A torrent without a seeding limit is not seeded: it becomes complete, and stays so.",
		kind:     downloader.SourceTorrent,
		try: func(c *C) {
			j := c.added(c.content(fileSize))
			j.awaitPhase(downloader.PhaseComplete)
			j.sameBytes()
		},
	}
	cases := slices.Concat(
		perKind(testCase{
			name:     "limits/at-add",
			expected: "A limit of the download rate holds from the start, and ends when it is lifted.",
			try: func(c *C) {
				j := c.job(c.content(limitedSize))
				j.req.Limits.DownloadRate = limitedRate
				j.add().awaitMoving()
				j.isLimited(limitedSize / 4)
				c.must("SetLimits", j.setLimits(downloader.Limits{}))
				j.awaitData()
				j.sameBytes()
			},
		}),
		perKind(testCase{
			name:     "limits/later",
			expected: "SetLimits limits a job that runs, and may be repeated.",
			try: func(c *C) {
				j := c.added(c.slowContent(lateSize)).awaitMoving()
				for range 2 {
					c.must("SetLimits", j.setLimits(downloader.Limits{DownloadRate: limitedRate}))
				}
				j.shelf.open()
				j.isLimited(lateSize / 2)
			},
		}),
		[]testCase{{
			name:     "limits/no-such-job",
			expected: "SetLimits of a job that the daemon does not have answers with job_not_found.",
			try: func(c *C) {
				c.hasCode("SetLimits", c.removedJob().setLimits(downloader.Limits{}), errs.JobNotFound)
			},
		}, {
			name:     "limits/seeding",
			expected: "A torrent with a seeding limit is seeded when it has its data, and complete once seeding is no longer wanted.",
			kind:     downloader.SourceTorrent,
			try:      limitSeeding,
		}},
	)
	return append(withCapability(downloader.CapabilitySetLimits, cases), seedless)
}

func (j *job) setLimits(limits downloader.Limits) error {
	l, ok := j.d.(downloader.Limiter)
	if !ok {
		j.c.failf("The driver cannot set limits, though the plugin declares it.")
	}
	return l.SetLimits(j.c.within(orderTimeout), j.ref, limits)
}

// isLimited watches for a while that the job loads fewer bytes than at full speed.
func (j *job) isLimited(most int64) {
	before := j.status().DoneBytes
	var st downloader.Status
	if !j.c.during(limitedTime, func() bool {
		st = j.status()
		return st.DoneBytes-before < most && !st.Phase.HasData()
	}) {
		j.c.failf("With a limit of %d bytes per second the job loaded %d bytes in less than %s.", limitedRate, st.DoneBytes-before, limitedTime)
	}
}

func limitSeeding(c *C) {
	j := c.job(c.content(fileSize))
	j.req.Limits.Seed = &downloader.SeedLimits{Ratio: 100, Time: time.Hour}
	j.add()
	j.awaitPhase(downloader.PhaseSeeding)
	c.must("SetLimits", j.setLimits(downloader.Limits{}))
	j.awaitPhase(downloader.PhaseComplete)
	j.sameBytes()
}
