package driver

import (
	"context"
	"slices"
	"time"

	"github.com/haul-dl/haul/plugins/qbittorrent/internal/qbittorrentrpc"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

const (
	// visibleWithin is how long qBittorrent may take to list what it has taken,
	// or to forget what it has removed.
	visibleWithin = 15 * time.Second
	lookEvery     = 10 * time.Millisecond
)

// find returns the torrent of a handle, nil where the daemon has none. One of a
// magnet link may have got the id of a version that the link did not name; that
// takes a look at the whole list.
func (d *Driver) find(ctx context.Context, h handle) (*qbittorrentrpc.Torrent, error) {
	t, err := d.lookUp(ctx, h.ids()...)
	if err != nil || t != nil {
		return t, err
	}
	snapshot, err := d.mirror.Refresh(ctx)
	if err != nil {
		return nil, err
	}
	t = snapshot.Find(h.ids()...)
	if t == nil || !slices.Contains(h.ids(), t.ID) {
		return t, nil
	}
	// The copy of the list still has it under a name that the daemon does not
	// know any more; see renames.
	d.client.Renew(ctx)
	if snapshot, err = d.mirror.Refresh(ctx); err != nil {
		return nil, err
	}
	return snapshot.Find(h.ids()...), nil
}

// lookUp returns the torrent that the daemon has under one of the ids.
func (d *Driver) lookUp(ctx context.Context, ids ...string) (*qbittorrentrpc.Torrent, error) {
	found, err := d.client.Torrents(ctx, ids...)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return found[0], nil
}

// job is a job with its torrent.
type job struct {
	id      string
	handle  handle
	torrent *qbittorrentrpc.Torrent // nil where the daemon does not have it
}

// isOurs reports whether the daemon's torrent is the job: it is in the job's
// directory, or was there before somebody moved it.
func (d *Driver) isOurs(j job) bool {
	return j.torrent != nil && (j.handle.holds(j.torrent) || j.torrent.HasTag(d.jobTag(j.id)))
}

// get finds the torrent of a job for an order. It fails with errs.JobNotFound.
func (d *Driver) get(ctx context.Context, ref downloader.Ref) (job, error) {
	h, ok := readHandle(ref)
	if !ok {
		return job{}, errJobNotFound()
	}
	t, err := d.find(ctx, h)
	if err != nil {
		return job{}, err
	}
	j := job{id: ref.JobID, handle: h, torrent: t}
	if !d.isOurs(j) {
		return job{}, errJobNotFound()
	}
	return j, nil
}

func errJobNotFound() error {
	return errs.New(errs.JobNotFound, "qBittorrent does not have the torrent.")
}

// until looks for the torrent of an id until ok says so.
func (d *Driver) until(ctx context.Context, ids []string, ok func(*qbittorrentrpc.Torrent) bool) (*qbittorrentrpc.Torrent, bool, error) {
	ctx, cancel := context.WithTimeout(ctx, visibleWithin)
	defer cancel()
	wait := lookEvery
	for {
		t, err := d.lookUp(ctx, ids...)
		if err == nil && ok(t) {
			return t, true, nil
		}
		if err != nil {
			return nil, false, err
		}
		select {
		case <-time.After(wait):
			wait = min(2*wait, time.Second)
		case <-ctx.Done():
			return t, false, nil
		}
	}
}
