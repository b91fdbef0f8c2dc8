package core

import (
	"context"
	"encoding/json"
	"io"
	"time"

	"github.com/haul-dl/haul/sdk/downloader"
)

// The services below are what the REST handlers call. Each method takes from
// the context who calls (see IdentityFrom), checks their rights, and returns
// errors with codes of package errs. All may be called concurrently.

// Page is a part of a list.
type Page[T any] struct {
	Items []T
	// NextCursor continues the list; empty at its end.
	NextCursor string
}

// NewTask is what somebody asks for. All sources of it get the same treatment.
type NewTask struct {
	Sources []NewSource
	// Destination is a storage's id or name, and a path in the caller's home;
	// empty means the storage "local" and the home itself.
	Destination NewDestination
	// Node and Downloader are ids or names; empty lets haul choose.
	Node, Downloader string
	// Selection says which files are wanted, of each source.
	Selection Selection `json:",omitzero"`
	// OnConflict says what happens where a name is taken; empty is ConflictRename.
	OnConflict ConflictPolicy `json:",omitempty"`
	// Seed is the seeding policy; nil leaves it to the group and the downloader.
	Seed *SeedPolicy `json:",omitempty"`
	// Options is a JSON object for the downloader; nil for none.
	Options json.RawMessage `json:",omitempty"`
	// Paused leaves the tasks paused until somebody resumes them.
	Paused bool `json:",omitempty"`
	// IdempotencyKey makes a repeated request answer as the first; may be empty.
	IdempotencyKey string
}

// NewSource is a source as somebody gave it.
type NewSource struct {
	// URI is a magnet link or URL; for an uploaded file its name.
	URI string
	// Kind is empty where it shall be guessed.
	Kind downloader.SourceKind
	// Content is an uploaded torrent file.
	Content []byte
	// Field is the name of the request's field, for errors: "sources[0]".
	Field string
}

// NewDestination is a destination as somebody gave it.
type NewDestination struct {
	Storage string
	Path    string
}

// TaskChange is a change of a task; nil fields stay.
type TaskChange struct {
	// Name is what people call it from now on.
	Name *string
	// Selection says which files are wanted; the zero value wants all again.
	Selection *Selection
	// Destination moves what is not delivered yet, also of a held task.
	Destination *NewDestination
	// Seed replaces the policy; one with Seed.Inherit set takes it back.
	Seed *SeedChange
	// Options is a JSON object: its values replace those of the same keys, and
	// null removes one.
	Options json.RawMessage
}

// SeedChange is a new seeding policy; a nil Policy leaves it to the group again.
type SeedChange struct{ Policy *SeedPolicy }

// RetryOptions say how a task is tried again; the zero value changes nothing.
type RetryOptions struct {
	// Files are the indexes of those to try, of a held task; empty is all.
	Files []int
	// Destination is another one, for what is not delivered yet.
	Destination *NewDestination
}

// TaskAction is what can be done to many tasks at once.
type TaskAction string

// The actions.
const (
	ActionPause   TaskAction = "pause"
	ActionResume  TaskAction = "resume"
	ActionCancel  TaskAction = "cancel"
	ActionRetry   TaskAction = "retry"
	ActionRecheck TaskAction = "recheck"
	ActionDelete  TaskAction = "delete"
)

// MaxActionTasks is how many tasks one action may name.
const MaxActionTasks = 1000

// TaskResult is what came of an action for one task.
type TaskResult struct {
	ID TaskID
	// Task is as it is now; nil when Err is set, and when it is deleted.
	Task *TaskView
	Err  error
}

// TaskQuery selects tasks; empty fields select all.
type TaskQuery struct {
	States     []TaskState
	Owner      string // id or name; only admins see others' tasks
	Node       string // id or name
	Downloader string // id or name
	// Text is looked for in the name, ignoring case.
	Text string
	// OldestFirst reverses the order, which is newest first.
	OldestFirst bool
	Cursor      string
	// Limit is 1 to 1,000; 0 means 50.
	Limit int
}

// TaskFile is one file of a task.
type TaskFile struct {
	Index int
	Path  string
	Size  int64
	// DoneBytes is how much of it is loaded, -1 where not known.
	DoneBytes int64
	// Wanted reports whether the selection has it.
	Wanted bool
	// Delivered reports that it is at the destination.
	Delivered bool
	// Skipped reports that something else had its name there, and was left.
	Skipped bool
	// Failure is why it could not be delivered.
	Failure *Failure
}

// FileContent is an open file of a task. The caller closes it.
type FileContent struct {
	io.ReadSeekCloser
	Name    string
	Size    int64
	ModTime time.Time
}

// TaskService creates tasks, keeps their wishes and shows them.
type TaskService interface {
	// Create stores all tasks or none.
	Create(ctx context.Context, req *NewTask) ([]TaskView, error)
	Get(ctx context.Context, id TaskID) (*TaskView, error)
	List(ctx context.Context, q *TaskQuery) (*Page[TaskView], error)
	// Update changes a task. What the task's state does not allow is
	// errs.WrongState, with the field.
	Update(ctx context.Context, id TaskID, c *TaskChange) (*TaskView, error)
	// Pause stops a task for a while; errs.WrongState when it has its data or
	// has ended, errs.NotOffered when its downloader cannot.
	Pause(ctx context.Context, id TaskID) (*TaskView, error)
	// Resume lets a task go on that was paused, or stopped at the downloader.
	Resume(ctx context.Context, id TaskID) (*TaskView, error)
	// Act does the same to up to MaxActionTasks tasks, in one write. What goes
	// wrong with one is a part of its result and does not keep the others from
	// their turn. Deleted tasks keep their files.
	Act(ctx context.Context, action TaskAction, ids []TaskID) ([]TaskResult, error)
	// Cancel ends a task; an ended one is errs.WrongState.
	Cancel(ctx context.Context, id TaskID) (*TaskView, error)
	// Retry starts a failed or canceled task again, or a held delivery; a
	// paused task goes on.
	Retry(ctx context.Context, id TaskID, o RetryOptions) (*TaskView, error)
	// Recheck has the downloader verify what is loaded and load what is missing.
	// Of a completed task it looks whether the files are at the destination, and
	// loads it again where not.
	Recheck(ctx context.Context, id TaskID) (*TaskView, error)
	// History returns what happened to a task, oldest first.
	History(ctx context.Context, id TaskID) ([]HistoryEvent, error)
	// Inspect tells what a source is, without a task.
	Inspect(ctx context.Context, src *NewSource) (*SourceInfo, error)
	// Delete stops the task's job and hides the task; with deleteData its
	// delivered files go, too.
	Delete(ctx context.Context, id TaskID, deleteData bool) error
	Files(ctx context.Context, id TaskID) ([]TaskFile, error)
	OpenFile(ctx context.Context, id TaskID, index int) (*FileContent, error)
}

// SourceInfo is what a source is.
type SourceInfo struct {
	Kind downloader.SourceKind
	// Name is empty, and Size -1, where the source does not tell.
	Name                 string
	InfoHash, InfoHashV2 string
	Private              bool
	Size                 int64
	// Files are nil where not known.
	Files []downloader.File
	// Resumable reports that an HTTP server sends parts of the file.
	Resumable bool
	// Downloaders are the names of those that could take it now.
	Downloaders []string
}

// Login is a fresh token.
type Login struct {
	// Secret is what the caller sends from now on; it is not kept.
	Secret    string
	ExpiresAt time.Time
}

// UserService knows who is who.
type UserService interface {
	// Login checks a password. remote is the caller's address, against guessing.
	Login(ctx context.Context, name, password, remote string) (*Login, error)
	// Logout ends the token of the request.
	Logout(ctx context.Context) error
	// Authenticate returns who a token belongs to, or errs.Unauthenticated.
	Authenticate(ctx context.Context, secret string) (*Identity, error)
}

// NewUser is a user to be made.
type NewUser struct {
	Name, Password string
	// Group is an id or a name; empty means UserGroupName.
	Group string
}

// UserChange is a change of a user; nil fields stay.
type UserChange struct {
	Password *string
	Group    *string // id or name
}

// GroupChange is a new group, or a change of one; nil fields stay.
type GroupChange struct {
	Name        *string
	Permissions *[]Permission
	Seed        *SeedChange
}

// AccountService manages users and groups. All but ChangePassword is for admins.
type AccountService interface {
	ListUsers(ctx context.Context, limit int, cursor string) (*Page[UserView], error)
	GetUser(ctx context.Context, idOrName string) (*UserView, error)
	CreateUser(ctx context.Context, u *NewUser) (*UserView, error)
	// UpdateUser ends all tokens of the user with a new password, and refuses
	// with errs.LastAdmin what leaves nobody who is an admin.
	UpdateUser(ctx context.Context, idOrName string, c *UserChange) (*UserView, error)
	// DeleteUser refuses with errs.InUse while tasks of the user have not ended,
	// and with errs.LastAdmin. The user's files stay.
	DeleteUser(ctx context.Context, idOrName string) error
	// ChangePassword changes the caller's own, and ends all tokens of theirs. A
	// wrong present one is errs.InvalidLogin, and slowed down as at a login.
	ChangePassword(ctx context.Context, present, password string) error

	ListGroups(ctx context.Context, limit int, cursor string) (*Page[Group], error)
	GetGroup(ctx context.Context, idOrName string) (*Group, error)
	CreateGroup(ctx context.Context, c *GroupChange) (*Group, error)
	// UpdateGroup refuses with errs.LastAdmin what leaves nobody who is an admin.
	UpdateGroup(ctx context.Context, idOrName string, c *GroupChange) (*Group, error)
	// DeleteGroup refuses with errs.InUse while the group has users.
	DeleteGroup(ctx context.Context, idOrName string) error
}

// DownloaderChange is a new downloader, or a change of one; nil fields stay.
type DownloaderChange struct {
	Name         *string
	Node         *string // id or name
	Plugin       *string
	Enabled      *bool
	Settings     []byte // a JSON object; nil stays; secrets shown as redacted stay
	Options      []byte // a JSON object; nil stays
	PathMap      *[]PathMapping
	Seed         *SeedChange
	MaxActive    *int
	Weight       *int
	PollInterval *int
}

// DownloaderService manages downloaders and shows plugins.
type DownloaderService interface {
	List(ctx context.Context, limit int, cursor string) (*Page[DownloaderView], error)
	Get(ctx context.Context, idOrName string) (*DownloaderView, error)
	Create(ctx context.Context, c *DownloaderChange) (*DownloaderView, error)
	Update(ctx context.Context, idOrName string, c *DownloaderChange) (*DownloaderView, error)
	// Delete refuses with errs.InUse while jobs run there.
	Delete(ctx context.Context, idOrName string) error
	// Test tries out a stored downloader.
	Test(ctx context.Context, idOrName string) (*downloader.TestResult, error)
	// TestUnsaved tries out settings before they are stored.
	TestUnsaved(ctx context.Context, c *DownloaderChange) (*downloader.TestResult, error)
	Plugins(ctx context.Context) ([]PluginView, error)
	Rescan(ctx context.Context) ([]PluginView, error)
}

// StorageChange is a new storage, or a change of one; nil fields stay.
type StorageChange struct {
	Name *string
	// Kind is StorageLocal or the name of a plugin; it cannot change.
	Kind *string
	// Settings is a JSON object; nil stays; secrets shown as redacted stay. Those
	// of a StorageLocal are {"path": DIR}.
	Settings []byte
}

// StorageService manages storages.
type StorageService interface {
	ListStorages(ctx context.Context, limit int, cursor string) (*Page[StorageView], error)
	GetStorage(ctx context.Context, idOrName string) (*StorageView, error)
	CreateStorage(ctx context.Context, c *StorageChange) (*StorageView, error)
	UpdateStorage(ctx context.Context, idOrName string, c *StorageChange) (*StorageView, error)
	// DeleteStorage refuses with errs.InUse while tasks that have not ended
	// deliver there, and for the storage "local".
	DeleteStorage(ctx context.Context, idOrName string) error
	// TestStorage tries out a stored storage, TestUnsavedStorage settings.
	TestStorage(ctx context.Context, idOrName string) (*downloader.TestResult, error)
	TestUnsavedStorage(ctx context.Context, c *StorageChange) (*downloader.TestResult, error)
}

// Readiness tells whether the server can take tasks.
type Readiness interface {
	// Ready returns why not; empty means ready.
	Ready(ctx context.Context) []Waiting
}
