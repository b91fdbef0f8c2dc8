package driver

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

// Test implements downloader.Tester. It connects anew, so a daemon that was
// just repaired is found at once.
func (d *Driver) Test(ctx context.Context) (downloader.TestResult, error) {
	began := time.Now()
	peer, err := d.client.Probe(ctx)
	if errs.Is(err, errs.Canceled) {
		return downloader.TestResult{}, err
	}
	result := downloader.TestResult{}
	switch {
	case errs.Is(err, errs.DownloaderAuthFailed):
		result.Checks = []downloader.TestCheck{
			{Name: "reachable", Message: "aria2 answers."},
			{Name: "credentials", Message: errs.MessageOf(err), Err: err},
		}
	case err != nil:
		result.Checks = []downloader.TestCheck{{Name: "reachable", Message: errs.MessageOf(err), Err: err}}
	default:
		result.Version, result.LocalAddress = peer.Version, peer.LocalAddress()
		result.Checks = []downloader.TestCheck{
			{Name: "reachable", Message: "aria2 answers."},
			{Name: "credentials", Message: "aria2 takes the secret."},
			versionCheck(peer.Version),
		}
		d.client.RetryNow()
	}
	result.Took = time.Since(began)
	return result, nil
}

func versionCheck(v string) downloader.TestCheck {
	c := downloader.TestCheck{Name: "version", Message: "aria2 " + v + "."}
	if err := checkVersion(v); err != nil {
		c.Message, c.Err = errs.MessageOf(err), err
	}
	return c
}

func numbers(v string) [3]int {
	var out [3]int
	for i, s := range strings.SplitN(v, ".", 3) {
		n, err := strconv.Atoi(s)
		if err != nil {
			break
		}
		out[i] = n
	}
	return out
}
