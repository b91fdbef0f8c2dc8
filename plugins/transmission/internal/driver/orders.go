package driver

import (
	"context"
	"encoding/json"
	"maps"
	"slices"

	"github.com/haul-dl/haul/sdk/downloader"
)

// orders are what haul wants of a torrent. They are written down with the Add;
// what changes later the daemon writes down every six minutes alone, so that one
// that was killed comes back with what was wanted before.
type orders struct {
	Limits downloader.Limits
	// Files are the indexes of the wanted files; empty wants all.
	Files []int
}

// restore gives orders again, those that are the same in one call. What fails
// is tried again at the next look, as nothing was learnt then.
func (d *Driver) restore(ctx context.Context, jobs []*job, of map[string]*details) error {
	same := map[string][]string{}
	for _, j := range jobs {
		one := of[j.handle.Hash]
		if one == nil {
			continue
		}
		o := j.memo.orders
		if o == nil || j.memo.detailed == 0 { // the daemon's first life has them all
			continue
		}
		args, err := json.Marshal(d.restoring(j, o, one))
		if err != nil {
			return err
		}
		same[string(args)] = append(same[string(args)], j.handle.Hash)
		one.choose(o.Files)
	}
	for args, hashes := range same {
		var all map[string]any
		if err := json.Unmarshal([]byte(args), &all); err != nil {
			return err
		}
		maps.Copy(all, ids(hashes...))
		if err := d.call(ctx, "torrent-set", all); err != nil {
			return err
		}
	}
	return nil
}

func (d *Driver) restoring(j *job, o *orders, of *details) map[string]any {
	args := limitArguments(o.Limits)
	if labels := d.marked(of.Labels, j.id, j.handle.Place, seedTime(o.Limits)); !slices.Equal(labels, of.Labels) {
		args["labels"], of.Labels = labels, labels
	}
	if unwanted, err := others(o.Files, len(of.files)); err == nil && len(o.Files) > 0 {
		args["files-wanted"] = o.Files
		if len(unwanted) > 0 {
			args["files-unwanted"] = unwanted
		}
	}
	return args
}
