package driver

import (
	"context"

	"github.com/haul-dl/haul/plugins/aria2/internal/aria2rpc"
	"github.com/haul-dl/haul/sdk/downloader"
)

// List implements downloader.Lister by the mark that Add leaves in an option of
// each download. It asks for the options of every download at the daemon, so it
// is not for every tick.
func (d *Driver) List(ctx context.Context) ([]downloader.Listed, error) {
	snap, err := d.everything(ctx)
	if err != nil {
		return nil, err
	}
	var gids []string
	for gid, t := range snap {
		if t.Following == "" { // a follower has its link's options
			gids = append(gids, gid)
		}
	}
	found := map[string]downloader.Ref{}
	for len(gids) > 0 {
		n := min(chunk, len(gids))
		if err := d.readMarks(ctx, gids[:n], snap, found); err != nil {
			return nil, err
		}
		gids = gids[n:]
	}
	out := make([]downloader.Listed, 0, len(found))
	for _, ref := range found {
		out = append(out, downloader.Listed{Ref: ref})
	}
	return out, nil
}

func (d *Driver) readMarks(ctx context.Context, gids []string, snap snapshot, found map[string]downloader.Ref) error {
	calls := make([]aria2rpc.Call, len(gids))
	for i, gid := range gids {
		calls[i] = aria2rpc.NewCall("aria2.getOption", gid)
	}
	results, err := d.reads.Do(ctx, calls...)
	if err != nil {
		return err
	}
	for i, r := range results {
		var o map[string]string
		if r.Decode(&o) != nil {
			continue // it ended meanwhile
		}
		jobID, parts, ok := d.readMark(o[markOption])
		if !ok {
			continue
		}
		h := handle{Parts: parts}
		if snap[gids[i]].InfoHash == "" && parts == 0 {
			h.Kind = downloader.SourceHTTP
		}
		found[jobID] = h.ref(jobID)
	}
	return nil
}
