package driver

import (
	"context"
	"path"

	"github.com/haul-dl/haul/sdk/downloader"
)

// List implements downloader.Lister by the tags that Add leaves. Torrents that
// another downloader of haul's has added are not among them.
func (d *Driver) List(ctx context.Context) ([]downloader.Listed, error) {
	torrents, err := d.client.Tagged(ctx, haulTag)
	if err != nil {
		return nil, err
	}
	var out []downloader.Listed
	for _, t := range torrents {
		id := d.jobOf(t)
		if id == "" {
			continue
		}
		h := handle{V1: t.InfoHashV1, V2: t.InfoHashV2, Dir: path.Clean(t.SavePath)}
		if h.V1 == "" && h.V2 == "" {
			h.V1 = t.ID
		}
		out = append(out, downloader.Listed{Ref: h.ref(id), Name: t.Name})
	}
	return out, nil
}
