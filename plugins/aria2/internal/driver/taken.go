package driver

import (
	"context"

	"github.com/haul-dl/haul/plugins/aria2/internal/aria2rpc"
)

// takenKeys are enough to find out whose a torrent is.
var takenKeys = []string{"gid", "infoHash", "following"}

// refuseTaken fails with errs.InUse where aria2 has the torrent already, and not
// for this job: it would accept it and fail a moment later. Two adds at the same
// time still end so.
func (d *Driver) refuseTaken(ctx context.Context, jobID string, h handle) error {
	if h.Hash == "" {
		return nil
	}
	results, err := d.reads.Do(ctx,
		aria2rpc.NewCall("aria2.tellActive", takenKeys),
		aria2rpc.NewCall("aria2.tellWaiting", 0, allTasks, takenKeys),
	)
	if err != nil {
		return err
	}
	own := gidOf(jobID)
	for _, r := range results {
		var list []task
		if err := r.Decode(&list); err != nil {
			return oddAnswer(err)
		}
		for i := range list {
			if t := &list[i]; t.InfoHash == h.Hash && t.GID != own && t.Following != own {
				return failureOf("12", "")
			}
		}
	}
	return nil
}
