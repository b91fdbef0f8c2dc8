package driver

import (
	"context"
	"time"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

// Test implements downloader.Tester. It connects anew, so a daemon that was
// just repaired is found at once; only credentials that were refused are not
// tried again before their time.
func (d *Driver) Test(ctx context.Context) (downloader.TestResult, error) {
	began := time.Now()
	server, err := d.client.Probe(ctx)
	if errs.Is(err, errs.Canceled) {
		return downloader.TestResult{}, err
	}
	answers := downloader.TestCheck{Name: "reachable", Message: "Transmission answers."}
	enters := downloader.TestCheck{Name: "credentials", Message: "Transmission lets haul in."}
	result := downloader.TestResult{Version: server.Version, LocalAddress: d.client.LocalAddress()}
	switch {
	case err == nil:
		result.Checks = []downloader.TestCheck{answers, enters, {Name: "version", Message: "Transmission " + server.Version + "."}}
	case errs.Is(err, errs.DownloaderAuthFailed):
		result.Checks = []downloader.TestCheck{answers, failed("credentials", err)}
	case errs.Is(err, errs.DownloaderTooOld):
		result.Checks = []downloader.TestCheck{answers, enters, failed("version", err)}
	default:
		result.Checks = []downloader.TestCheck{failed("reachable", err)}
	}
	result.Took = time.Since(began)
	return result, nil
}

func failed(name string, err error) downloader.TestCheck {
	return downloader.TestCheck{Name: name, Message: errs.MessageOf(err), Err: err}
}
