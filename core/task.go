package core

import (
	"encoding/json"
	"time"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

// Task is what a user asked for. It is kept until it is deleted.
//
// Wish is what its owner wants, State what is; only transitions are stored,
// progress lives in memory (see Progress).
type Task struct {
	ID     TaskID     `json:"id"`
	Owner  UserID     `json:"owner"`
	Source TaskSource `json:"source"`
	// Name is what people call it; from the source until the downloader knows
	// better, unless its owner has named it.
	Name string `json:"name"`
	// Named reports that the owner chose the name.
	Named    bool   `json:"named,omitempty"`
	InfoHash string `json:"info_hash,omitempty"`
	// InfoHashV2 is that of a v2 or hybrid torrent, in 64 lower-case hex digits.
	InfoHashV2 string `json:"info_hash_v2,omitempty"`
	// Private reports that the torrent is of a private tracker; of a magnet link
	// that is not known.
	Private bool `json:"private,omitempty"`

	Wish  Wish      `json:"wish"`
	State TaskState `json:"state"`
	Error *Failure  `json:"error,omitempty"`
	// Attempt counts from 1; each retry adds one and makes a new job.
	Attempt int `json:"attempt"`

	// WantedNode and WantedDownloader are the owner's choice; empty lets haul choose.
	WantedNode       NodeID       `json:"wanted_node,omitempty"`
	WantedDownloader DownloaderID `json:"wanted_downloader,omitempty"`
	// Node, Downloader and Job are set when the task is started.
	Node       NodeID       `json:"node,omitempty"`
	Downloader DownloaderID `json:"downloader,omitempty"`
	Job        JobID        `json:"job,omitempty"`

	Destination Destination `json:"destination"`
	// OnConflict says what happens where a name is taken at the destination.
	OnConflict ConflictPolicy `json:"on_conflict,omitempty"`
	// Selection says which files are wanted.
	Selection Selection `json:"selection,omitzero"`
	// Seed is the owner's wish; nil leaves it to their group, then the downloader.
	Seed *SeedPolicy `json:"seed,omitempty"`
	// Options is a JSON object of the owner's options for the downloader.
	Options json.RawMessage `json:"options,omitempty"`
	// Resumes counts how often somebody asked to go on.
	Resumes int `json:"resumes,omitempty"`
	// Files are those at the destination, once delivered.
	Files []DeliveredFile `json:"files,omitempty"`
	// Removed are files that the job had delivered, and that a delete has removed.
	Removed []DeliveredFile `json:"removed,omitempty"`
	// TotalBytes is the size of what was wanted, DoneBytes what of it was there,
	// stored with the last transition.
	TotalBytes int64 `json:"total_bytes,omitempty"`
	DoneBytes  int64 `json:"done_bytes,omitempty"`
	// UploadedBytes is what was sent to peers for this task, stored at its end.
	UploadedBytes int64 `json:"uploaded_bytes,omitempty"`

	// Retries tells of the tries that haul makes by itself.
	Retries Retries `json:"retries,omitzero"`
	// HeldUntil is when the data of a held task is given up; nil is never.
	HeldUntil *time.Time `json:"held_until,omitempty"`
	// JoinedAt is the revision of the job at which the task came.
	JoinedAt int64 `json:"joined_at,omitempty"`
	// LeftAt is the revision of the job at which the task left it; 0 while it has not.
	LeftAt int64 `json:"left_at,omitempty"`
	// LogSeen is the number of the last JobEvent that the history has.
	LogSeen int `json:"log_seen,omitempty"`
	// Events is how many entries the history has had.
	Events int `json:"events,omitempty"`

	CreatedAt    time.Time  `json:"created_at"`
	StartedAt    *time.Time `json:"started_at,omitempty"`
	DownloadedAt *time.Time `json:"downloaded_at,omitempty"`
	DeliveredAt  *time.Time `json:"delivered_at,omitempty"`
	CompletedAt  *time.Time `json:"completed_at,omitempty"`
	DeletedAt    *time.Time `json:"deleted_at,omitempty"`
	// DeleteData says that what is delivered after all goes, too, when the job
	// of a deleted task has ended.
	DeleteData bool `json:"delete_data,omitempty"`
}

// TaskSource is what a task fetches.
type TaskSource struct {
	Kind downloader.SourceKind `json:"kind"`
	// URI is the magnet link or URL; for an uploaded file its name.
	URI string `json:"uri"`
	// Uploaded reports that somebody uploaded the bytes of a torrent or metalink.
	Uploaded bool `json:"uploaded,omitempty"`
	// Fetched reports that a node has fetched them from URI.
	Fetched bool `json:"fetched,omitempty"`
}

// Stored reports whether the bytes of a torrent or metalink are in the store.
func (s *TaskSource) Stored() bool { return s.Uploaded || s.Fetched }

// MustFetch reports whether a node has to fetch the bytes of a torrent or
// metalink before there can be a job.
func (s *TaskSource) MustFetch() bool {
	return (s.Kind == downloader.SourceTorrent || s.Kind == downloader.SourceMetalink) && !s.Stored()
}

// Retries is the budget of tries that haul makes by itself after a failure that
// may pass. Somebody's own retry begins a new one.
type Retries struct {
	// Used of Limit are spent.
	Used  int `json:"used,omitempty"`
	Limit int `json:"limit,omitempty"`
	// NextAt is when the next one is due; nil while none is.
	NextAt *time.Time `json:"next_at,omitempty"`
}

// ConflictPolicy says what happens where a name is taken at the destination.
type ConflictPolicy string

// The policies; empty means ConflictRename.
const (
	ConflictRename    ConflictPolicy = "rename"    // deliver as "name (1)"
	ConflictSkip      ConflictPolicy = "skip"      // leave what is there, deliver the rest
	ConflictOverwrite ConflictPolicy = "overwrite" // replace files, merge folders
	ConflictFail      ConflictPolicy = "fail"      // errs.DestinationExists
)

// ConflictPolicies lists all of them.
var ConflictPolicies = []ConflictPolicy{ConflictRename, ConflictSkip, ConflictOverwrite, ConflictFail}

// Destination is where the files of a task go.
type Destination struct {
	Storage StorageID `json:"storage"`
	// Path is a folder relative to the owner's home, with slashes; "" is the home itself.
	Path string `json:"path"`
}

// Wish is what the owner of a task wants.
type Wish string

// The wishes.
const (
	WishRun    Wish = "run"
	WishPause  Wish = "pause"
	WishCancel Wish = "cancel"
)

// Waiting says why nothing moves.
type Waiting struct {
	Code    errs.Code `json:"code"`
	Message string    `json:"message"`
}

// Codes of Waiting that are no errors.
const (
	WaitingForSlot    errs.Code = "waiting_for_slot"    // the downloader runs as many jobs as it may
	WaitingForNode    errs.Code = "waiting_for_node"    // handed to the node, no answer yet
	WaitingForPeers   errs.Code = "waiting_for_peers"   // nobody to load from
	WaitingInDaemon   errs.Code = "waiting_in_daemon"   // the downloader's own queue holds it
	WaitingForRetry   errs.Code = "waiting_for_retry"   // an attempt failed, the next one is due later
	WaitingForRemoval errs.Code = "waiting_for_removal" // canceled, the downloader has not confirmed yet
	WaitingForPause   errs.Code = "waiting_for_pause"   // paused, the downloader has not confirmed yet
	WaitingForResume  errs.Code = "waiting_for_resume"  // somebody stopped it at the downloader by hand
	WaitingForSource  errs.Code = "waiting_for_source"  // a node fetches the torrent or metalink file
	WaitingForSpace   errs.Code = "waiting_for_space"   // the node has too little free space
	WaitingForCopy    errs.Code = "waiting_for_copy"    // loaded, other files are being copied first
)

// Failure is why a task or job failed, or is held.
type Failure struct {
	Code      errs.Code `json:"code"`
	Message   string    `json:"message"`
	Hint      string    `json:"hint,omitempty"`
	Retryable bool      `json:"retryable"`
	At        time.Time `json:"at"`
}

// NewFailure describes err for the user.
func NewFailure(err error, at time.Time) *Failure {
	return &Failure{
		Code: errs.CodeOf(err), Message: errs.MessageOf(err), Hint: errs.HintOf(err),
		Retryable: errs.IsRetryable(err), At: at.UTC(),
	}
}

// DeliveredFile is one file of a task at its destination.
type DeliveredFile struct {
	// Index counts from 0 in the order of the source.
	Index int `json:"index"`
	// Path is relative to the task's destination, with slashes.
	Path string `json:"path"`
	// Size is in bytes.
	Size int64 `json:"size"`
	// Skipped reports that something else had the name, and was left.
	Skipped bool `json:"skipped,omitempty"`
}

// Progress is what moves while a task runs. It is never stored for a tick.
type Progress struct {
	TotalBytes    int64 `json:"total_bytes"`
	DoneBytes     int64 `json:"done_bytes"`
	UploadedBytes int64 `json:"uploaded_bytes"`
	// DownloadRate and UploadRate are in bytes per second.
	DownloadRate int64 `json:"download_rate"`
	UploadRate   int64 `json:"upload_rate"`
	Peers        int   `json:"peers"`
	Seeds        int   `json:"seeds"`
}

// Ratio returns the uploaded bytes per downloaded byte.
func (p Progress) Ratio() float64 {
	if p.DoneBytes == 0 {
		return 0
	}
	return float64(p.UploadedBytes) / float64(p.DoneBytes)
}

// ETA returns how long the rest takes at the present rate, and whether that is known.
func (p Progress) ETA() (time.Duration, bool) {
	if p.DownloadRate <= 0 || p.TotalBytes <= p.DoneBytes {
		return 0, false
	}
	return time.Duration(float64(p.TotalBytes-p.DoneBytes) / float64(p.DownloadRate) * float64(time.Second)), true
}

// DeliveryProgress is how far the files are on their way to the destination.
type DeliveryProgress struct {
	TotalBytes int64 `json:"total_bytes"`
	DoneBytes  int64 `json:"done_bytes"`
	FilesTotal int   `json:"files_total"`
	FilesDone  int   `json:"files_done"`
}

// TaskView is a task with what is known of it at this moment.
type TaskView struct {
	Task
	Progress Progress
	Delivery DeliveryProgress
	// Waiting says why nothing moves; nil while something does.
	Waiting *Waiting
	// OwnerName, NodeName, DownloaderName and StorageName are for people; empty where gone.
	OwnerName, NodeName, DownloaderName, StorageName string
}
