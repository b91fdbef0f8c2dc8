package driver

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/rclone/rclone/fs"
	"github.com/rclone/rclone/fs/fspath"
	"github.com/rclone/rclone/lib/bucket"
)

// s3Cutoff is from which size on S3's backend sends a file in parts, unless its
// options say otherwise.
const s3Cutoff = 200 << 20

// forgetParts removes the parts of a large file that an upload to S3 has left
// which was cut off: nobody sees them, and their owner pays for them. It is no
// failure where that is not possible, or not allowed.
func (d *Driver) forgetParts(ctx context.Context, p string, size int64) {
	if d.kind() != "s3" || size < d.cutoff() {
		return
	}
	if err := d.abortUploads(ctx, p); err != nil {
		fs.Infof(nil, "Parts of an upload may be left: %v", err)
	}
}

func (d *Driver) cutoff() int64 {
	size := fs.SizeSuffix(s3Cutoff)
	parsed, err := fspath.Parse(d.remote)
	if err != nil {
		return int64(size)
	}
	if value, ok := d.conf.GetValue(parsed.Name, "upload_cutoff"); !ok || size.Set(value) != nil {
		return s3Cutoff
	}
	return int64(size)
}

// abortUploads ends the unfinished uploads of one file.
func (d *Driver) abortUploads(ctx context.Context, p string) error {
	file, err := fs.NewFs(ctx, d.folder()+p+"/") // the slash saves a look at it
	if err != nil {
		return err
	}
	command := file.Features().Command
	if command == nil {
		return nil
	}
	found, err := command(ctx, "list-multipart-uploads", nil, nil)
	if err != nil {
		return err
	}
	mine, err := onlyOf(file, found)
	if err != nil || !mine {
		return err
	}
	_, err = command(ctx, "cleanup", nil, map[string]string{"max-age": "0s"})
	return err
}

// onlyOf reports whether there are unfinished uploads, all of this file: it is
// by the beginning of names that rclone lists and ends them, and others may be
// under way.
func onlyOf(file fs.Fs, found any) (bool, error) {
	raw, err := json.Marshal(found)
	if err != nil {
		return false, err
	}
	var buckets map[string][]struct{ Key string }
	if err := json.Unmarshal(raw, &buckets); err != nil {
		return false, fmt.Errorf("list of unfinished uploads: %w", err)
	}
	_, key := bucket.Split(file.Root())
	n := 0
	for _, uploads := range buckets {
		for _, u := range uploads {
			if u.Key != key {
				return false, nil
			}
			n++
		}
	}
	return n > 0, nil
}
