package driver

import (
	"time"

	"github.com/haul-dl/haul/sdk/downloader"
)

// setIdle takes in the limit of idle seeding that a job was given.
func (r *registry) setIdle(ref downloader.Ref, idle time.Duration) { r.learnIdle(r.get(ref), idle) }

func (r *registry) learnIdle(j *job, idle time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	j.idle, j.idleKnown = idle, true
}

func (r *registry) idleKnown(j *job) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return j.idleKnown
}

// isIdle reports whether a job that seeds has had no taker for long enough.
func (r *registry) isIdle(j *job, uploaded int64, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if j.uploadedAt.IsZero() || uploaded != j.uploaded {
		j.uploaded, j.uploadedAt = uploaded, now
	}
	return j.idle > 0 && now.Sub(j.uploadedAt) >= j.idle
}
