package worker

import (
	"context"
	"errors"
	"syscall"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/sdk/errs"
)

// maxTries is how often a step is tried when the trouble is the job's own and
// may pass.
const maxTries = 5

// scope tells whose trouble an error is.
type scope int

const (
	scopeJob        scope = iota // the job's: it fails
	scopeRetry                   // the job's, but it may pass
	scopeDownloader              // everybody's at the downloader: it backs off as a whole
	scopeNode                    // the machine's: wait as long as it takes
	scopeGivenUp                 // the call was given up by the node
)

var downloaderCodes = map[errs.Code]bool{
	errs.DownloaderUnreachable: true, errs.DownloaderAuthFailed: true, errs.DownloaderTLS: true,
	errs.NotADownloader:   true,
	errs.DownloaderTooOld: true, errs.DownloaderDisabled: true, errs.InvalidSettings: true,
	errs.PluginMissing: true, errs.PluginCrashed: true, errs.PluginHung: true, errs.PluginUntrusted: true,
	errs.PluginIncompatible: true, errs.PluginStarting: true,
	errs.Unavailable: true, errs.DeadlineExceeded: true,
}

// scopeOf sorts an error of a driver.
func scopeOf(err error) scope {
	switch {
	case errors.Is(err, context.Canceled), errs.Is(err, errs.Canceled):
		return scopeGivenUp
	case errors.Is(err, context.DeadlineExceeded), downloaderCodes[errs.CodeOf(err)]:
		return scopeDownloader
	case errs.IsRetryable(err):
		return scopeRetry
	}
	return scopeJob
}

// waitingFor describes err to those who wait.
func waitingFor(err error) *core.Waiting {
	return &core.Waiting{Code: errs.CodeOf(err), Message: errs.MessageOf(err)}
}

// nodeError is trouble of this machine, which waiting may cure.
type nodeError struct{ error }

func (e nodeError) Unwrap() error { return e.error }

func isNodeError(err error) bool {
	_, ok := errors.AsType[nodeError](err)
	return ok
}

func isFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// journalTrouble describes a commit that failed.
func journalTrouble(err error) error {
	if isFull(err) || errs.Is(err, errs.OutOfSpace) {
		return errs.Wrap(err, errs.OutOfSpace, "The node's disk is full: its journal cannot be written.")
	}
	return errs.Wrap(err, errs.Unavailable, "The node's journal cannot be written.")
}

func errNoJob(id core.JobID) error { return errs.New(errs.NotFound, "The node has no job %q.", id) }
