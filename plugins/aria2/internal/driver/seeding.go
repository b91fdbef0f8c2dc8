package driver

import (
	"context"

	"github.com/haul-dl/haul/plugins/aria2/internal/aria2rpc"
)

// endIdle ends the seeding of torrents that nobody has taken a byte of for long
// enough, which aria2 does not do by itself: to it the end of seeding by
// removal is a completion. What it takes no longer than a look shows the next one.
func (d *Driver) endIdle(ctx context.Context, jobs []*job, snap snapshot) error {
	seeding := map[*job]*task{}
	var unknown []*job
	for _, j := range jobs {
		t := j.seeding(snap)
		if t == nil {
			continue
		}
		seeding[j] = t
		if !d.jobs.idleKnown(j) {
			unknown = append(unknown, j)
		}
	}
	if err := d.learnIdle(ctx, unknown, seeding); err != nil {
		return err
	}
	var calls []aria2rpc.Call
	for j, t := range seeding {
		if d.jobs.isIdle(j, int64(t.UploadLength), d.now()) {
			calls = append(calls, aria2rpc.NewCall("aria2.forceRemove", t.GID))
		}
	}
	if len(calls) == 0 {
		return nil
	}
	_, err := d.changes.Do(ctx, calls...)
	return err
}

// seeding returns the download of a job that seeds, nil for others.
func (j *job) seeding(snap snapshot) *task {
	if j.handle.Parts > 0 {
		return nil
	}
	t := snap.resolve(j.gids[0])
	if t == nil || t.Status != "active" || t.Seeder != "true" || t.CompletedLength < t.TotalLength || t.TotalLength == 0 {
		return nil
	}
	return t
}

// learnIdle reads the limits of jobs that another process has set.
func (d *Driver) learnIdle(ctx context.Context, jobs []*job, seeding map[*job]*task) error {
	if len(jobs) == 0 {
		return nil
	}
	calls := make([]aria2rpc.Call, len(jobs))
	for i, j := range jobs {
		calls[i] = aria2rpc.NewCall("aria2.getOption", seeding[j].GID)
	}
	results, err := d.reads.Do(ctx, calls...)
	if err != nil {
		return err
	}
	for i, r := range results {
		var o map[string]string
		if r.Decode(&o) == nil {
			d.jobs.learnIdle(jobs[i], idleIn(o[markOption]))
		}
	}
	return nil
}
