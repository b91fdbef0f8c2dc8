package driver

import (
	"context"
	"errors"
	"time"

	"github.com/haul-dl/haul/plugins/aria2/internal/aria2rpc"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

// settleTimeout is how long a download may take to do as it is told, on top of
// which come the calls themselves.
const settleTimeout = 10 * time.Second

// target is a download that an order is for: the one that does the work.
type target struct {
	*task
	options map[string]string
}

// settle brings the downloads of a job to where step has nothing to do any
// more. It looks first and after each order: an order that is followed already
// is not given, since most make aria2 restart the download, and one that is
// given while a magnet link's metadata comes in reaches the wrong download.
func (d *Driver) settle(ctx context.Context, ref downloader.Ref, look lookFunc, step func(target) ([]aria2rpc.Call, error)) error {
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	var refusal error
	for pause := minPause; ; pause = min(2*pause, maxPause) {
		targets, err := look(ctx, ref)
		if err != nil {
			return err
		}
		var calls []aria2rpc.Call
		for _, t := range targets {
			more, err := step(t)
			if err != nil {
				return err
			}
			calls = append(calls, more...)
		}
		if len(calls) == 0 {
			return nil
		}
		results, err := d.changes.Do(ctx, calls...)
		if err != nil {
			return err
		}
		refusal = firstRefusal(results)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return notFollowed(ctx, refusal)
		}
	}
}

func firstRefusal(results []aria2rpc.Result) error {
	for _, r := range results {
		if r.Err != nil {
			return r.Err
		}
	}
	return nil
}

func notFollowed(ctx context.Context, refusal error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return errs.Wrap(ctx.Err(), errs.Canceled, "The call was given up.")
	}
	if e, ok := errors.AsType[*aria2rpc.Error](refusal); ok {
		return errs.Wrap(e, errs.DownloaderError, "aria2 refuses: %s", e.Message)
	}
	return errs.New(errs.DownloaderError, "aria2 does not do as it is told.")
}

// lookFunc finds the downloads that work for a job. It fails with
// errs.JobNotFound where one is missing.
type lookFunc func(ctx context.Context, ref downloader.Ref) ([]target, error)

// targets says how the downloads of a job stand.
func (d *Driver) targets(ctx context.Context, ref downloader.Ref) ([]target, error) {
	gids := handleOf(ref).gids(ref.JobID)
	snap := snapshot{}
	if err := d.look(ctx, snap, gids...); err != nil {
		return nil, err
	}
	if err := d.look(ctx, snap, snap.followers()...); err != nil {
		return nil, err
	}
	out := make([]target, 0, len(gids))
	for _, gid := range gids {
		t := snap.resolve(gid)
		if t == nil || t.Status == "removed" {
			return nil, errs.New(errs.JobNotFound, "aria2 does not have the job.")
		}
		out = append(out, target{task: t})
	}
	return out, nil
}

// optioned is targets with the options of each.
func (d *Driver) optioned(ctx context.Context, ref downloader.Ref) ([]target, error) {
	targets, err := d.targets(ctx, ref)
	if err != nil {
		return nil, err
	}
	calls := make([]aria2rpc.Call, len(targets))
	for i, t := range targets {
		calls[i] = aria2rpc.NewCall("aria2.getOption", t.GID)
	}
	results, err := d.reads.Do(ctx, calls...)
	if err != nil {
		return nil, err
	}
	for i, r := range results {
		if r.Err != nil {
			continue // it ended meanwhile; the next look tells
		}
		if err := r.Decode(&targets[i].options); err != nil {
			return nil, oddAnswer(err)
		}
	}
	return targets, nil
}

// detailed is targets with the files of each.
func (d *Driver) detailed(ctx context.Context, ref downloader.Ref) ([]target, error) {
	targets, err := d.targets(ctx, ref)
	if err != nil {
		return nil, err
	}
	snap, gids := snapshot{}, make([]string, len(targets))
	for i, t := range targets {
		gids[i] = t.GID
	}
	if err := d.lookDetailed(ctx, snap, gids...); err != nil {
		return nil, err
	}
	for i, gid := range gids {
		if targets[i].task = snap[gid]; snap[gid] == nil {
			return nil, errs.New(errs.JobNotFound, "aria2 does not have the job any more.")
		}
	}
	return targets, nil
}

// stopped reports whether nothing more happens to a download.
func (t *task) stopped() bool {
	return t.Status == "complete" || t.Status == "error"
}
