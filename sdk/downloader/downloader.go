// Package downloader is the contract between haul and a downloader backend.
//
// A plugin describes itself, is configured once per process, and then adds,
// checks and removes jobs: see Plugin and Driver. Whatever else it can do it
// offers by implementing one of the small optional interfaces and by declaring
// the matching Capability. The same interfaces are implemented by the host's
// client of a plugin process, so a caller cannot tell which it holds.
package downloader

import "context"

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
	// AddRequest.Dir exists and is empty at the first call, and no two jobs have
	// the same; the driver makes the daemon write everything of the job below
	// it. A torrent that the daemon has in Dir already is this job's; one that
	// it has elsewhere is not, and answers errs.InUse.
	//
	// Errors: errs.SourceNotSupported, errs.InvalidSource, errs.InvalidOptions,
	// errs.InUse, and those of the type.
	Add(ctx context.Context, req AddRequest) (Ref, error)

	// Check reports on every job of refs, in any order, in at most a few calls
	// to the daemon whatever their number. A job that the daemon does not have
	// is reported with PhaseGone, not as an error. It is called about once a
	// second while jobs are active.
	Check(ctx context.Context, refs []Ref) ([]Status, error)

	// Remove makes the daemon forget a job. With deleteData the daemon also
	// deletes the job's files where it can, but never what is outside of the
	// job's directory, such as data that somebody moved at the daemon; the host
	// removes the job's directory in any case. Removing what is gone succeeds.
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
	// result; an error means that the test itself could not be made. The host
	// then proves the shared folder by itself, with a small job.
	Test(ctx context.Context) (TestResult, error)
}

// Pauser is a Driver that can stop a job for a while.
type Pauser interface {
	// Pause stops a job, which then reports PhasePaused. Repeating it, and
	// pausing what is complete, succeeds.
	//
	// Errors: errs.JobNotFound, and those of Driver.
	Pause(ctx context.Context, ref Ref) error

	// Resume lets a job go on, also one that somebody stopped at the daemon.
	// Repeating it succeeds.
	//
	// Errors: errs.JobNotFound, and those of Driver.
	Resume(ctx context.Context, ref Ref) error
}

// FileSelector is a Driver that can load some files of a torrent alone.
type FileSelector interface {
	// SelectFiles makes the files of these indexes, and no others, wanted. It
	// works while the job runs and while it is paused, and leaves that as it
	// is; repeating it succeeds. files is neither empty nor has it duplicates.
	// A job that is complete or seeds goes on when more is wanted; where the
	// daemon cannot do that the driver removes the job and keeps its data, so that
	// haul adds it again.
	//
	// Errors: errs.JobNotFound, errs.MetadataMissing while the list of files is
	// not known yet, errs.InvalidRequest for an index that the torrent does not
	// have, and those of Driver.
	SelectFiles(ctx context.Context, ref Ref, files []int) error
}

// Limiter is a Driver that can limit a job while it runs.
type Limiter interface {
	// SetLimits replaces all limits of a job.
	//
	// Errors: errs.JobNotFound, and those of Driver.
	SetLimits(ctx context.Context, ref Ref, limits Limits) error
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
