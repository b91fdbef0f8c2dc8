package downloader

import "time"

// Ref finds a job again. haul stores it and gives it back unread.
type Ref struct {
	// JobID is that of the AddRequest.
	JobID string
	// Version is the driver's own, for the layout of Opaque.
	Version uint32
	// Opaque is the driver's own, at most 4 KiB.
	Opaque []byte
}

// Phase is what a job is doing at the daemon.
type Phase string

// The phases. A driver that meets a state that it does not know says
// PhaseUnknown, and haul keeps the last one.
const (
	PhaseUnknown     Phase = "unknown"
	PhaseQueued      Phase = "queued"      // waits inside the daemon
	PhaseMetadata    Phase = "metadata"    // looks for the torrent's metadata
	PhaseChecking    Phase = "checking"    // verifies data on disk
	PhaseDownloading Phase = "downloading" // loads
	PhasePaused      Phase = "paused"      // stopped before it was complete
	PhaseSeeding     Phase = "seeding"     // all wanted data is there, and is shared
	PhaseComplete    Phase = "complete"    // all wanted data is there, nothing more happens
	PhaseFailed      Phase = "failed"      // gave up; see Status.Err
	PhaseGone        Phase = "gone"        // the daemon does not have it
)

// HasData reports whether all wanted data is on disk in this phase.
func (p Phase) HasData() bool { return p == PhaseSeeding || p == PhaseComplete }

// Status is what a daemon knows of one job. Zero numbers mean "nothing yet",
// except where a field says otherwise.
type Status struct {
	JobID string
	Phase Phase
	// Name is the torrent's or file's name, empty until known.
	Name string
	// InfoHash is the v1 info hash in 40 lower-case hex digits, for torrents.
	InfoHash string
	// TotalBytes is the size of what is wanted, 0 until known.
	TotalBytes int64
	// DoneBytes is how much of TotalBytes is on disk.
	DoneBytes int64
	// UploadedBytes is how much was sent to peers.
	UploadedBytes int64
	// DownloadRate and UploadRate are in bytes per second.
	DownloadRate int64
	UploadRate   int64
	// Peers and Seeds are those that the daemon is connected to.
	Peers int
	Seeds int
	// Files lists all files, those that are not wanted with File.Skipped. It is
	// complete once the phase has data. Before, it may be left out, and drivers
	// leave it out where it costs a call to the daemon for each job; a torrent's
	// should come at least once, when its metadata is known.
	Files []File
	// Message is what the daemon says in its own words, such as a tracker's
	// warning; for logs and details.
	Message string
	// Err tells why the phase is PhaseFailed. errs.MovedAway is for a job whose
	// data somebody moved out of AddRequest.Dir at the daemon.
	Err error
}

// File is one file of a job.
type File struct {
	// Index counts from 0 in the order of the torrent.
	Index int
	// Path is relative to AddRequest.Dir, with slashes.
	Path string
	// Size is in bytes.
	Size int64
	// DoneBytes is how much of it is on disk.
	DoneBytes int64
	// Skipped marks a file that is not wanted; parts of it may be on disk.
	Skipped bool
}

// Listed is one job that a Lister found.
type Listed struct {
	// Ref finds it; Ref.JobID is empty where the mark does not tell.
	Ref Ref
	// Name is for people.
	Name string
}

// TestResult is what a Tester found.
type TestResult struct {
	// Version is that of the daemon, empty when it was not learnt.
	Version string
	// LocalAddress is the IP address of this machine on the connection to the
	// daemon: where the daemon can reach this machine. Empty where not learnt.
	LocalAddress string
	// Checks are in the order in which they were made.
	Checks []TestCheck
	// Took is how long the whole test took.
	Took time.Duration
}

// OK reports whether no check failed.
func (r TestResult) OK() bool {
	for _, c := range r.Checks {
		if c.Err != nil {
			return false
		}
	}
	return true
}

// TestCheck is one thing that a Tester tried.
type TestCheck struct {
	// Name is one of "reachable", "credentials", "version", or the driver's own.
	Name string
	// Message says what was found, for people.
	Message string
	// Err tells what is wrong; nil is good.
	Err error
}
