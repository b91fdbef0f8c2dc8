package driver

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

const (
	// A stop takes half a second to show, and Transmission 3.00 loses one that
	// comes while it checks, or just as metadata arrives.
	stopTries = 20
	stopPause = 200 * time.Millisecond
	// writeTries of them go before, where data shall be on the disk first.
	writeTries = 10
)

// Pause implements downloader.Pauser. It gives the order again until it shows,
// but not for longer than two seconds: the host repeats it later.
func (d *Driver) Pause(ctx context.Context, ref downloader.Ref) error {
	h, t, err := d.find(ctx, ref)
	for i := range stopTries {
		if err != nil || t.status == stopped {
			return err
		}
		if i < writeTries && t.mustWrite() {
			if err := d.pauseFor(ctx, stopPause); err != nil {
				return err
			}
			h, t, err = d.find(ctx, ref)
			continue
		}
		if err := d.call(ctx, "torrent-stop", ids(h.Hash)); err != nil {
			return err
		}
		if err := d.pauseFor(ctx, stopPause); err != nil {
			return err
		}
		h, t, err = d.find(ctx, ref)
	}
	return err
}

// mustWrite reports whether a web seed may have begun to send while nothing is
// there yet. What it sends after a stop stays in the daemon's memory; having
// written nothing before, the daemon would then say that the data is gone.
func (t *torrent) mustWrite() bool { return t.hasWebSeeds && t.status == loads && t.left >= t.size }

func (d *Driver) pauseFor(ctx context.Context, pause time.Duration) error {
	select {
	case <-time.After(pause):
		return nil
	case <-ctx.Done():
		return d.client.Explain(ctx, ctx.Err())
	}
}

// Resume implements downloader.Pauser, past the daemon's own queue.
func (d *Driver) Resume(ctx context.Context, ref downloader.Ref) error {
	h, t, err := d.find(ctx, ref)
	if err != nil {
		return err
	}
	if t.phase().HasData() {
		return nil // it would seed again
	}
	return d.call(ctx, "torrent-start-now", ids(h.Hash))
}

// SelectFiles implements downloader.FileSelector.
func (d *Driver) SelectFiles(ctx context.Context, ref downloader.Ref, files []int) error {
	h, t, err := d.find(ctx, ref)
	if err != nil {
		return err
	}
	if !t.metadata {
		return errs.New(errs.MetadataMissing, "Transmission does not have the torrent's metadata yet.")
	}
	details, err := d.details(ctx, []string{h.Hash})
	if err != nil {
		return err
	}
	one := details[h.Hash]
	if one == nil {
		return errs.New(errs.JobNotFound, "Transmission does not have the job.")
	}
	changed := !one.isChosen(files)
	if changed {
		if err := d.selectFiles(ctx, h.Hash, files, len(one.files)); err != nil {
			return err
		}
	}
	d.memory.update(h.Hash, func(m *memo) {
		m.selection, m.whole = nil, false
		m.order(func(o *orders) { o.Files = files })
	})
	if !changed {
		return nil
	}
	return d.noticeSelection(ctx, ref, t)
}

// forgetsToLook is the version of the interface of Transmission 4.1.0-beta.2, as
// in Debian 13: while it loads, it goes on with the files that were wanted when
// it was started (seen there; 4.1.4 does so no more, but while it seeds).
const forgetsToLook = 18

// noticeSelection lets a daemon that needs it begin anew with other files, and
// starts what had stopped because it was complete, and is so no more. before is
// the torrent as it was.
func (d *Driver) noticeSelection(ctx context.Context, ref downloader.Ref, before *torrent) error {
	server, err := d.client.Server(ctx)
	if err != nil {
		return err
	}
	if before.phase().HasData() {
		now, err := d.torrent(ctx, before.hash)
		if err != nil || now == nil || now.left == 0 {
			return err
		}
	}
	switch {
	case before.phase() == downloader.PhaseComplete:
		return d.Resume(ctx, ref)
	case before.status == stopped:
		return nil
	case server.RPC == forgetsToLook, server.RPC > forgetsToLook && before.status == seeds:
		if err := d.Pause(ctx, ref); err != nil {
			return err
		}
		return d.Resume(ctx, ref)
	}
	return nil
}

// selectFiles makes files wanted, and no others. To the daemon an empty list is
// one of all files.
func (d *Driver) selectFiles(ctx context.Context, hash string, files []int, count int) error {
	if len(files) == 0 {
		return errs.New(errs.InvalidRequest, "No file is selected.")
	}
	unwanted, err := others(files, count)
	if err != nil {
		return err
	}
	// In one call the daemon would drop the unwanted first, and stop a torrent of
	// which nothing is wanted for that moment: it counts as complete.
	wanted := ids(hash)
	wanted["files-wanted"] = files
	if err := d.call(ctx, "torrent-set", wanted); err != nil || len(unwanted) == 0 {
		return err
	}
	rest := ids(hash)
	rest["files-unwanted"] = unwanted
	return d.call(ctx, "torrent-set", rest)
}

// SetLimits implements downloader.Limiter.
func (d *Driver) SetLimits(ctx context.Context, ref downloader.Ref, l downloader.Limits) error {
	h, t, err := d.find(ctx, ref)
	if err != nil {
		return err
	}
	args := ids(h.Hash)
	maps.Copy(args, limitArguments(l))
	if labels := d.marked(t.labels, ref.JobID, h.Place, seedTime(l)); !slices.Equal(labels, t.labels) {
		args["labels"] = labels
	}
	if err := d.call(ctx, "torrent-set", args); err != nil {
		return err
	}
	d.memory.update(h.Hash, func(m *memo) {
		m.seedTime = seedTime(l)
		m.order(func(o *orders) { o.Limits = l })
	})
	return nil
}

// call makes a call that the daemon has no reason to refuse.
func (d *Driver) call(ctx context.Context, method string, args map[string]any) error {
	return downloaderError(d.client.Call(ctx, method, args, nil))
}
