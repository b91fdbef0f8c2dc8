package driver

import (
	"context"
	"time"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

// Test implements downloader.Tester. It tries a password no sooner after a
// refusal than any other call, as haul makes tests by itself too and the daemon
// bans who tries too often.
func (d *Driver) Test(ctx context.Context) (downloader.TestResult, error) {
	began := time.Now()
	session, err := d.client.Verify(ctx)
	if errs.Is(err, errs.Canceled) {
		return downloader.TestResult{}, err
	}
	const reachable = "qBittorrent answers."
	result := downloader.TestResult{LocalAddress: d.client.LocalAddress()}
	passed := func(name, message string) {
		result.Checks = append(result.Checks, downloader.TestCheck{Name: name, Message: message})
	}
	failed := func(name string, err error) {
		result.Checks = append(result.Checks, downloader.TestCheck{Name: name, Message: errs.MessageOf(err), Err: err})
	}
	switch errs.CodeOf(err) {
	case "":
		passed("reachable", reachable)
		passed("credentials", "qBittorrent lets haul in.")
		passed("version", "qBittorrent "+session.Version+".")
		result.Version = session.Version
		if err := d.sharing.check(ctx, d); err != nil {
			failed("share_limits", err)
		}
	case errs.DownloaderAuthFailed:
		passed("reachable", reachable)
		failed("credentials", err)
	case errs.DownloaderTooOld:
		passed("reachable", reachable)
		passed("credentials", "qBittorrent lets haul in.")
		failed("version", err)
	default:
		failed("reachable", err)
	}
	result.Took = time.Since(began)
	return result, nil
}
