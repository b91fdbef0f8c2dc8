package driver

import (
	"testing"

	"github.com/haul-dl/haul/plugins/qbittorrent/internal/qbittorrentrpc"
	"github.com/haul-dl/haul/sdk/downloader"
)

func TestStates(t *testing.T) {
	t.Parallel()
	whole := qbittorrentrpc.Torrent{Size: 10, TotalSize: 10, Completed: 10, Progress: 1, RatioLimit: -1}
	with := func(change func(*qbittorrentrpc.Torrent)) qbittorrentrpc.Torrent {
		t := whole
		change(&t)
		return t
	}
	for _, tt := range []struct {
		name    string
		torrent qbittorrentrpc.Torrent
		state   string
		want    downloader.Phase
		known   bool
	}{
		{"just started", whole, "checkingResumeData", downloader.PhaseUnknown, true},
		{"of a later version", whole, "dreaming", downloader.PhaseUnknown, false},
		{"no bytes just now", whole, "stalledDL", downloader.PhaseDownloading, true},
		{"forced, without metadata", with(func(t *qbittorrentrpc.Torrent) { t.TotalSize = -1 }), "forcedDL", downloader.PhaseMetadata, true},
		{"paused before 5.0", whole, "pausedDL", downloader.PhasePaused, true},
		{"paused since", whole, "stoppedDL", downloader.PhasePaused, true},
		{"waits to seed", whole, "queuedUP", downloader.PhaseSeeding, true},
		{"forced to seed", whole, "forcedUP", downloader.PhaseSeeding, true},
		{"complete before 5.0", whole, "pausedUP", downloader.PhaseComplete, true},
		{"complete since", whole, "stoppedUP", downloader.PhaseComplete, true},
		{"must not seed, and still does", with(func(t *qbittorrentrpc.Torrent) { t.RatioLimit = 0 }), "uploading", downloader.PhaseDownloading, true},
		{"without a wanted file", with(func(t *qbittorrentrpc.Torrent) { t.Size = 0 }), "stoppedUP", downloader.PhasePaused, true},
		{"stopped, when more files were selected", with(func(t *qbittorrentrpc.Torrent) { t.Size = 20 }), "stoppedUP", downloader.PhasePaused, true},
		{"seeding, when more files were selected", with(func(t *qbittorrentrpc.Torrent) { t.Size = 20 }), "uploading", downloader.PhaseDownloading, true},
		{"empty files alone", with(func(t *qbittorrentrpc.Torrent) { t.Size, t.TotalSize, t.Completed = 0, 0, 0 }), "stoppedUP", downloader.PhaseComplete, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.torrent.State = tt.state
			if got, known := phaseOf(&tt.torrent); got != tt.want || known != tt.known {
				t.Errorf("got %s, %v", got, known)
			}
		})
	}
	if s := newStrangers(); !s.isNew("dreaming") || s.isNew("dreaming") {
		t.Error("an unknown state is not told once")
	}
}
