package driver

import (
	"context"
	"errors"

	"github.com/haul-dl/haul/plugins/qbittorrent/internal/qbittorrentrpc"
	"github.com/haul-dl/haul/sdk/errs"
	"github.com/haul-dl/haul/sdk/source"
)

// realIndexes returns the indexes in the torrent of the files that qBittorrent
// lists, nil where it counts as the torrent does: it leaves out files that only
// align others. Hybrid torrents have those, and some of version 1.
func (d *Driver) realIndexes(ctx context.Context, j job, listed []qbittorrentrpc.File) ([]int, error) {
	t := j.torrent
	if len(listed) < 2 || t.InfoHashV1 == "" {
		return nil, nil
	}
	if t.InfoHashV2 != "" {
		pieceSize, err := d.client.PieceSize(ctx, t.ID)
		return alignedIndexes(listed, pieceSize), err
	}
	total := int64(0)
	for _, f := range listed {
		total += f.Size
	}
	if !j.handle.Padded && total == t.TotalSize {
		return nil, nil
	}
	return d.exportedIndexes(ctx, j, len(listed))
}

// alignedIndexes is for a hybrid torrent, in which each file but the last is
// followed by what aligns the next one (BEP 52). Its own list is of no use
// before the hashes of its pieces have come, which a .torrent file has to have.
func alignedIndexes(listed []qbittorrentrpc.File, pieceSize int64) []int {
	if pieceSize <= 0 {
		return nil
	}
	out := make([]int, len(listed))
	at := 0
	for i, f := range listed {
		out[i] = at
		at++
		if f.Size%pieceSize != 0 {
			at++
		}
	}
	return out
}

// exportedIndexes asks for the torrent itself.
func (d *Driver) exportedIndexes(ctx context.Context, j job, listed int) ([]int, error) {
	raw, err := d.client.Export(ctx, j.torrent.ID)
	if _, ok := errors.AsType[*qbittorrentrpc.StatusError](err); ok || err == nil && raw == nil {
		return nil, nil // before 4.5, or gone meanwhile
	}
	if err != nil {
		return nil, err
	}
	t, err := source.ParseTorrent(raw)
	if err != nil {
		return nil, errs.Wrap(err, errs.DownloaderError, "qBittorrent hands out a torrent that haul cannot read.")
	}
	var out []int
	for i, f := range t.Files {
		if !f.Padding {
			out = append(out, i)
		}
	}
	if len(out) != listed {
		return nil, errs.New(errs.DownloaderError, "qBittorrent lists other files than the torrent has.")
	}
	return out, nil
}
