package downloader

import (
	"time"

	"github.com/hashicorp/go-hclog"
)

// Config is what one downloader is configured with.
type Config struct {
	// DownloaderID is haul's id of the downloader; it marks what haul adds.
	DownloaderID string
	// Settings is a JSON object that matches the settings schema.
	Settings []byte
	// StateDir is a directory of the driver's own, mode 0700, that outlives
	// the process. It is empty at the first start.
	StateDir string
	// MaxActive is the number of jobs that haul runs at once at most; the
	// driver sees to it that the daemon's own queue does not hold them back.
	MaxActive int
	// Logger writes to haul's log. It is never nil.
	Logger hclog.Logger
}

// AddRequest is one job to start.
type AddRequest struct {
	// JobID is chosen by haul and never used for another job.
	JobID string
	// Source is what to fetch.
	Source Source
	// Dir is the absolute path, as the daemon sees it, that everything goes to.
	Dir string
	// Options is a JSON object that matches the options schema; it may be empty.
	Options []byte
	// Files are the indexes of the wanted files, ascending; empty wants all.
	// For a magnet link the driver takes it as early as the daemon can; the
	// host repeats it with SelectFiles once the metadata is known. Only where
	// the plugin has CapabilitySelectFiles.
	Files []int
	// Paused adds the job without starting it. Only with CapabilityPause.
	Paused bool
	// Verify says that Dir may hold data of this job already: what is there is
	// verified, and what is missing is loaded.
	Verify bool
	// Limits are those to begin with. Only with CapabilitySetLimits, except
	// that a zero Limits.Seed binds every driver.
	Limits Limits
}

// Limits bound what a job may use.
type Limits struct {
	// DownloadRate and UploadRate are in bytes per second; 0 is no limit.
	DownloadRate int64
	UploadRate   int64
	// Seed says how long to seed when all is loaded; nil is not at all: the job
	// then becomes PhaseComplete.
	Seed *SeedLimits
}

// SeedLimits end seeding at whichever is reached first. A zero is no limit.
type SeedLimits struct {
	// Ratio is the uploaded bytes per downloaded byte.
	Ratio float64
	// Time is since the job was complete, Idle since somebody last took a byte.
	Time time.Duration
	Idle time.Duration
}

// Source is what to fetch.
type Source struct {
	Kind SourceKind
	// URI is the magnet link or URL; empty where Content counts.
	URI string
	// Content is the torrent or metalink file, already checked by haul.
	Content []byte
	// Name is a file name that haul suggests for an HTTP or FTP download; it
	// has no path separators. Empty lets the daemon choose.
	Name string
}
