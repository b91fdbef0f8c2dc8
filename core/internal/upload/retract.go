package upload

import (
	"context"
	"errors"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/haul-dl/haul/core/internal/delivery"
	"github.com/haul-dl/haul/sdk/errs"
)

// discardTimeout bounds Discard, whose caller has no deadline.
const discardTimeout = time.Minute

// Retract removes what an unfinished plan has put, where it still is what was
// put, and then the folders that it made and that are empty. The job's data stays.
// Errors are those of the storage; what could be removed is.
func (u *Uploader) Retract(ctx context.Context, job delivery.Job, p delivery.Plan) error {
	if !p.Begun {
		return nil
	}
	x, err := u.begin(job, p, delivery.Hooks{})
	if err != nil {
		return err
	}
	if x.source, err = os.OpenRoot(job.Source); err == nil {
		defer x.source.Close()
	}
	if err = x.collect(ctx, x.retractFile); err != nil && concernsAll(err) {
		return err
	}
	return errors.Join(err, x.removeFolders(ctx))
}

// Discard removes what files that have not arrived may have left at the storage,
// and that no name shows; it removes nothing else.
func (u *Uploader) Discard(job delivery.Job, p delivery.Plan) error {
	if !p.Begun {
		return nil
	}
	x, err := u.begin(job, p, delivery.Hooks{})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), discardTimeout)
	defer cancel()
	return x.collect(ctx, func(ctx context.Context, up *delivery.Upload) error {
		if up.Done {
			return nil
		}
		release, err := x.claims.claimBack(ctx, x.job.Storage, x.path(up.As), x.job.Task)
		if release == nil {
			return err
		}
		defer release()
		there, err := x.find(ctx, x.path(up.As))
		if err != nil || there != nil {
			return err
		}
		return x.remove(ctx, up.As)
	})
}

// collect calls fn for all files, a few at once, and goes on after an error
// unless it is one of the storage.
func (x *execution) collect(ctx context.Context, fn func(context.Context, *delivery.Upload) error) error {
	var mu sync.Mutex // guards first
	var first error
	err := each(ctx, len(x.plan.Uploads), func(ctx context.Context, i int) error {
		err := fn(ctx, &x.plan.Uploads[i])
		if err == nil || concernsAll(err) {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		if first == nil {
			first = err
		}
		return nil
	})
	if err != nil {
		return err
	}
	return first
}

// retractFile removes one file, and what a Put left that was cut off.
func (x *execution) retractFile(ctx context.Context, u *delivery.Upload) error {
	if u.Skipped || u.Taken || u.Refused {
		return nil // what has that name is not ours
	}
	release, err := x.claims.claimBack(ctx, x.job.Storage, x.path(u.As), x.job.Task)
	if release == nil {
		return err
	}
	defer release()
	there, err := x.find(ctx, x.path(u.As))
	if err != nil {
		return err
	}
	switch {
	case there == nil && u.Done:
		return nil
	case there == nil:
	case u.Done && (x.claims.isAnothers(x.job.Storage, x.path(u.As), x.job.Task) || there.Dir || there.Size != u.Size || contradicts(there, u.Hash)):
		return nil // somebody has replaced it
	case !u.Done:
		_, ours, err := x.ours(u, there)
		if err != nil || !ours {
			return nil // what cannot be recognised stays
		}
	}
	return x.remove(ctx, u.As)
}

func (x *execution) remove(ctx context.Context, as string) error {
	bounded, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	err := x.Remove(bounded, x.path(as))
	if err == nil || errs.Is(err, errs.NotFound) || errs.Is(err, errs.NameNotPossible) {
		x.claims.isGone(x.job.Storage, x.path(as))
		return nil
	}
	return storageError(ctx, err)
}

// removeFolders removes the folders that nothing had the names of before, the
// deepest first, where they are empty.
func (x *execution) removeFolders(ctx context.Context) error {
	folders := map[string]bool{}
	for i := range x.plan.Uploads {
		u := &x.plan.Uploads[i]
		if top, _, _ := strings.Cut(u.Name, "/"); !x.fresh[top] || u.Skipped {
			continue
		}
		for dir := path.Dir(u.As); dir != "." && !folders[dir]; dir = path.Dir(dir) {
			folders[dir] = true
		}
	}
	sorted := make([]string, 0, len(folders))
	for dir := range folders {
		sorted = append(sorted, dir)
	}
	slices.SortFunc(sorted, func(a, b string) int { return strings.Count(b, "/") - strings.Count(a, "/") })
	for _, dir := range sorted {
		if err := x.remove(ctx, dir); err != nil && !errs.Is(err, errs.InUse) {
			return err
		}
	}
	return nil
}
