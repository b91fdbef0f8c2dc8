package driver

import (
	"context"
	"encoding/json"
	"maps"

	"github.com/haul-dl/haul/sdk/downloader"
)

// orders are what haul wants of a torrent. A daemon writes them down every six
// minutes alone, so that one that was killed comes back without them: with its
// own limits, and all files wanted.
type orders struct {
	Limits downloader.Limits `json:"limits"`
	// Files are the indexes of the wanted files; empty wants all.
	Files []int `json:"files,omitempty"`
}

// lostOrders returns what a torrent has to be told again, nil for nothing. A
// daemon that was started again may have been killed, so what this process has
// told it is told again; of what others have, only the missing mark says.
func (d *Driver) lostOrders(j *job, of *details) *orders {
	_, _, marked := d.readMark(of.Labels)
	switch {
	case j.memo.orders != nil && (j.memo.detailed != 0 || !marked):
		return j.memo.orders
	case !marked:
		return j.handle.Orders
	}
	return nil
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
		o := d.lostOrders(j, one)
		if o == nil {
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
	if _, _, ok := d.readMark(of.Labels); !ok {
		of.Labels = d.marked(of.Labels, j.id, j.handle.Place, seedTime(o.Limits))
		args["labels"] = of.Labels
	}
	if unwanted, err := others(o.Files, len(of.files)); err == nil && len(o.Files) > 0 {
		args["files-wanted"] = o.Files
		if len(unwanted) > 0 {
			args["files-unwanted"] = unwanted
		}
	}
	return args
}
