package driver

import (
	"context"

	"github.com/haul-dl/haul/plugins/transmission/internal/transmissionrpc"
)

// astray reports whether a torrent of ours lies in the daemon's own download
// folder. A Transmission that is killed before it has written a torrent's state,
// which it does every few minutes, comes back with the torrent, but without its
// folder, labels, limits and selection.
func (j *job) astray(server transmissionrpc.Server) bool {
	return j.torrent != nil && !j.ours() && placeOf(j.torrent.dir) == placeOf(server.DownloadDir)
}

// dropAstray lets the daemon forget such torrents, so that they are added again
// as they were wanted: what is in their own folder by then counts. It leaves what
// the daemon has loaded into the wrong one, which may be somebody's.
func (d *Driver) dropAstray(ctx context.Context, server transmissionrpc.Server, jobs []*job) error {
	var hashes []string
	for _, j := range jobs {
		if j.astray(server) {
			hashes = append(hashes, j.handle.Hash)
			j.torrent = nil
		}
	}
	if len(hashes) == 0 {
		return nil
	}
	args := ids(hashes...)
	args["delete-local-data"] = false
	if err := d.call(ctx, "torrent-remove", args); err != nil {
		return err
	}
	d.logger.Warn("the daemon had forgotten where torrents belong; they are added again", "torrents", len(hashes))
	for _, hash := range hashes {
		d.memory.forget(hash)
		if err := d.awaitGone(ctx, hash); err != nil {
			return err
		}
	}
	return nil
}
