// Package delivery moves the files of a finished job from its directory to a
// folder of a storage, so that each shows there only when it is whole, under a
// name that nothing had before, and exactly once whatever crashes in between.
//
// It takes two steps: Plan looks and writes nothing to the destination; its
// result goes to the caller's journal; then Execute carries it out and can be
// repeated any time.
//
// The unit that is moved is a top-level entry of the job's directory: the
// first component of the path of a listed file. Whatever is not listed (a
// daemon's control files, parts of files that were not wanted) does not come
// along; what of it lies in a listed folder is removed before that moves.
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
	// Root is the absolute path of a local storage; Remote is another one.
	Root   string
	Remote storage.Driver
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
	// Uploads are the files, where Job.Remote is set; Begun says that some may
	// be there that are not Done.
	Uploads []Upload `json:"uploads,omitempty"`
	Begun   bool     `json:"begun,omitempty"`
}

// Entry is one thing to move.
type Entry struct {
	// Name is that in the job's directory, As the one at the destination.
	Name string `json:"name"`
	As   string `json:"as"`
	Dir  bool   `json:"dir,omitempty"`
	// Inode and Size recognise it after a crash; Size is that of a file.
	Inode uint64 `json:"inode"`
	Size  int64  `json:"size,omitempty"`
	// Copy is the inode of the finished copy, where a rename is impossible.
	Copy uint64 `json:"copy,omitempty"`
	// Claimed says that an empty file or folder named As may be ours.
	Claimed bool `json:"claimed,omitempty"`
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

// New makes a mover.
func New(log hclog.Logger, options ...Option) *Mover {
	m := &Mover{log: log, syncs: newDirSyncer(), at: func(string) {}, names: systemNames{}, copying: make(chan struct{}, copiesAtOnce)}
	for _, o := range options {
		o(m)
	}
	return m
}
