package driver

import (
	"context"

	"github.com/haul-dl/haul/plugins/aria2/internal/aria2rpc"
	"github.com/haul-dl/haul/sdk/downloader"
)

// Check implements downloader.Driver: one request for all downloads of the
// daemon, and another one where jobs have just got another phase.
func (d *Driver) Check(ctx context.Context, refs []downloader.Ref) ([]downloader.Status, error) {
	if len(refs) == 0 {
		return nil, nil
	}
	jobs := make([]*job, len(refs))
	for i, ref := range refs {
		jobs[i] = d.jobs.get(ref)
	}
	snap, err := d.everything(ctx)
	if err != nil {
		return nil, err
	}
	if err := d.endIdle(ctx, jobs, snap); err != nil {
		return nil, err
	}
	return d.report(ctx, jobs, snap)
}

// report says how jobs fare, and asks for what the snapshot lacks for that.
func (d *Driver) report(ctx context.Context, jobs []*job, snap snapshot) ([]downloader.Status, error) {
	if err := d.beginAnew(ctx, jobs, snap); err != nil {
		return nil, err
	}
	if err := d.complete(ctx, jobs, snap); err != nil {
		return nil, err
	}
	// That was another look, in which more may have ended.
	if err := d.beginAnew(ctx, jobs, snap); err != nil {
		return nil, err
	}
	if err := d.checkSelections(ctx, jobs, snap); err != nil {
		return nil, err
	}
	out := make([]downloader.Status, len(jobs))
	for i, j := range jobs {
		out[i] = d.status(j, snap)
	}
	return out, nil
}

// complete gets the details of downloads that a status needs. Where a job has
// got its data, the session is saved with it.
func (d *Driver) complete(ctx context.Context, jobs []*job, snap snapshot) error {
	var news, ended []string
	for _, j := range jobs {
		gids, whole := d.lacking(j, snap)
		if whole {
			ended = append(ended, gids...)
		} else {
			news = append(news, gids...)
		}
	}
	if len(ended) > 0 {
		return d.details(ctx, snap, append(ended, news...)...)
	}
	return d.lookDetailed(ctx, snap, news...)
}

// lacking returns the downloads of a job whose details are needed, and whether
// that is because the job has got its data.
func (d *Driver) lacking(j *job, snap snapshot) (gids []string, whole bool) {
	name, files, last := d.jobs.known(j)
	whole = files == nil
	var all []string
	for _, gid := range j.gids {
		t := snap.resolve(gid)
		if t == nil {
			return nil, false // the job is gone
		}
		whole = whole && t.phase().HasData()
		if !t.saved {
			all = append(all, t.GID)
		}
		if t.detailed || j.handle.Parts > 0 {
			continue
		}
		nameless := name == "" && t.TotalLength > 0 && t.InfoHash == ""
		if nameless || t.InfoHash != "" && last.stale(t) {
			gids = append(gids, t.GID)
		}
	}
	if whole {
		return all, true
	}
	return gids, false
}

// stale reports whether a torrent's download has become another, or has got
// into another phase, since it was looked at.
func (s seen) stale(t *task) bool { return s.gid != t.GID || s.phase != t.phase() }

// seenIn is what a detailed download tells for later.
func seenIn(t *task) seen {
	s := seen{gid: t.GID, phase: t.phase(), hasInfo: t.hasMetadata()}
	for _, f := range t.Files {
		if s.hasInfo && f.Selected == "true" {
			s.wanted += int64(f.Length)
		}
	}
	return s
}

// checkSelections finds magnet links whose selection names files that they turn
// out not to have: aria2 loads nothing for those, and calls it complete.
func (d *Driver) checkSelections(ctx context.Context, jobs []*job, snap snapshot) error {
	var suspects []*task
	var calls []aria2rpc.Call
	for _, j := range jobs {
		if j.handle.Kind != downloader.SourceMagnet || j.handle.FilesEnd == 0 {
			continue
		}
		t := snap.resolve(j.gids[0])
		if t != nil && t.detailed && t.hasMetadata() && j.handle.FilesEnd > len(t.Files) {
			suspects = append(suspects, t)
			calls = append(calls, aria2rpc.NewCall("aria2.getOption", t.GID))
		}
	}
	if len(calls) == 0 {
		return nil
	}
	results, err := d.reads.Do(ctx, calls...)
	if err != nil {
		return err
	}
	for i, r := range results {
		var o map[string]string
		if r.Decode(&o) != nil {
			continue // it ended meanwhile
		}
		if n := lastSelected(o["select-file"]); n > len(suspects[i].Files) {
			suspects[i].wrong = errNoFile(n-1, len(suspects[i].Files))
		}
	}
	return nil
}
