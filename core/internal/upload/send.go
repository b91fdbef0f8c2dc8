package upload

import (
	"context"
	"errors"
	"io"
	"path"
	"strings"
	"time"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/delivery"
	"github.com/haul-dl/haul/core/internal/failpoint"
	"github.com/haul-dl/haul/sdk/errs"
	"github.com/haul-dl/haul/sdk/storage"
)

// modTimeSlack is how exactly storages keep the time of a file.
const modTimeSlack = 2 * time.Second

// outcome is what came of one file.
type outcome struct {
	// hash is what the storage tells, "" where nothing.
	hash string
	// skipped, taken and refused are those of delivery.Upload.
	skipped, taken, refused bool
	// lost reports that the storage does not have what it took.
	lost bool
	err  error
}

// send brings one file to the storage, in several tries where that may help, once
// no other delivery sends one of the same name.
func (x *execution) send(ctx context.Context, u delivery.Upload) outcome {
	x.progress.turn(0, 1)
	release, err := x.claims.claim(ctx, x.job.Storage, x.path(u.As), x.job.Task)
	x.progress.turn(0, -1)
	if err != nil {
		return outcome{err: err}
	}
	defer release()
	// Who had the name before may be gone: then an answer that is lost is our own.
	look := x.resumed || u.Lost > 0 || x.claims.isAnothers(x.job.Storage, x.path(u.As), x.job.Task)
	o := x.tries(ctx, func(try int) outcome { return x.sendOnce(ctx, &u, look || try > 0) })
	if o.err == nil && !o.skipped && !o.taken && !o.refused {
		x.claims.wasPut(x.job.Storage, x.path(u.As), x.job.Task)
	}
	return o
}

// tries calls fn with a slot until its outcome is final.
func (x *execution) tries(ctx context.Context, fn func(try int) outcome) (o outcome) {
	for try := 0; ; try++ {
		if err := x.acquire(ctx); err != nil {
			return outcome{err: err}
		}
		o = fn(try)
		x.release()
		if try == len(pauses) || !o.lost && !mayPass(o.err) || ctx.Err() != nil {
			return o
		}
		select {
		case <-time.After(pauses[try]):
		case <-ctx.Done():
			return outcome{err: ctx.Err()}
		}
	}
}

func (x *execution) acquire(ctx context.Context) error {
	x.progress.turn(0, 1)
	select {
	case x.slots <- struct{}{}:
		x.progress.turn(1, -1)
		return nil
	case <-ctx.Done():
		x.progress.turn(0, -1)
		return ctx.Err()
	}
}

func (x *execution) release() {
	<-x.slots
	x.progress.turn(-1, 0)
}

// sendOnce is one try. Where look is set an earlier one may have succeeded.
func (x *execution) sendOnce(ctx context.Context, u *delivery.Upload, look bool) outcome {
	if look {
		if o, done := x.settled(ctx, u); done {
			return o
		}
	}
	c, err := openContent(x.source, u, algorithm(x.tells.Load()))
	if err != nil {
		return outcome{err: err}
	}
	m := &meter{all: &x.progress, size: u.Size}
	obj, err := x.put(ctx, u, c, m)
	whole, sourceErr := c.end()
	var o outcome
	switch {
	case sourceErr != nil:
		o.err = sourceErr
	case err != nil:
		o = x.refusal(ctx, u, err)
	case !whole || obj.Size != u.Size:
		o.err = errs.New(errs.StorageError, "The storage took only a part of %q.", path.Base(u.Name))
	default:
		o = x.compared(ctx, u, &obj, c.sums)
	}
	m.end(o.err == nil && !o.taken && !o.refused && !o.skipped)
	return o
}

// put streams a file for as long as the storage takes anything.
func (x *execution) put(ctx context.Context, u *delivery.Upload, c *content, m *meter) (storage.Object, error) {
	watched, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stalled := errs.New(errs.StorageUnreachable, "The storage has taken nothing for %s.", stallTimeout)
	stall := time.AfterFunc(stallTimeout, func() { cancel(stalled) })
	defer stall.Stop()
	moves := func() { stall.Reset(stallTimeout) }
	c.moves = moves
	failpoint.Hit("upload.before-put")
	obj, err := x.Put(watched, storage.PutRequest{
		Path: x.path(u.As), Size: u.Size, ModTime: c.info.ModTime(), Content: c,
		Overwrite: policy(x.job) == core.ConflictOverwrite,
		Progress:  func(done int64) { moves(); m.set(done) },
	})
	failpoint.Hit("upload.after-put")
	if err != nil && errors.Is(context.Cause(watched), stalled) {
		err = stalled
	}
	return obj, err
}

// refusal says what an error of a Put means.
func (x *execution) refusal(ctx context.Context, u *delivery.Upload, err error) outcome {
	switch {
	case errs.Is(err, errs.DestinationExists):
		return x.conflict(u)
	case errs.Is(err, errs.NameNotPossible) && policy(x.job) == core.ConflictRename && mendable(u, x.plan.Entries):
		return outcome{refused: true}
	}
	return outcome{err: storageError(ctx, err)}
}

// compared checks what a storage says that it has stored.
func (x *execution) compared(ctx context.Context, u *delivery.Upload, obj *storage.Object, s *sums) outcome {
	hash, same := s.compare(obj)
	if same {
		x.tells.Store(int64(strongest(obj)))
		return outcome{hash: hash}
	}
	err := errs.New(errs.StorageError, "The storage has other bytes than those of %q that it was given.", path.Base(u.Name))
	return outcome{err: errors.Join(err, x.remove(ctx, u.As))}
}

// settled looks whether there is anything to send.
func (x *execution) settled(ctx context.Context, u *delivery.Upload) (o outcome, done bool) {
	there, err := x.find(ctx, x.path(u.As))
	if err != nil {
		return outcome{err: err}, true
	}
	if there == nil {
		x.claims.isGone(x.job.Storage, x.path(u.As))
		return outcome{}, false
	}
	hash, ours, err := x.ours(u, there)
	switch {
	case err != nil:
		return outcome{err: err}, true
	case ours:
		x.progress.add(u.Size, 1)
		return outcome{hash: hash}, true
	case policy(x.job) == core.ConflictOverwrite && !there.Dir:
		return outcome{}, false
	}
	return x.conflict(u), true
}

// conflict does with a name that is taken what the owner wants.
func (x *execution) conflict(u *delivery.Upload) outcome {
	switch policy(x.job) {
	case core.ConflictRename:
		return outcome{taken: true}
	case core.ConflictSkip:
		return outcome{skipped: true}
	case core.ConflictFail, core.ConflictOverwrite:
	}
	return outcome{err: errExists(u.As)}
}

// ours reports whether an object is the file, put by a try whose answer was
// lost: by its hash, else by its time, else by its size where nothing had the
// name before.
func (x *execution) ours(u *delivery.Upload, there *storage.Object) (hash string, ours bool, err error) {
	want := x.path(u.As)
	if there.Path != want && strings.EqualFold(there.Path, want) {
		return "", false, nil // that is "a", and this is "A", at a storage that has one of them
	}
	if x.claims.isAnothers(x.job.Storage, want, x.job.Task) {
		return "", false, nil
	}
	if x.source == nil || there.Dir || there.Size != u.Size || contradicts(there, u.Hash) {
		return "", false, nil
	}
	by := strongest(there)
	c, err := openContent(x.source, u, by)
	if err != nil {
		return "", false, err
	}
	if by != noAlgorithm {
		_, err = io.Copy(io.Discard, c)
	}
	if _, sourceErr := c.end(); sourceErr != nil || err != nil {
		return "", false, errors.Join(sourceErr, err)
	}
	if by != noAlgorithm {
		hash, ours = c.sums.compare(there)
		return hash, ours, nil
	}
	if d := there.ModTime.Sub(c.info.ModTime()).Abs(); d <= modTimeSlack {
		return "", true, nil
	}
	top, _, _ := strings.Cut(u.Name, "/")
	return "", x.fresh[top], nil
}

// freshNames are the top-level names in the job's directory under whose names
// at the destination there was nothing.
func freshNames(p delivery.Plan) map[string]bool {
	fresh := make(map[string]bool, len(p.Entries))
	for _, e := range p.Entries {
		fresh[e.Name] = e.Claimed
	}
	return fresh
}
