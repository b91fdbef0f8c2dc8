// Package downloader is the contract between haul and a downloader backend.
//
// A plugin describes itself, is configured once per process, and then adds,
// checks and removes jobs: see Plugin and Driver. Whatever else it can do it
// offers by implementing one of the small optional interfaces and by declaring
// the matching Capability. The same interfaces are implemented by the host's
// client of a plugin process, so a caller cannot tell which it holds.
package downloader

import (
	"context"
	"time"

	"github.com/hashicorp/go-hclog"
)

// Plugin is one kind of downloader. It is what a plugin's main hands to
// pluginmain.Serve.
type Plugin interface {
	// Describe says what the plugin is and can do. It may be called at any
	// time, also before Configure, must not block and must not fail.
	Describe(ctx context.Context) (Description, error)

	// Configure makes a driver for one downloader. It is called once in a
	// plugin process, before any other call but Describe.
	//
	// It checks the settings (errs.InvalidSettings with fields) but does not
	// need the daemon to be reachable: a daemon may come later. The driver
	// owns what it starts, until its Close.
	Configure(ctx context.Context, cfg Config) (Driver, error)
}

// Driver runs jobs at one downloader. All methods may be called concurrently
// and obey the context's deadline. Errors carry a code of package errs:
// errs.DownloaderUnreachable, errs.DownloaderAuthFailed, errs.NotADownloader
// and errs.DownloaderTooOld mean that the whole downloader is in trouble, any
// other code that this job is.
type Driver interface {
	// Add starts a job. It is idempotent on AddRequest.JobID, also after a
	// restart of the plugin and of the daemon: when the daemon has the job
	// already, Add changes nothing and returns its Ref.
	//
	// AddRequest.Dir exists and is empty at the first call; the driver makes
	// the daemon write everything of the job below it.
	//
	// Errors: errs.SourceNotSupported, errs.InvalidSource, errs.OptionNotAllowed,
	// and those of the type.
	Add(ctx context.Context, req AddRequest) (Ref, error)

	// Check reports on every job of refs, in any order, in at most a few calls
	// to the daemon whatever their number. A job that the daemon does not have
	// is reported with PhaseGone, not as an error. It is called about once a
	// second while jobs are active.
	Check(ctx context.Context, refs []Ref) ([]Status, error)

	// Remove makes the daemon forget a job. With deleteData the daemon also
	// deletes the job's files where it can; the host removes the job's
	// directory in any case. Removing what is gone succeeds.
	Remove(ctx context.Context, ref Ref, deleteData bool) error
}

// Closer is a Driver that holds something to let go at the end, such as
// connections or a daemon of its own. Close is called once, when the plugin
// process is about to end; no call of the driver is under way then.
type Closer interface {
	Close(ctx context.Context) error
}

// Tester is a Driver that can tell what is wrong with its settings or daemon.
type Tester interface {
	// Test tries reachability, credentials and version, each as a Check of
	// its own, and stops at the first that fails. Trouble is a part of the
	// result; an error means that the test itself could not be made.
	Test(ctx context.Context) (TestResult, error)
}

// Watcher is a Driver that learns of changes before it is asked.
type Watcher interface {
	// Watch calls fn with the new status of jobs whose phase has changed,
	// until ctx ends or the source of events is lost, and returns why. fn is
	// not called concurrently. Watch is a hint: nothing is replayed, jobs may
	// be left out, and the host checks on its own after each start of Watch.
	Watch(ctx context.Context, fn func([]Status)) error
}

// Lister is a Driver that finds the jobs that haul once added.
type Lister interface {
	// List returns all jobs at the daemon that carry haul's mark.
	List(ctx context.Context) ([]Listed, error)
}

// Capability names an optional part of the contract.
type Capability string

// The optional parts. A plugin declares exactly those that its driver has.
const (
	CapabilityTest  Capability = "test"
	CapabilityWatch Capability = "watch"
	CapabilityList  Capability = "list"
)

// SourceKind is a kind of source that a plugin may take.
type SourceKind string

// The kinds of sources.
const (
	SourceMagnet   SourceKind = "magnet"   // URI is a magnet link
	SourceTorrent  SourceKind = "torrent"  // Content is a .torrent file
	SourceHTTP     SourceKind = "http"     // URI is an http or https URL of a file
	SourceFTP      SourceKind = "ftp"      // URI is an ftp or ftps URL of a file
	SourceMetalink SourceKind = "metalink" // Content is a metalink file
)

// Description is what a plugin says about itself.
type Description struct {
	// Name is unique among plugins: lower-case letters, digits, dashes.
	Name string
	// Version is the plugin's own, in semantic versioning without a "v".
	Version string
	// DisplayName is the daemon's name as people write it, such as "aria2".
	DisplayName string
	// Sources are the kinds that Add takes.
	Sources []SourceKind
	// Capabilities are the optional parts that the driver offers.
	Capabilities []Capability
	// SettingsSchema is a JSON Schema (draft 2020-12) of Config.Settings, an
	// object; "writeOnly": true marks a secret.
	SettingsSchema []byte
	// Managed reports whether the plugin can run a daemon of its own on this
	// machine now, without any settings.
	Managed bool
	// ManagedHint says what to install where Managed is false and could be true.
	ManagedHint string
}

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
	// Files lists the wanted files. It is complete once the phase has data,
	// and may be left out before.
	Files []File
	// Message is what the daemon says in its own words, such as a tracker's
	// warning; for logs and details.
	Message string
	// Err tells why the phase is PhaseFailed.
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
