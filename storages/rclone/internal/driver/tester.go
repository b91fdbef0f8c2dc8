package driver

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/rclone/rclone/fs"
	"github.com/rclone/rclone/fs/fspath"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
	"github.com/haul-dl/haul/sdk/storage"
)

// probeSize is that of the file that Test writes.
const probeSize = 1024

// Test implements storage.Driver. The version is that of rclone: a storage has
// none that all of them would tell.
func (d *Driver) Test(ctx context.Context) (downloader.TestResult, error) {
	start := time.Now()
	checks := d.reach(ctx)
	if checks[len(checks)-1].Err == nil {
		checks = append(checks, d.probe(ctx))
	}
	return downloader.TestResult{
		Version: fmt.Sprintf("rclone %s, %s", strings.TrimSuffix(fs.Version, "-DEV"), d.kind()),
		Checks:  checks,
		Took:    time.Since(start),
	}, nil
}

// kind returns the type of the remote.
func (d *Driver) kind() string {
	parsed, err := fspath.Parse(d.remote)
	if err != nil {
		return ""
	}
	kind, _ := d.conf.GetValue(parsed.Name, "type")
	return kind
}

// reach asks for the storage's top folder.
func (d *Driver) reach(ctx context.Context) []downloader.TestCheck {
	_, err := call(ctx, d, func(ctx context.Context, f fs.Fs) (struct{}, error) {
		_, err := f.List(ctx, "")
		if isMissing(err) {
			err = nil // a folder is made with the first file; for a bucket that fails
		}
		return struct{}{}, err
	})
	reachable := downloader.TestCheck{Name: "reachable", Message: "The storage answers."}
	credentials := downloader.TestCheck{Name: "credentials", Message: "The storage takes the credentials."}
	switch {
	case err == nil:
		return []downloader.TestCheck{reachable, credentials}
	case errs.Is(err, errs.StorageAuthFailed):
		credentials.Err, credentials.Message = err, errs.MessageOf(err)
		return []downloader.TestCheck{reachable, credentials}
	case errs.Is(err, errs.StorageUnreachable), errs.Is(err, errs.DeadlineExceeded):
		reachable.Err, reachable.Message = err, errs.MessageOf(err)
		return []downloader.TestCheck{reachable}
	}
	folder := downloader.TestCheck{Name: "folder", Message: errs.MessageOf(err), Err: err}
	return []downloader.TestCheck{reachable, credentials, folder}
}

// probe writes a file, reads it back and removes it.
func (d *Driver) probe(ctx context.Context) downloader.TestCheck {
	check := downloader.TestCheck{Name: "write", Message: "A file was written, read back and removed."}
	var id [8]byte
	content := make([]byte, probeSize)
	_, _ = rand.Read(id[:])   // never fails
	_, _ = rand.Read(content) // never fails
	name := ".haul-test-" + hex.EncodeToString(id[:])
	err := d.tryFile(ctx, name, content)
	if removed := d.Remove(context.WithoutCancel(ctx), name); err == nil {
		err = removed
	}
	if err != nil {
		check.Err, check.Message = err, errs.MessageOf(err)
	}
	return check
}

func (d *Driver) tryFile(ctx context.Context, name string, content []byte) error {
	_, err := d.Put(ctx, storage.PutRequest{
		Path: name, Size: int64(len(content)), ModTime: time.Now(), Content: bytes.NewReader(content),
	})
	if err != nil {
		return err
	}
	got, err := call(ctx, d, func(ctx context.Context, f fs.Fs) ([]byte, error) { return readBack(ctx, f, name) })
	if err != nil {
		return err
	}
	if !bytes.Equal(got, content) {
		return errs.New(errs.StorageError, "The storage returned another file than the one that was written.")
	}
	return nil
}

func readBack(ctx context.Context, f fs.Fs, name string) ([]byte, error) {
	o, err := f.NewObject(ctx, name)
	if err != nil {
		return nil, err
	}
	r, err := o.Open(ctx)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(io.LimitReader(r, probeSize+1))
}
