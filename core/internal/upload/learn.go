package upload

import (
	"context"
	"errors"
	"path"

	"github.com/haul-dl/haul/core/internal/delivery"
	"github.com/haul-dl/haul/sdk/errs"
)

// sent learns what came of sending a file.
func (x *execution) sent(i int, o outcome) {
	u := &x.plan.Uploads[i]
	if o.err != nil {
		x.fail(i, o.err)
		return
	}
	x.streak = 0
	u.Taken, u.Refused = o.taken, o.refused
	u.Skipped, u.Hash = o.skipped, o.hash
	u.Done = !o.taken && !o.refused
	x.saver.learnt()
}

// verify looks whether the storage still has a file, some time after it took it.
func (x *execution) verify(ctx context.Context, u delivery.Upload) outcome {
	return x.tries(ctx, func(int) outcome {
		there, err := x.find(ctx, x.path(u.As))
		if err != nil {
			return outcome{err: err}
		}
		return outcome{lost: there == nil || there.Dir || there.Size != u.Size || contradicts(there, u.Hash)}
	})
}

// looked learns what came of verifying a file.
func (x *execution) looked(i int, o outcome) {
	u := &x.plan.Uploads[i]
	switch {
	case o.err != nil:
		x.fail(i, o.err)
		return
	case !o.lost:
		x.streak = 0
		return
	}
	u.Done, u.Hash, u.Lost = false, "", u.Lost+1
	x.progress.add(-u.Size, -1)
	x.saver.learnt()
	if u.Lost > lossesAllowed {
		u.Lost = 0 // the next attempt may lose it as often again
		x.fail(i, errs.New(errs.StorageError, "The storage took %q more than once, and does not have it.", path.Base(u.Name)))
	}
}

func (x *execution) fail(i int, err error) {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) && !errs.Is(err, errs.DeadlineExceeded) {
		return // the execution ends, which is no fault of the file
	}
	x.failed[i] = err
	if concernsAll(err) {
		x.streak++
		return
	}
	x.streak = 0
}

// failure is the error of the execution: that of the first file that failed.
func (x *execution) failure() error {
	first, missing := -1, 0
	for i := range x.plan.Uploads {
		if !x.plan.Uploads[i].Done {
			missing++
		}
		if first < 0 && x.failed[i] != nil {
			first = i
		}
	}
	x.log.Debug("files were not uploaded", "task", x.job.Task, "failed", len(x.failed), "missing", missing, "err", x.failed[first])
	return about(x.failed[first], &x.plan.Uploads[first], missing, len(x.plan.Uploads))
}

// about puts the file's name before an error's message, and how many others
// have not arrived.
func about(err error, u *delivery.Upload, missing, all int) error {
	e, ok := errors.AsType[*errs.Error](err)
	if !ok {
		return err
	}
	named := *e
	named.Err = err
	named.Msg = path.Base(u.Name) + ": " + errs.MessageOf(err)
	if missing > 1 {
		named = *errs.Wrap(err, e.Code, "%d of %d files have not arrived. %s", missing, all, named.Msg)
		named.Kind, named.Hint, named.Retryable = e.Kind, e.Hint, e.Retryable
	}
	return &named
}
