package core

import (
	"context"

	"github.com/haul-dl/haul/sdk/downloader"
)

// Link connects core to one node runtime: to the one in this process directly,
// to one on another machine over the network. Everything that passes is plain
// data: neither side may assume that it shares memory, a clock or a database
// with the other.
//
// Both directions are level-triggered: each message says what is wanted, or
// what is, and not what changed; any of them may be lost with the session, and
// the next session begins with everything.
type Link interface {
	// Connect opens a session; an earlier one of the same link ends. It fails
	// with errs.NodeOffline where the node cannot be reached.
	Connect(ctx context.Context) (Session, error)
}

// Session is one life of a Link. Its methods may be called concurrently.
type Session interface {
	// Send hands orders to the node and returns when the node has stored them.
	// The first orders of a session have Full set, unless core cannot read all
	// that it has stored; before them come jobs whose torrent files together are
	// large, with what those need.
	Send(ctx context.Context, o *Orders) error

	// Receive waits for the next report. The first one of a session has Full
	// set. What happens between two calls is folded into one report, in which
	// the newest state of each job wins, so a slow caller costs no memory.
	Receive(ctx context.Context) (*Report, error)

	// TestDownloader tries out a downloader, stored or not, on the node.
	// Trouble with the downloader is a part of the result.
	TestDownloader(ctx context.Context, d DesiredDownloader) (downloader.TestResult, error)

	// FetchSource loads what a source says of itself: of a torrent or metalink
	// the file, checked, of an http or ftp URL the name and size. Nothing of it
	// is kept. Errors: those of package source, errs.SourceNotFound,
	// SourceForbidden, SourceUnreachable, SourceTLS, SourceTimeout,
	// SourceServerError, errs.TorrentTooLarge.
	FetchSource(ctx context.Context, s TaskSource) (*FetchedSource, error)

	// JobFiles returns the files of a job as far as they are known, wanted or
	// not, with what of them is loaded: errs.NotFound without such a job.
	JobFiles(ctx context.Context, id JobID) ([]downloader.File, error)

	// TestStorage tries out a storage, stored or not, on the node. Trouble with
	// the storage is a part of the result.
	TestStorage(ctx context.Context, s DesiredStorage) (downloader.TestResult, error)

	// FindTaken returns which names are taken in a folder of a storage.
	FindTaken(ctx context.Context, storage StorageID, path string, names []string) ([]string, error)

	// RemoveFiles removes delivered files, and the folders that they leave
	// empty; what somebody changed since stays. Paths are relative to path. It goes
	// on after a failure, and returns with that the files that may be there still.
	RemoveFiles(ctx context.Context, storage StorageID, path string, files []DeliveredFile) (left []DeliveredFile, err error)

	// RescanPlugins looks for plugins again and returns all of them.
	RescanPlugins(ctx context.Context) ([]ObservedPlugin, error)

	// Close ends the session.
	Close() error
}

// Orders is what core wants of a node.
type Orders struct {
	// Full means that the lists hold everything: what the node has beyond them
	// is not wanted any more.
	Full        bool
	Downloaders []DesiredDownloader
	Storages    []DesiredStorage
	// AllStorages means that Storages holds all of them, also where Full is not set.
	AllStorages bool
	Jobs        []DesiredJob
	// RemovedDownloaders are gone from core.
	RemovedDownloaders []DownloaderID
	// Forget lists ended jobs whose end core has stored.
	Forget []JobID
}

// DesiredJob is a job as core wants it.
type DesiredJob struct {
	Job
	// Content is the uploaded torrent or metalink file.
	Content []byte
}

// DesiredDownloader is a downloader as core wants it, with its secrets.
type DesiredDownloader struct {
	ID       DownloaderID
	Name     string
	Plugin   string
	Enabled  bool
	Settings []byte
	// PathMap says how the daemon calls the node's folders.
	PathMap []PathMapping
	// MaxActive is the number of jobs at once.
	MaxActive int
	// PollInterval in seconds.
	PollInterval int
	// Revision grows with each change.
	Revision int64
}

// DesiredStorage is a storage as core wants it.
type DesiredStorage struct {
	ID   StorageID
	Name string
	Kind StorageKind
	// Root is the absolute path of a StorageLocal on the node.
	Root string
	// Settings are a JSON object for the storage's plugin, with its secrets.
	Settings []byte
	// Revision grows with each change.
	Revision int64
}

// FetchedSource is what a source says of itself.
type FetchedSource struct {
	Kind downloader.SourceKind
	// Name is the torrent's or file's; empty where not known.
	Name string
	// Size is in bytes, -1 where not known.
	Size int64
	// Content is the torrent or metalink file.
	Content []byte
	// Resumable reports that the server sends parts of the file.
	Resumable bool
}

// Report is what a node knows.
type Report struct {
	// Full means that Jobs holds every job of the node.
	Full bool
	Jobs []ObservedJob
	// Downloaders, Plugins and Storages hold all, or are nil when nothing changed.
	Downloaders []ObservedDownloader
	Plugins     []ObservedPlugin
	Storages    []ObservedStorage
}

// ObservedStorage is how a node finds one storage.
type ObservedStorage struct {
	ID     StorageID
	Health Health
	// FreeBytes and TotalBytes are the storage's, -1 where not known.
	FreeBytes, TotalBytes int64
	// PluginPID is the plugin's process on the node, 0 when none runs.
	PluginPID int
	// PluginVersion is that of the running plugin; empty when none runs.
	PluginVersion string
	// Restarts counts the starts of the plugin process after the first.
	Restarts int
}

// ObservedDownloader is how a node finds one downloader.
type ObservedDownloader struct {
	ID     DownloaderID
	Health Health
	// Restarts counts the starts of the plugin process after the first.
	Restarts int
	// PluginPID is the plugin's process on the node, 0 when none runs.
	PluginPID int
	// PluginVersion is that of the running process.
	PluginVersion string
}

// ObservedPlugin is one plugin that a node has found.
type ObservedPlugin struct {
	// Kind tells which of the fields of the description count.
	Kind PluginKind
	downloader.Description
	Path   string
	SHA256 string
	// Active marks the one of several versions of a plugin that new processes
	// are started from.
	Active bool
	// Failure is why it cannot be used.
	Failure *Failure
}

// PluginKind is what a plugin drives.
type PluginKind string

// The kinds of plugins. Their executables are named haul-KIND-NAME.
const (
	PluginDownloader PluginKind = "downloader"
	PluginStorage    PluginKind = "storage"
)
