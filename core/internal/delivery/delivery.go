// Package delivery moves the files of a finished job from its directory to a
// folder of a storage, so that each shows there only when it is whole, under a
// name that nothing had before, and exactly once whatever crashes in between.
//
// It takes two steps: Plan looks and chooses names; its result goes to the
// caller's journal; then Execute carries it out and can be repeated any time.
//
// The unit that is moved is a top-level entry of the job's directory: the
// first component of the path of a listed file. Where a folder cannot move as a
// whole (it is merged into another, or one of its files makes trouble) its
// files move one by one. Whatever is not listed (a daemon's control files,
// parts of files that were not wanted) does not come along; what of it lies in
// a folder that moves as a whole is removed before.
//
// Copies, and folders of links, are made in one hidden folder per task at the
// destination, and get their names when they are whole.
package delivery

import (
	"context"
	"errors"

	"github.com/hashicorp/go-hclog"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/storage"
)

// ErrReplan says that a planned name is taken by now: make a new plan with
// Mover.Replan, store it, and execute that.
var ErrReplan = errors.New("delivery: a planned name is taken")

// Job is one delivery.
type Job struct {
	// Task names temporary files.
	Task core.TaskID
	// Source is the absolute path of the directory that holds the data.
	Source string
	// Root is the absolute path of a local storage; Remote is another one, and
	// Storage its id.
	Root    string
	Remote  storage.Driver
	Storage core.StorageID
	// Path is a folder of the storage, with slashes; it is made when missing.
	Path string
	// Files are the files to deliver, as the downloader lists them.
	Files []downloader.File
	// Data says what may become of the job's data.
	Data DataUse
	// OnConflict says what happens where a name is taken.
	OnConflict core.ConflictPolicy
	// Only are the indexes of the files that this attempt is for; empty is all.
	Only []int
	// Verify reads every copy again and compares it.
	Verify bool
}

// DataUse says what may become of a job's data.
type DataUse int

// The uses.
const (
	DataMove DataUse = iota // nobody needs it any more
	DataLink                // it stays, as when a torrent seeds; its bytes may be shared
	DataCopy                // it stays for somebody else: nothing may show or change it
)

// Plan says under which names a job's entries are delivered. It is stored
// before it is executed.
type Plan struct {
	Entries []Entry `json:"entries"`
	// Traits are those of the destination.
	Traits Traits `json:"traits,omitzero"`
	// Why tells what was not done in the cheapest way, or under the given name.
	Why string `json:"why,omitempty"`
	// Half is a file of which a part was copied.
	Half *Half `json:"half,omitempty"`
	// Uploads are the files, where Job.Remote is set; Begun says that some may
	// be there that are not Done.
	Uploads []Upload `json:"uploads,omitempty"`
	Begun   bool     `json:"begun,omitempty"`
}

// Half is how much of a file is at the destination for certain.
type Half struct {
	Name string `json:"name"`
	Done int64  `json:"done"`
}

// Entry is one thing to move: a top-level file or folder of the job, or a file
// in a folder that is not moved as a whole.
type Entry struct {
	// Name is that in the job's directory, As the one at the destination; no As
	// says that none is possible there.
	Name string `json:"name"`
	As   string `json:"as"`
	Dir  bool   `json:"dir,omitempty"`
	// Inode and Size recognise it after a crash; Size is that of a file.
	Inode uint64 `json:"inode"`
	Size  int64  `json:"size,omitempty"`
	// Changed is when a file was last written, in nanoseconds; State sums that up
	// for the files of a folder.
	Changed int64  `json:"changed,omitempty"`
	State   string `json:"state,omitempty"`
	// Copy is the inode of the finished copy, where a rename is impossible. Temp
	// is its name in the hidden folder, where that is not As.
	Copy uint64 `json:"copy,omitempty"`
	Temp string `json:"temp,omitempty"`
	// Claimed says that an empty file or folder named As may be ours.
	Claimed bool `json:"claimed,omitempty"`
	// Method is how a copy was made.
	Method Method `json:"method,omitempty"`
}

// Result is what was delivered.
type Result struct {
	// Files have paths relative to Job.Path. Beside an error they are those that
	// are there already.
	Files []core.DeliveredFile
	// Failed are the files that could not be delivered, beside an error.
	Failed []FileError
	// Method is how most of it came, Why says why no cheaper way was open; "" where
	// the cheapest was.
	Method Method
	Why    string
}

// FileError is a file that could not be delivered.
type FileError struct {
	Index int
	Err   error
}

// Method is a way to deliver.
type Method string

// The methods, cheapest first.
const (
	MethodRename Method = "renamed"
	MethodLink   Method = "linked" // a second name for the same bytes
	MethodClone  Method = "cloned" // a reflink
	MethodCopy   Method = "copied"
	MethodUpload Method = "uploaded" // to a storage that is no local folder
)

// Hooks connect Execute to its caller.
type Hooks struct {
	// Save stores a plan that has learnt something; what needs it happens after
	// its return. It is called where files have to be copied, or where the file
	// system cannot rename without replacing.
	Save func(context.Context, Plan) error
	// Progress is told how many bytes and files are at the destination; it must
	// not block.
	Progress func(done int64, files int)
	// Waiting is told while the delivery waits for its turn to copy; it must not
	// block and may be nil.
	Waiting func(waits bool)
}

// Mover delivers. Its methods may be called concurrently, also for the same
// folder, but not for the same job and task.
type Mover struct {
	log   hclog.Logger
	syncs *dirSyncer
	at    func(point string)
	names namer
	// probe finds out what names the destination takes.
	probe prober
	// piece is how much is copied between two looks at the context, markEvery
	// between two records of how far a copy is.
	piece, markEvery int64
	// markWaits makes a copy wait for each record, so that steps have an order.
	markWaits bool
	// copying has a place for each copy under way.
	copying chan struct{}
}

// copiesAtOnce is few: copies of large files next to each other only make a
// disk seek.
const copiesAtOnce = 4

// Option changes a Mover.
type Option func(*Mover)

// WithFailpoint makes the mover call fn at each step; tests crash there.
func WithFailpoint(fn func(point string)) Option {
	return func(m *Mover) { m.at = fn }
}

// withNamer replaces the system calls that give names.
func withNamer(n namer) Option {
	return func(m *Mover) { m.names = n }
}

// withPieces makes copies in small pieces.
func withPieces(piece, markEvery int64) Option {
	return func(m *Mover) { m.piece, m.markEvery, m.markWaits = piece, markEvery, true }
}

// withProber replaces what finds out about the destination's names.
func withProber(p prober) Option {
	return func(m *Mover) { m.probe = p }
}

// New makes a mover.
func New(log hclog.Logger, options ...Option) *Mover {
	m := &Mover{
		log: log, syncs: newDirSyncer(), at: func(string) {}, names: systemNames{}, probe: probeNames,
		piece: pieceSize, markEvery: checkpointEvery, copying: make(chan struct{}, copiesAtOnce),
	}
	for _, o := range options {
		o(m)
	}
	return m
}
