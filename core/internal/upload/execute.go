package upload

import (
	"context"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/delivery"
	"github.com/haul-dl/haul/sdk/errs"
)

// Execute carries out a plan that is stored. What has arrived is not sent again.
// A file that fails does not keep the others; it is tried three times where the
// error may pass. It returns without an error when the storage has shown every
// file once more after the last was sent.
//
// Errors: delivery.ErrReplan, errs.FilesChanged, errs.FilesMissing,
// errs.UnsafeFile, errs.DestinationExists, errs.NotDelivered where Job.Only left
// files out, those of the storage, those of Hooks.Save, and ctx's.
func (u *Uploader) Execute(ctx context.Context, job delivery.Job, p delivery.Plan, hooks delivery.Hooks) (delivery.Result, error) {
	x, err := u.begin(job, p, hooks)
	if err != nil {
		return delivery.Result{}, err
	}
	if x.source, err = os.OpenRoot(job.Source); err != nil {
		return delivery.Result{}, delivery.SourceError(err)
	}
	defer x.source.Close()
	err = x.run(ctx)
	return x.result(), err
}

// execution is one call of Execute. Its goroutine alone changes the plan; the
// others have a copy of one upload each.
type execution struct {
	*Uploader
	target
	job delivery.Job
	// source is the job's directory; nil where it is gone.
	source *os.Root
	plan   delivery.Plan
	hooks  delivery.Hooks
	// fresh are the top-level names, in the job's directory, that nothing had
	// when the plan was made.
	fresh map[string]bool
	// only is Job.Only.
	only map[int]bool
	// resumed reports that files may be at the storage that are not Done.
	resumed  bool
	progress progress
	// tells is the algorithm by which the storage told the hash of a file.
	tells atomic.Int64
	// failed are the errors by place in the plan, streak counts those of the
	// storage since something succeeded.
	failed map[int]error
	streak int
	saver  saver
}

func (u *Uploader) begin(job delivery.Job, p delivery.Plan, hooks delivery.Hooks) (*execution, error) {
	to, err := openTarget(job)
	if err != nil {
		return nil, err
	}
	p.Uploads = slices.Clone(p.Uploads)
	x := &execution{
		Uploader: u, target: to, job: job, plan: p, hooks: hooks,
		fresh: freshNames(p), only: map[int]bool{}, resumed: p.Begun, progress: progress{hooks: hooks},
		failed: map[int]error{}, saver: newSaver(len(p.Uploads)),
	}
	for _, i := range job.Only {
		x.only[i] = true
	}
	x.tells.Store(int64(anyAlgorithm))
	return x, nil
}

func (x *execution) run(ctx context.Context) error {
	if !x.plan.Begun {
		x.plan.Begun = true
		if err := x.save(ctx); err != nil {
			return err
		}
	}
	for _, u := range x.plan.Uploads {
		if u.Done && !u.Skipped {
			x.progress.add(u.Size, 1)
		}
	}
	err := x.sendAndVerify(ctx)
	if ctx.Err() != nil {
		// What is known to have arrived is worth a moment of whoever stops us.
		late, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		ctx = late
	}
	if x.saver.dirty {
		if saveErr := x.save(ctx); err == nil {
			err = saveErr
		}
	}
	return err
}

// sendAndVerify sends what is not there, looks at everything, and begins anew
// with what the storage has lost.
func (x *execution) sendAndVerify(ctx context.Context) error {
	var verified map[int]bool
	for {
		todo := x.places(func(_ int, u *delivery.Upload) bool {
			return !u.Done && !u.Taken && !u.Refused && x.wanted(u.Index)
		})
		if err := x.each(ctx, todo, x.send, x.sent); err != nil {
			return err
		}
		if err := x.verdict(); err != nil {
			return err
		}
		if verified == nil {
			verified = make(map[int]bool, len(x.plan.Uploads))
		}
		todo = x.places(func(i int, u *delivery.Upload) bool { return u.Done && !u.Skipped && !verified[i] })
		if len(todo) == 0 {
			return nil
		}
		err := x.each(ctx, todo, x.verify, func(i int, o outcome) {
			verified[i] = o.err == nil && !o.lost
			x.looked(i, o)
		})
		if err != nil {
			return err
		}
		if len(x.failed) > 0 {
			return x.failure()
		}
	}
}

// verdict says whether all files have arrived.
func (x *execution) verdict() error {
	if len(x.failed) > 0 {
		return x.failure()
	}
	missing := 0
	for _, u := range x.plan.Uploads {
		if u.Taken || u.Refused {
			return delivery.ErrReplan
		}
		if !u.Done {
			missing++
		}
	}
	if missing > 0 {
		return errs.New(errs.NotDelivered, "%d files were not among those to try again.", missing)
	}
	return nil
}

// each runs fn for some of the files, a few at once, and learn with each outcome
// in this goroutine. It returns an error that ends the execution.
func (x *execution) each(ctx context.Context, todo []int, fn func(context.Context, delivery.Upload) outcome, learn func(int, outcome)) error {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	type ended struct {
		place int
		outcome
	}
	results := make(chan ended, perDelivery)
	ticker := time.NewTicker(saveEvery)
	defer ticker.Stop()
	for running := 0; ; {
		for ; running < perDelivery && len(todo) > 0 && x.streak < hopelessAfter && ctx.Err() == nil; running++ {
			i, u := todo[0], x.plan.Uploads[todo[0]]
			todo = todo[1:]
			wg.Go(func() { results <- ended{i, fn(ctx, u)} })
		}
		if running == 0 {
			return ctx.Err()
		}
		select {
		case e := <-results:
			running--
			learn(e.place, e.outcome)
		case <-ticker.C:
		}
		if x.saver.due() && ctx.Err() == nil {
			if err := x.save(ctx); err != nil {
				return err
			}
		}
	}
}

// wanted reports whether an attempt is for a file.
func (x *execution) wanted(index int) bool {
	return len(x.only) == 0 || x.only[index]
}

// places lists some of the files by their place in the plan.
func (x *execution) places(some func(int, *delivery.Upload) bool) []int {
	var out []int
	for i := range x.plan.Uploads {
		if some(i, &x.plan.Uploads[i]) {
			out = append(out, i)
		}
	}
	return out
}

// result lists what has arrived and what failed.
func (x *execution) result() delivery.Result {
	r := delivery.Result{Method: delivery.MethodUpload}
	for i, u := range x.plan.Uploads {
		if u.Done {
			r.Files = append(r.Files, core.DeliveredFile{Index: u.Index, Path: u.As, Size: u.Size, Skipped: u.Skipped})
		}
		if err := x.failed[i]; err != nil {
			r.Failed = append(r.Failed, delivery.FileError{Index: u.Index, Err: err})
		}
	}
	return r
}
