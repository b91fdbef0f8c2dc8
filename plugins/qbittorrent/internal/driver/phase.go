package driver

import (
	"sync"

	"github.com/haul-dl/haul/plugins/qbittorrent/internal/qbittorrentrpc"
	"github.com/haul-dl/haul/sdk/downloader"
)

// phases are those of qBittorrent's states, by the names of 4.4 to 5.3, but
// those in which all is loaded.
var phases = map[string]downloader.Phase{
	"metaDL":             downloader.PhaseMetadata,
	"forcedMetaDL":       downloader.PhaseMetadata,
	"queuedDL":           downloader.PhaseQueued,
	"downloading":        downloader.PhaseDownloading,
	"stalledDL":          downloader.PhaseDownloading,
	"forcedDL":           downloader.PhaseDownloading,
	"pausedDL":           downloader.PhasePaused,
	"stoppedDL":          downloader.PhasePaused,
	"checkingDL":         downloader.PhaseChecking,
	"checkingUP":         downloader.PhaseChecking,
	"allocating":         downloader.PhaseChecking,
	"missingFiles":       downloader.PhaseFailed,
	"error":              downloader.PhaseFailed,
	"checkingResumeData": downloader.PhaseUnknown, // also of finished ones, after a start
	"moving":             downloader.PhaseUnknown,
	"unknown":            downloader.PhaseUnknown,
}

func isStoppedUp(state string) bool { return state == "pausedUP" || state == "stoppedUP" }

// isUp reports whether all wanted data is loaded in a state.
func isUp(state string) bool {
	switch state {
	case "uploading", "stalledUP", "queuedUP", "forcedUP":
		return true
	}
	return isStoppedUp(state)
}

// phaseOf returns the phase of a torrent, and whether its state is known.
func phaseOf(t *qbittorrentrpc.Torrent) (phase downloader.Phase, known bool) {
	if !isUp(t.State) {
		phase, known = phases[t.State]
		if !known {
			return downloader.PhaseUnknown, false
		}
		if phase == downloader.PhaseDownloading && !t.HasMetadata() {
			phase = downloader.PhaseMetadata
		}
		return phase, true
	}
	switch {
	case nothingWanted(t), isStoppedUp(t.State) && !isLoaded(t):
		return downloader.PhasePaused, true
	case !isLoaded(t):
		return downloader.PhaseDownloading, true
	case isStoppedUp(t.State):
		return downloader.PhaseComplete, true
	case mustNotSeed(t):
		// It is about to be stopped: only then is everything on the disk under
		// its last name.
		return downloader.PhaseDownloading, true
	}
	return downloader.PhaseSeeding, true
}

// nothingWanted reports whether somebody has deselected all files, which
// qBittorrent calls complete.
func nothingWanted(t *qbittorrentrpc.Torrent) bool {
	return isUp(t.State) && t.Size == 0 && t.TotalSize > 0
}

// isLoaded reports whether the numbers agree with a state in which all is
// loaded: that of a stopped torrent stays when more files are selected.
func isLoaded(t *qbittorrentrpc.Torrent) bool { return t.Completed >= t.Size }

// strangers are states that the driver does not know; each is logged once.
type strangers struct {
	mu   sync.Mutex // guards seen
	seen map[string]bool
}

func newStrangers() *strangers { return &strangers{seen: map[string]bool{}} }

// isNew reports whether a state is met for the first time.
func (s *strangers) isNew(state string) bool {
	const most = 100 // names that a daemon may make us remember
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen[state] || len(s.seen) >= most {
		return false
	}
	s.seen[state] = true
	return true
}
