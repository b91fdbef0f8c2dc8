package driver

import (
	"context"

	"github.com/haul-dl/haul/sdk/downloader"
)

// List implements downloader.Lister by the labels.
func (d *Driver) List(ctx context.Context) ([]downloader.Listed, error) {
	var out []downloader.Listed
	err := d.eachMarked(ctx, func(jobID, name string, h handle) {
		out = append(out, downloader.Listed{Ref: h.ref(jobID), Name: name})
	})
	return out, err
}

// marks returns what the labels tell, by job.
func (d *Driver) marks(ctx context.Context) (map[string]handle, error) {
	out := map[string]handle{}
	err := d.eachMarked(ctx, func(jobID, _ string, h handle) { out[jobID] = h })
	return out, err
}

func (d *Driver) eachMarked(ctx context.Context, fn func(jobID, name string, h handle)) error {
	table, err := d.client.Table(ctx, nil, []string{"hashString", "name", "downloadDir", "labels"})
	if err != nil {
		return downloaderError(err)
	}
	for row := range table.Rows {
		jobID, at, ok := d.readMark(row.Texts("labels"))
		h := handle{Hash: row.Text("hashString"), Place: at}
		if ok && hashPattern.MatchString(h.Hash) {
			fn(jobID, row.Text("name"), h)
		}
	}
	return nil
}
