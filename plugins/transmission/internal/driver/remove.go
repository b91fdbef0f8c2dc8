package driver

import (
	"context"
	"time"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

const (
	// removeTries and removePause bound the wait for a torrent to be gone.
	removeTries = 30
	removePause = 100 * time.Millisecond
)

// Remove implements downloader.Driver. When it returns, the daemon has closed
// the torrent's files. What somebody has moved elsewhere is forgotten with its
// data kept, and what is not haul's is let alone.
func (d *Driver) Remove(ctx context.Context, ref downloader.Ref, deleteData bool) error {
	h, t, err := d.find(ctx, ref)
	switch {
	case errs.Is(err, errs.JobNotFound):
		d.memory.forget(h.Hash)
		return nil
	case errs.Is(err, errs.MovedAway):
		server, err := d.client.Server(ctx)
		if err != nil {
			return err
		}
		if id, _, ok := d.readMark(t.labels); !t.astray(server) && (!ok || id != ref.JobID) {
			return nil
		}
		return d.drop(ctx, h.Hash)
	case err != nil:
		return err
	}
	// 3.00 was seen to crash when it removed what a web seed was sending.
	if t.hasWebSeeds && t.status != stopped {
		if err := d.Pause(ctx, ref); err != nil && !errs.Is(err, errs.JobNotFound) {
			return err
		}
	}
	if !deleteData {
		return d.drop(ctx, h.Hash)
	}
	args := ids(h.Hash)
	args["delete-local-data"] = true
	if err := d.call(ctx, "torrent-remove", args); err != nil {
		return err
	}
	d.memory.forget(h.Hash)
	if err := d.awaitGone(ctx, h.Hash); !errs.Is(err, errs.DownloaderError) {
		return err
	}
	// 4.1 does not let go of a torrent whose files it cannot delete, such as
	// one with too long a name; the host deletes what there is.
	return d.drop(ctx, h.Hash)
}

func (d *Driver) awaitGone(ctx context.Context, hash string) error {
	for range removeTries {
		t, err := d.torrent(ctx, hash)
		if err != nil || t == nil {
			return err
		}
		if err := d.pauseFor(ctx, removePause); err != nil {
			return err
		}
	}
	return errs.New(errs.DownloaderError, "Transmission does not remove the torrent.")
}
