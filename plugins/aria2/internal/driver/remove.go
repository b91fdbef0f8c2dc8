package driver

import (
	"context"
	"errors"
	"time"

	"github.com/haul-dl/haul/plugins/aria2/internal/aria2rpc"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

const (
	// stopTimeout is how long a removed download may take to stop, on top of
	// which come the calls themselves.
	stopTimeout = 10 * time.Second
	minPause    = 5 * time.Millisecond
	maxPause    = 100 * time.Millisecond
)

// Remove implements downloader.Driver. When it returns, aria2 does not write to
// the job's directory any more. aria2 deletes no files, and haul removes the
// job's directory by itself, so deleteData changes nothing.
func (d *Driver) Remove(ctx context.Context, ref downloader.Ref, _ bool) error {
	d.jobs.forget(ref.JobID)
	gids := handleOf(ref).gids(ref.JobID)
	if len(ref.Opaque) == 0 {
		parts, err := d.findParts(ctx, ref.JobID)
		if err != nil {
			return err
		}
		gids = append(gids, parts...)
	}
	return d.removeGIDs(ctx, gids)
}

// findParts looks for the downloads of a metalink whose Ref was lost.
func (d *Driver) findParts(ctx context.Context, jobID string) ([]string, error) {
	var out []string
	for i, n := 0, 1; i < maxParts; i, n = i+n, chunk { // one first: most jobs are no metalink
		gids := make([]string, n)
		for k := range gids {
			gids[k] = partGID(jobID, i+k)
		}
		snap := snapshot{}
		if err := d.look(ctx, snap, gids...); err != nil {
			return nil, err
		}
		if len(snap) == 0 {
			break
		}
		out = append(out, gids...)
	}
	return out, nil
}

// removeGIDs makes aria2 forget downloads and what follows them.
func (d *Driver) removeGIDs(ctx context.Context, gids []string) error {
	for len(gids) > 0 {
		n := min(chunk, len(gids))
		if err := d.removeChunk(ctx, gids[:n]); err != nil {
			return err
		}
		gids = gids[n:]
	}
	return nil
}

// removeChunk stops what runs and repeats until aria2 has none of them any
// more: an active download stops a moment after it was told to. What follows a
// magnet link goes first, as only the link knows it.
func (d *Driver) removeChunk(ctx context.Context, gids []string) error {
	ctx, cancel := context.WithTimeout(ctx, stopTimeout)
	defer cancel()
	for pause := minPause; ; pause = min(2*pause, maxPause) {
		left, err := d.removeStep(ctx, gids)
		if err != nil || left == 0 {
			return err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.Canceled) {
				return errs.Wrap(ctx.Err(), errs.Canceled, "The removal was given up.")
			}
			return errs.New(errs.DownloaderError, "aria2 does not stop the download.")
		}
	}
}

// removeStep does what can be done now and returns how many are left.
func (d *Driver) removeStep(ctx context.Context, gids []string) (int, error) {
	snap := snapshot{}
	if err := d.look(ctx, snap, gids...); err != nil {
		return 0, err
	}
	if len(snap) == 0 {
		return 0, nil
	}
	if kin := snap.followers(); len(kin) > 0 {
		if err := d.look(ctx, snap, kin...); err != nil {
			return 0, err
		}
	}
	var calls []aria2rpc.Call
	left := len(snap)
	for gid, t := range snap {
		switch {
		case t.Status == "active" || t.Status == "waiting" || t.Status == "paused":
			calls = append(calls, aria2rpc.NewCall("aria2.forceRemove", gid))
		case snap.resolve(gid) != nil && snap.resolve(gid) != t:
			// its follower is still there
		default:
			calls = append(calls, aria2rpc.NewCall("aria2.removeDownloadResult", gid))
		}
	}
	results, err := d.changes.Do(ctx, calls...)
	if err != nil {
		return 0, err
	}
	for i, r := range results {
		if r.Err == nil && calls[i].Method == "aria2.removeDownloadResult" {
			left--
		}
	}
	return left, nil // other failures show in the next look
}

func (s snapshot) followers() []string {
	var out []string
	for _, t := range s {
		out = append(out, t.FollowedBy...)
	}
	return out
}
