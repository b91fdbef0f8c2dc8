package driver

import (
	"context"
	"time"

	"github.com/haul-dl/haul/plugins/transmission/internal/transmissionrpc"
	"github.com/haul-dl/haul/sdk/errs"
)

// astrayWithin is how exactly the daemon's start agrees with the date that it
// gives to what it has forgotten.
const astrayWithin = 15 * time.Second

// astray reports whether a torrent lies in the daemon's own download folder for
// no better reason than that the daemon has forgotten where it belongs. A
// Transmission that is killed before it has written a torrent's state, which it
// does every few minutes and when the torrent is stopped, comes back with the
// torrent, but without its folder, labels, limits and selection, and as if it
// had been added just then. What people have moved, or added, is another thing.
func (t *torrent) astray(server transmissionrpc.Server) bool {
	return t.inDefaultDir(server) && len(t.labels) == 0 &&
		t.added.Sub(server.Started).Abs() <= astrayWithin
}

func (t *torrent) inDefaultDir(server transmissionrpc.Server) bool {
	return placeOf(t.dir) == placeOf(server.DownloadDir)
}

// dropAstray lets the daemon forget such torrents, so that they are added again
// as they were wanted: what is in their own folder by then counts. It leaves what
// the daemon has loaded into the wrong one, which may be somebody's.
func (d *Driver) dropAstray(ctx context.Context, server transmissionrpc.Server, jobs []*job) error {
	for _, j := range jobs {
		if j.torrent == nil || j.ours() || !j.torrent.inDefaultDir(server) {
			continue
		}
		t, err := d.torrent(ctx, j.handle.Hash)
		if err != nil {
			return err
		}
		if t != nil && (!t.astray(server) || placeOf(t.dir) == j.handle.Place) {
			continue
		}
		j.torrent = nil
		if t == nil {
			continue
		}
		d.logger.Warn("the daemon has forgotten where a torrent belongs; it is added again", "job", j.id)
		if err := d.drop(ctx, t.hash); err != nil {
			return err
		}
	}
	return nil
}

// dropBlocked lets the daemon forget torrents that it refuses to go on with, as
// they lack on the disk what it counts as there. Adding them again cures that.
// What had all its data once is another matter.
func (d *Driver) dropBlocked(ctx context.Context, jobs []*job) error {
	for _, j := range jobs {
		if !j.ours() || j.memo.whole || !errs.Is(j.torrent.failed(), errs.FilesMissing) {
			continue
		}
		d.logger.Warn("the daemon misses data of a torrent; it is added again", "job", j.id)
		if err := d.drop(ctx, j.torrent.hash); err != nil {
			return err
		}
		j.torrent = nil
	}
	return nil
}

// drop removes a torrent and keeps its data.
func (d *Driver) drop(ctx context.Context, hash string) error {
	if hash == "" {
		return errs.New(errs.Internal, "There is no torrent to remove.") // it would be all of them
	}
	args := ids(hash)
	args["delete-local-data"] = false
	if err := d.call(ctx, "torrent-remove", args); err != nil {
		return err
	}
	d.memory.forget(hash)
	return d.awaitGone(ctx, hash)
}
