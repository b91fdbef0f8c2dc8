package driver

import (
	"context"
	"slices"

	"github.com/haul-dl/haul/plugins/qbittorrent/internal/qbittorrentrpc"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

// SelectFiles implements downloader.FileSelector.
func (d *Driver) SelectFiles(ctx context.Context, ref downloader.Ref, files []int) error {
	j, err := d.get(ctx, ref)
	if err != nil {
		return err
	}
	unlock, err := d.locks.lock(ctx, j.torrent.ID)
	if err != nil {
		return err
	}
	defer unlock()
	return d.selectFiles(ctx, j, files)
}

// selectFiles changes the priorities of those files alone that are wanted and
// should not be, or the reverse: others keep what somebody gave them.
func (d *Driver) selectFiles(ctx context.Context, j job, files []int) error {
	id := j.torrent.ID
	list, err := d.listFiles(ctx, j)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return errs.New(errs.MetadataMissing, "The torrent's list of files is not known yet.")
	}
	if err := checkIndexes(files, list[len(list)-1].Index+1); err != nil {
		return err
	}
	var on, off []int
	for i, f := range list {
		wanted := slices.Contains(files, f.Index)
		switch {
		case wanted && f.Skipped:
			on = append(on, i)
		case !wanted && !f.Skipped:
			off = append(off, i)
		}
	}
	d.files.forget(id)
	if err := d.client.SetPriority(ctx, id, on, 1); err != nil {
		return err
	}
	if err := d.client.SetPriority(ctx, id, off, 0); err != nil {
		return err
	}
	if len(on) == 0 || !isUp(j.torrent.State) {
		return nil
	}
	// It was complete, and stopped for that or about to be; now it is not. The
	// daemon goes on to take it for complete for a moment, in which it may stop
	// it for its share limit: all but those that are forced.
	d.orders.note(orderResume, id, d.now())
	return d.client.ForceStart(ctx, true, id)
}

// checkIndexes refuses what the torrent does not have.
func checkIndexes(files []int, count int) error {
	for _, f := range files {
		if f < 0 || f >= count {
			return errs.New(errs.InvalidRequest, "The torrent has no file %d; it has %d, counted from 0.", f, count).
				WithField("files", "must be indexes of the torrent's files").
				WithHint("Look at the task's files first.")
		}
	}
	return nil
}

// listFiles returns the files of a torrent under their indexes in the torrent,
// in the order of the daemon.
func (d *Driver) listFiles(ctx context.Context, j job) ([]downloader.File, error) {
	list, found, err := d.client.Files(ctx, j.torrent.ID)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, errJobNotFound()
	}
	slices.SortFunc(list, func(a, b qbittorrentrpc.File) int { return a.Index - b.Index })
	indexes, err := d.realIndexes(ctx, j, list)
	if err != nil {
		return nil, err
	}
	out := make([]downloader.File, len(list))
	for i, f := range list {
		out[i] = downloader.File{
			Index: f.Index, Path: f.Name, Size: max(0, f.Size), Skipped: f.Priority == 0,
			DoneBytes: int64(float64(f.Size) * min(1, max(0, f.Progress))),
		}
		if indexes != nil {
			out[i].Index = indexes[i]
		}
	}
	return out, nil
}
