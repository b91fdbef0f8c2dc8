package driver

import (
	"testing"

	"github.com/haul-dl/haul/sdk/downloader"
)

func TestOnlyMetadataThatNothingFollowsIsRefused(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		task task
		want downloader.Phase
	}{
		{"it loads", task{Status: "active"}, downloader.PhaseMetadata},
		{"its details are not known yet", task{Status: "complete"}, downloader.PhaseUnknown},
		{"a torrent whose metadata the daemon had saved", task{Status: "complete", detailed: true, Files: []file{{Path: "/jobs/x/data/a.bin"}}}, downloader.PhaseUnknown},
		{"metadata that nothing follows", task{Status: "complete", detailed: true, Files: []file{{Path: "[METADATA]a"}}}, downloader.PhaseFailed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := metadataStatus(downloader.Status{Phase: tt.task.phase()}, &tt.task); got.Phase != tt.want {
				t.Errorf("%s: %v, want %s", got.Phase, got.Err, tt.want)
			}
		})
	}
}
