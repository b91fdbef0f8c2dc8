package driver

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/rclone/rclone/fs"
	"github.com/rclone/rclone/fs/fspath"
	"github.com/rclone/rclone/lib/bucket"
)

// s3Cutoff is from which size on S3's backend sends a file in parts, unless its
// options say otherwise.
const s3Cutoff = 200 << 20

// A part that was on its way when its upload was ended can arrive after that, and
// stay: S3's reference for AbortMultipartUpload says to end it again then. So an
// upload that was cut off a moment ago is looked for more often.
const (
	looksAfterCut = 3
	cutPause      = time.Second
)

// inParts reports whether a file of a size goes to S3 in parts.
func (d *Driver) inParts(size int64) bool { return d.kind() == "s3" && size >= d.cutoff() }

// forgetParts removes the parts of a large file that an upload to S3 has left
// which was cut off: nobody sees them, and their owner pays for them. It is no
// failure where that is not possible, or not allowed. The caller has the path.
func (d *Driver) forgetParts(ctx context.Context, p string, size int64) {
	if !d.inParts(size) {
		return
	}
	looks := 1
	if d.takeCut(p) {
		looks = looksAfterCut
	}
	if err := d.abortUploads(ctx, p, looks); err != nil {
		fs.Infof(nil, "Parts of an upload may be left: %v", err)
	}
}

// noteCut notes that an upload was cut off.
func (d *Driver) noteCut(p string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.cut[p] = true
}

// takeCut reports whether the last upload of a path was cut off, once.
func (d *Driver) takeCut(p string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	was := d.cut[p]
	delete(d.cut, p)
	return was
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

// abortUploads ends the unfinished uploads of one file, and looks that often.
func (d *Driver) abortUploads(ctx context.Context, p string, looks int) error {
	file, err := fs.NewFs(ctx, d.folder()+p+"/") // the slash saves a look at it
	if err != nil {
		return err
	}
	command := file.Features().Command
	if command == nil {
		return nil
	}
	for look := range looks {
		if look > 0 {
			select {
			case <-time.After(cutPause):
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		found, err := command(ctx, "list-multipart-uploads", nil, nil)
		if err != nil {
			return err
		}
		mine, err := onlyOf(file, found)
		if err == nil && mine {
			_, err = command(ctx, "cleanup", nil, map[string]string{"max-age": "0s"})
		}
		if err != nil {
			return err
		}
	}
	return nil
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
