package driver

import (
	"context"
	"path"
	"path/filepath"
	"strings"

	"github.com/haul-dl/haul/plugins/qbittorrent/internal/qbittorrentrpc"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

// Remove implements downloader.Driver. It returns when the daemon has forgotten
// the torrent, so that the same one may be added again.
func (d *Driver) Remove(ctx context.Context, ref downloader.Ref, deleteData bool) error {
	h, ok := readHandle(ref)
	if !ok {
		return nil
	}
	unlock, err := d.locks.lock(ctx, h.ids()[0])
	if err != nil {
		return err
	}
	defer unlock()
	t, err := d.find(ctx, h)
	if err != nil {
		return err
	}
	j := job{id: ref.JobID, handle: h, torrent: t}
	if d.isOurs(j) {
		if err := d.remove(ctx, j, deleteData); err != nil {
			return err
		}
	}
	return d.client.DeleteTags(ctx, d.jobTag(ref.JobID))
}

func (d *Driver) remove(ctx context.Context, j job, deleteData bool) error {
	if deleteData {
		inside, err := d.isInside(ctx, j)
		if err != nil {
			return err
		}
		deleteData = inside
	}
	if err := d.client.Delete(ctx, j.torrent.ID, deleteData); err != nil {
		return err
	}
	_, gone, err := d.until(ctx, []string{j.torrent.ID}, func(t *qbittorrentrpc.Torrent) bool { return t == nil })
	if err == nil && !gone {
		err = errs.New(errs.DownloaderError, "qBittorrent does not remove the torrent.")
	}
	return err
}

// isInside reports whether all that the daemon would delete is inside of the
// job's directory. The daemon can be told to move a torrent, and older versions
// to rename a file out of its folder.
func (d *Driver) isInside(ctx context.Context, j job) (bool, error) {
	t := j.torrent
	if !j.handle.holds(t) {
		return false, nil
	}
	dir := path.Clean(j.handle.Dir)
	if p := path.Clean(t.ContentPath); t.ContentPath != "" && p != dir && !strings.HasPrefix(p, dir+"/") {
		return false, nil
	}
	list, _, err := d.client.Files(ctx, t.ID)
	if err != nil {
		return false, err
	}
	for _, f := range list {
		if !filepath.IsLocal(f.Name) {
			return false, nil
		}
	}
	return true, nil
}
