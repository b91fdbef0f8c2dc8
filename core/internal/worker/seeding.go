package worker

import (
	"slices"
	"time"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/sdk/downloader"
)

// seeds reports whether the job is shared, or will be, when its data is there.
func (j *job) seeds() bool { return j.Job.Limits.Seed != nil && !j.SeedDone }

// sharesOn reports whether a task that has its files wants the job shared on.
func (j *job) sharesOn() bool {
	return j.seeds() && slices.ContainsFunc(j.Deliveries, func(d *deliveryRecord) bool {
		return d.Done && !d.Seeded && !d.Left && d.Want.Limits.Seed != nil
	})
}

// settleSeeding ends a job whose deliveries are done, unless a task wants it
// shared longer.
func (n *Node) settleSeeding(j *job, now time.Time) {
	n.loaded(j)
	for _, d := range j.Deliveries {
		if d.Done && !d.Seeded && (d.Left || d.Want.Limits.Seed == nil || !j.seeds()) {
			if !d.Left && d.Want.Limits.Seed != nil && j.LoadedAt != nil && j.SeedDone {
				d.note(n.now(), core.EventSeeded, "The downloader has ended sharing: a limit was reached.")
			}
			d.Seeded = true
			j.save()
		}
		if d.Done && !d.Seeded {
			if j.Phase != core.JobSeeding {
				j.Phase = core.JobSeeding
				j.save()
			}
			return
		}
	}
	j.Phase = core.JobDelivered
	j.end(core.JobDone)
	j.retry.at = now.Add(tidyPause)
}

// onShared takes in what a downloader says of a job whose data is there.
func (n *Node) onShared(j *job, s *downloader.Status, since uint64) {
	if since < j.addedAt || !j.seeds() {
		return
	}
	switch s.Phase {
	case downloader.PhaseGone:
		n.onGone(j, since)
		return
	case downloader.PhaseComplete, downloader.PhaseFailed:
		j.SeedDone = true
		j.Uploaded = j.uploaded()
		j.save()
		n.touch(j)
	}
	if j.sentAt.IsZero() || s.UploadedBytes != j.status.UploadedBytes {
		j.sentAt = time.Now()
	}
	if !n.learn(j, s) {
		n.endReached(j)
		return
	}
	n.dirty[j.Job.ID] = struct{}{}
	n.endReached(j)
}

// endReached ends sharing for the tasks whose own limits are reached: the job may
// have wider ones for others, and a daemon may have forgotten its own.
func (n *Node) endReached(j *job) {
	for _, d := range j.Deliveries {
		if d.Done && !d.Seeded && d.Want.Limits.Seed != nil && j.reached(d, n.now()) {
			d.Seeded = true
			d.note(n.now(), core.EventSeeded, "A limit of sharing was reached.")
			j.save()
			n.touch(j)
		}
	}
}

// reached reports whether one of the limits that a task wants is reached.
func (j *job) reached(d *deliveryRecord, now time.Time) bool {
	limits, since := d.Want.Limits.Seed, d.JoinedAt
	if j.LoadedAt != nil && j.LoadedAt.After(since) {
		since = *j.LoadedAt
	}
	size, sent := j.sizeOf(d), j.uploaded()-d.UploadedAt
	switch {
	case limits.Ratio > 0 && size > 0 && float64(sent) >= limits.Ratio*float64(size):
		return true
	case limits.Time > 0 && now.Sub(since) >= limits.Time:
		return true
	case limits.Idle > 0 && !j.sentAt.IsZero() && min(time.Since(j.sentAt), now.Sub(since)) >= limits.Idle:
		return true
	}
	return false
}

// limitsFor returns the limits of a job as far as its downloader can keep them.
func (n *Node) limitsFor(j *job, b *backend) downloader.Limits {
	if n.offers(b.want.Plugin, downloader.CapabilitySetLimits) {
		return j.Job.Limits
	}
	return downloader.Limits{}
}
