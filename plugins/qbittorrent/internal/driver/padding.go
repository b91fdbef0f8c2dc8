package driver

import (
	"context"
	"errors"

	"github.com/haul-dl/haul/plugins/qbittorrent/internal/qbittorrentrpc"
	"github.com/haul-dl/haul/sdk/source"
)

// realIndexes returns the indexes in the torrent of the files that qBittorrent
// lists, nil where it counts as the torrent does. It leaves out files that only
// align others; hybrid torrents have those, and some of version 1. Only the
// torrent itself tells where they are.
func (d *Driver) realIndexes(ctx context.Context, j job, listed int) ([]int, error) {
	hybrid := j.torrent.InfoHashV1 != "" && j.torrent.InfoHashV2 != ""
	if listed < 2 || !j.handle.Padded && !hybrid {
		return nil, nil
	}
	raw, err := d.client.Export(ctx, j.torrent.ID)
	if _, ok := errors.AsType[*qbittorrentrpc.StatusError](err); ok || err == nil && raw == nil {
		return nil, nil // before 4.5, or gone meanwhile
	}
	if err != nil {
		return nil, err
	}
	t, err := source.ParseTorrent(raw)
	if err != nil {
		d.logger.Debug("qBittorrent hands out a torrent that cannot be read", "job", j.id, "err", err)
		return nil, nil
	}
	var out []int
	for i, f := range t.Files {
		if !f.Padding {
			out = append(out, i)
		}
	}
	if len(out) != listed {
		return nil, nil
	}
	return out, nil
}
