package upload

import (
	"context"
	"slices"
	"time"
)

const (
	// saveEvery and saveBatch bound how much has to be looked at again after a crash.
	saveEvery = time.Second
	saveBatch = 100
	// largePlan is how many files may be journaled at that pace; a plan that is
	// larger is journaled the less often, or writing it would take longer than
	// the uploads.
	largePlan = 2000
)

// saver says when to store a plan.
type saver struct {
	every time.Duration
	batch int
	// dirty reports that the plan has learnt something since last, count what.
	dirty bool
	count int
	last  time.Time
}

func newSaver(files int) saver {
	slower := 1 + files/largePlan
	return saver{every: time.Duration(slower) * saveEvery, batch: slower * saveBatch, last: time.Now()}
}

func (s *saver) learnt() { s.dirty, s.count = true, s.count+1 }

func (s *saver) due() bool {
	return s.dirty && (s.count >= s.batch || time.Since(s.last) >= s.every)
}

// save stores the plan.
func (x *execution) save(ctx context.Context) error {
	p := x.plan
	p.Entries, p.Uploads = slices.Clone(p.Entries), slices.Clone(p.Uploads)
	if err := x.hooks.Save(ctx, p); err != nil {
		return err
	}
	x.saver.dirty, x.saver.count, x.saver.last = false, 0, time.Now()
	return nil
}
