package driver

import (
	"context"
	"slices"
	"strings"

	"github.com/haul-dl/haul/plugins/aria2/internal/aria2rpc"
)

// beginAnew lets downloads that cannot go on where they stopped, as their server
// knows no ranges, start from the first byte. Unasked, aria2 does so only with
// always-resume=false, and 1.36 with a disk cache then ends with a failed
// assertion. Who began anew already is left as it is.
func (d *Driver) beginAnew(ctx context.Context, jobs []*job, snap snapshot) error {
	var gids []string
	for _, j := range jobs {
		for _, gid := range j.gids {
			if t := snap[gid]; t != nil && t.Status == "error" && t.ErrorCode == "8" && t.InfoHash == "" {
				gids = append(gids, gid)
			}
		}
	}
	if len(gids) == 0 {
		return nil
	}
	calls, err := d.again(ctx, gids)
	if err != nil || len(calls) == 0 {
		return err
	}
	d.logger.Debug("downloads begin anew, as their servers cannot go on with them", "downloads", len(calls)/2)
	if _, err := d.changes.Do(ctx, calls...); err != nil {
		return err
	}
	for _, gid := range gids {
		delete(snap, gid)
	}
	return d.look(ctx, snap, gids...) // a refusal shows as a job that is gone, and is added again
}

// again returns the calls that replace failed downloads by new ones.
func (d *Driver) again(ctx context.Context, gids []string) ([]aria2rpc.Call, error) {
	asks := tellStatus(detailKeys, gids)
	for _, gid := range gids {
		asks = append(asks, aria2rpc.NewCall("aria2.getOption", gid))
	}
	results, err := d.reads.Do(ctx, asks...)
	if err != nil {
		return nil, err
	}
	var calls []aria2rpc.Call
	for i, gid := range gids {
		var t task
		var has map[string]string
		if results[i].Decode(&t) != nil || results[len(gids)+i].Decode(&has) != nil {
			continue // somebody has removed it
		}
		uris := t.uris()
		if has["remove-control-file"] == "true" || len(uris) == 0 {
			continue
		}
		o := asGiven(has)
		o["gid"], o["remove-control-file"], o["continue"] = gid, "true", "false"
		calls = append(calls, aria2rpc.NewCall("aria2.removeDownloadResult", gid), addURI(o, uris...))
	}
	return calls, nil
}

// uris are the addresses of a download of one file, each once.
func (t *task) uris() []string {
	var out []string
	for _, f := range t.Files {
		for _, u := range f.URIs {
			if !slices.Contains(out, u.URI) {
				out = append(out, u.URI)
			}
		}
	}
	return out
}

// asGiven makes of what aria2 tells of options what it takes: lists come as lines.
func asGiven(has map[string]string) options {
	out := make(options, len(has)+2)
	for key, value := range has {
		out[key] = value
		if key == "header" || key == "index-out" {
			out[key] = strings.Split(strings.TrimRight(value, "\n"), "\n")
		}
	}
	return out
}
