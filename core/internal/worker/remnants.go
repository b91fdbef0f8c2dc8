package worker

import (
	"context"
	"time"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/delivery"
	"github.com/haul-dl/haul/sdk/errs"
)

const (
	// remnantsFor is how long the node tries to remove one.
	remnantsFor = 7 * 24 * time.Hour
	// remnantsAtOnce bounds how many are removed at the same time.
	remnantsAtOnce = 4
)

// remnant is what a delivery that will not be finished has left at a storage,
// other than a local folder, that could not be reached when it was to be taken
// back. Only parts of files go, that no name shows: whole files may be wanted.
type remnant struct {
	ID     string        `json:"id"`
	Target target        `json:"target"`
	Plan   delivery.Plan `json:"plan"`
	// Age runs since it was noted.
	Age stopwatch `json:"age"`

	retry retry
	busy  bool
}

// remnantGuard removes them when their storages are back.
type remnantGuard struct {
	known map[string]*remnant
	busy  int
	// lookAt is when the next one may be due; zero is now.
	lookAt time.Time
}

// remnantDone says what came of removing one.
type remnantDone struct {
	id  string
	err error
}

func newRemnant(d *deliveryRecord) *remnant {
	return &remnant{ID: string(core.NewID[core.TaskID]()), Target: d.Target, Plan: *d.Plan}
}

// isRemote reports whether a storage is known, and no local folder.
func (n *Node) isRemote(id core.StorageID) bool {
	k := n.storages[id]
	return k != nil && !k.removed && !k.isLocal()
}

// noteRemnant notes what has to be removed later. It is stored with what else this
// turn changes.
func (n *Node) noteRemnant(r *remnant) {
	r.Age.start(time.Now(), n.wall())
	n.remnants.known[r.ID] = r
	n.remnants.lookAt = time.Time{}
	n.put(keyRemnant+r.ID, r)
}

func (n *Node) forgetRemnant(r *remnant) {
	delete(n.remnants.known, r.ID)
	n.pending.delete(keyRemnant + r.ID)
}

func (n *Node) loadRemnants(ctx context.Context) error {
	now, wall := time.Now(), n.wall()
	return n.journal.each(ctx, keyRemnant, func(id string, value []byte) error {
		r := &remnant{}
		if err := decode(value, r); err != nil || r.ID != id {
			n.unreadable[keyRemnant+id] = true
			n.log.Error("a record of the journal cannot be read", "record", keyRemnant+id, "err", err)
			return nil
		}
		r.Age.takeUp(now, wall)
		n.remnants.known[id] = r
		return nil
	})
}

// rebaseRemnants brings the journal in line with a wall clock that was set anew.
func (n *Node) rebaseRemnants(now, wall time.Time) {
	for id, r := range n.remnants.known {
		if r.Age.rebase(now, wall) {
			n.put(keyRemnant+id, r)
		}
	}
}

// retryRemnants tries those of a storage at once.
func (n *Node) retryRemnants(id core.StorageID) {
	for _, r := range n.remnants.known {
		if r.Target.Storage == id {
			r.retry = retry{}
		}
	}
	n.remnants.lookAt = time.Time{}
}

// guardRemnants removes those that are due.
func (n *Node) guardRemnants(now time.Time) {
	g := &n.remnants
	if len(g.known) == 0 {
		return
	}
	if now.Before(g.lookAt) {
		n.wakeAt(g.lookAt)
		return
	}
	g.lookAt = now.Add(lastHeldPause)
	for _, r := range g.known {
		k := n.storages[r.Target.Storage]
		switch {
		case r.busy:
		case r.Age.elapsed(now) >= remnantsFor:
			n.log.Warn("parts of a delivery stay", "storage", r.Target.Storage)
			n.forgetRemnant(r)
		case k == nil && n.unreadable[keyStorage+string(r.Target.Storage)]:
		case k == nil || k.removed, k.isLocal():
			n.forgetRemnant(r)
		case r.retry.at.After(now):
			g.lookAt = earlier(g.lookAt, r.retry.at)
		case k.running() && g.busy < remnantsAtOnce:
			n.removeRemnant(k, r)
		}
	}
	n.wakeAt(g.lookAt)
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func (n *Node) removeRemnant(k *depot, r *remnant) {
	r.busy = true
	n.remnants.busy++
	id, plan := r.ID, r.Plan
	job := delivery.Job{Task: core.TaskID(id), Remote: k.inst.Driver(), Storage: r.Target.Storage, Path: r.Target.Path}
	n.steps.Go(func() { n.post(remnantDone{id, n.uploader.Discard(job, plan)}) })
}

func (n *Node) onRemnantDone(e remnantDone) {
	g := &n.remnants
	g.busy--
	g.lookAt = time.Time{}
	r := g.known[e.id]
	if r == nil {
		return
	}
	r.busy = false
	switch {
	case e.err == nil:
		n.forgetRemnant(r)
	case isStorageDown(e.err), errs.IsRetryable(e.err):
		r.retry.failedUpTo(time.Now(), lastHeldPause)
	default:
		n.log.Warn("parts of a delivery stay", "storage", r.Target.Storage, "code", errs.CodeOf(e.err))
		n.forgetRemnant(r)
	}
}

// isStorageDown reports whether an error concerns a storage as a whole, and may
// pass.
func isStorageDown(err error) bool {
	return errs.Is(err, errs.StorageUnreachable) || errs.Is(err, errs.StorageAuthFailed) || scopeOf(err) == scopeDownloader
}
