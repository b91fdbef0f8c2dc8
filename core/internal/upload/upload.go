// Package upload delivers the files of a finished job to a storage that is no
// local folder, such as a cloud: the same two steps as in package delivery, a
// plan that is stored before it is executed, and an execution that can be
// repeated any time and sends nothing twice that has arrived.
//
// The unit is a file. Uploads never move: the job's data stays until its owner
// removes it, and it may be removed as soon as Execute has returned without an
// error, for it looks at everything once more at the end.
package upload

import (
	"context"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/delivery"
	"github.com/haul-dl/haul/sdk/errs"
	"github.com/haul-dl/haul/sdk/storage"
)

const (
	// perDelivery files of one delivery go up at once, overAll of all together.
	perDelivery = 4
	overAll     = 8
	// looksAtOnce bounds calls that move no data.
	looksAtOnce = 8
	// lossesAllowed is how often a storage may lose one file before that is an
	// error.
	lossesAllowed = 1
	// hopelessAfter failures of the storage in a row no more files are tried.
	hopelessAfter = 8
	// lookTimeout bounds a call that moves no data, stallTimeout how long a
	// storage may take nothing: some need minutes to join the parts of a file.
	lookTimeout  = time.Minute
	stallTimeout = 10 * time.Minute
)

// pauses lie between the tries of one file.
var pauses = [...]time.Duration{time.Second, 4 * time.Second}

// Uploader delivers. Its methods may be called concurrently, also for the same
// folder, but not for the same job and task.
type Uploader struct {
	log    hclog.Logger
	slots  chan struct{}
	claims *claims
}

// New makes an uploader.
func New(log hclog.Logger) *Uploader {
	return &Uploader{log: log, slots: make(chan struct{}, overAll), claims: newClaims()}
}

// target is where the files of a job go.
type target struct {
	storage.Driver
	folder string
}

// openTarget checks where a job goes. It calls nothing.
func openTarget(job delivery.Job) (target, error) {
	folder := path.Clean("./" + job.Path)
	if !filepath.IsLocal(folder) || strings.ContainsAny(folder, "\x00\\") {
		return target{}, errs.New(errs.InvalidDestination, "The destination leads out of the storage.")
	}
	return target{Driver: job.Remote, folder: folder}, nil
}

// path is that of a file of the delivery, for the driver.
func (t target) path(as string) string { return path.Join(t.folder, as) }

// find returns what has a name, or nil.
func (t target) find(ctx context.Context, name string) (*storage.Object, error) {
	bounded, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	o, err := t.Stat(bounded, name)
	switch {
	case err == nil:
		return &o, nil
	case errs.Is(err, errs.NotFound), errs.Is(err, errs.NameNotPossible):
		return nil, nil //nolint:nilnil // nothing has the name, which is no failure
	}
	return nil, storageError(ctx, err)
}

// storageError gives trouble with a storage a code, where a driver gave none.
func storageError(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case errs.Is(err, errs.Internal):
		return errs.Wrap(err, errs.StorageError, "The storage reported an error.")
	}
	return err
}

// mayPass reports whether the same call may succeed within seconds.
func mayPass(err error) bool {
	switch errs.CodeOf(err) {
	case errs.OutOfSpace, errs.StorageAuthFailed, errs.DestinationReadOnly, errs.FilesChanged, errs.Conflict:
		return false
	}
	return errs.IsRetryable(err)
}

// concernsAll reports whether an error is one of the storage, not of one file.
func concernsAll(err error) bool {
	switch errs.CodeOf(err) {
	case errs.OutOfSpace, errs.StorageAuthFailed, errs.DestinationReadOnly:
		return true
	}
	return mayPass(err)
}

// policy returns a job's, which is never empty.
func policy(job delivery.Job) core.ConflictPolicy {
	if job.OnConflict == "" {
		return core.ConflictRename
	}
	return job.OnConflict
}
