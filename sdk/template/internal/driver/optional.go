package driver

import (
	"context"
	"strings"
	"time"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"

	"example.org/haul-downloader-fetchd/internal/fetchd"
)

// Each of these is offered because the driver has its methods and Describe
// declares its capability. Delete both for what your daemon cannot do. There
// are also downloader.FileSelector and downloader.Watcher.
var (
	_ downloader.Tester  = (*Driver)(nil)
	_ downloader.Lister  = (*Driver)(nil)
	_ downloader.Pauser  = (*Driver)(nil)
	_ downloader.Limiter = (*Driver)(nil)
	_ downloader.Closer  = (*Driver)(nil)
)

// Test implements downloader.Tester.
func (d *Driver) Test(ctx context.Context) (downloader.TestResult, error) {
	began := time.Now()
	var result downloader.TestResult
	check := func(name, good string, err error) bool {
		c := downloader.TestCheck{Name: name, Message: good, Err: err}
		if err != nil {
			c.Message = errs.MessageOf(err)
		}
		result.Checks = append(result.Checks, c)
		return err == nil
	}
	daemonVersion, err := d.client.Version(ctx)
	if errs.Is(err, errs.Canceled) {
		return downloader.TestResult{}, err
	}
	if check("reachable", "fetchd answers.", err) {
		_, err = d.client.Downloads(ctx, d.mark())
		if check("credentials", "fetchd takes the token.", err) {
			result.Version = daemonVersion
			check("version", "fetchd "+daemonVersion+".", checkVersion(daemonVersion))
		}
	}
	result.LocalAddress = d.client.LocalAddress()
	result.Took = time.Since(began)
	return result, nil
}

// checkVersion fails with errs.DownloaderTooOld.
func checkVersion(v string) error {
	if !strings.HasPrefix(v, "1.") {
		return errs.New(errs.DownloaderTooOld, "This is fetchd %s; haul needs 1.0 or newer, before 2.0.", v)
	}
	return nil
}

// List implements downloader.Lister.
func (d *Driver) List(ctx context.Context) ([]downloader.Listed, error) {
	downloads, err := d.client.Downloads(ctx, "")
	if err != nil {
		return nil, err
	}
	var out []downloader.Listed
	for _, dl := range downloads {
		jobID, ours := strings.CutPrefix(dl.Tag, d.mark())
		if !ours || jobID == "" {
			continue
		}
		ref, err := refOf(jobID, dl.Dir)
		if err != nil {
			return nil, err
		}
		out = append(out, downloader.Listed{Ref: ref, Name: dl.Name})
	}
	return out, nil
}

// Pause implements downloader.Pauser.
func (d *Driver) Pause(ctx context.Context, ref downloader.Ref) error {
	dl, err := d.find(ctx, ref)
	if err != nil {
		return err
	}
	return d.client.Stop(ctx, dl.ID)
}

// Resume implements downloader.Pauser.
func (d *Driver) Resume(ctx context.Context, ref downloader.Ref) error {
	dl, err := d.find(ctx, ref)
	if err != nil {
		return err
	}
	return d.client.Start(ctx, dl.ID)
}

// SetLimits implements downloader.Limiter. fetchd sends nothing, so there is
// nothing else to limit.
func (d *Driver) SetLimits(ctx context.Context, ref downloader.Ref, limits downloader.Limits) error {
	dl, err := d.find(ctx, ref)
	if err != nil {
		return err
	}
	return d.client.SetLimit(ctx, dl.ID, limits.DownloadRate)
}

// find returns the download of a job; it fails with errs.JobNotFound.
func (d *Driver) find(ctx context.Context, ref downloader.Ref) (fetchd.Download, error) {
	downloads, err := d.client.Downloads(ctx, d.tag(ref.JobID))
	if err != nil {
		return fetchd.Download{}, err
	}
	if len(downloads) == 0 {
		return fetchd.Download{}, errs.New(errs.JobNotFound, "fetchd does not have the job.")
	}
	return downloads[0], nil
}

// Close implements downloader.Closer.
func (d *Driver) Close(context.Context) error {
	d.client.Close()
	return nil
}
