package downloader_test

import (
	"testing"

	"github.com/haul-dl/haul/sdk/downloader"
)

func TestReservedOptionsAreFoundInAnySpelling(t *testing.T) {
	reserved := []string{"dir", "bt-tracker", "downloadPath"}
	for key, want := range map[string]bool{
		"dir": true, "DIR": true, "--dir": true, " dir": true, "d_i.r": true, "di\x00r": true,
		"bt-tracker": true, "btTracker": true, "BT_TRACKER": true,
		"download-path": true, "downloadpath": true,
		"directory": false, "split": false, "": false,
	} {
		if got := downloader.IsReserved(reserved, key); got != want {
			t.Errorf("IsReserved(%q) = %v, want %v", key, got, want)
		}
	}
}
