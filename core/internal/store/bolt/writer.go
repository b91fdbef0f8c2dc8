package bolt

import (
	"context"
	"encoding/binary"
	"fmt"
	"runtime"
	"time"

	"go.etcd.io/bbolt"

	"github.com/haul-dl/haul/core/internal/failpoint"
	"github.com/haul-dl/haul/core/internal/store"
	"github.com/haul-dl/haul/sdk/errs"
)

// Bounds of one write to the disk.
const (
	maxGroup      = 1000
	maxGroupBytes = 64 << 20
)

// slowCommit is when a write to the disk is worth a line in the log.
const slowCommit = time.Second

// fillPercent packs pages tighter than bbolt's half: most keys sort by time,
// so most pages are never inserted into again.
const fillPercent = 0.9

// request is one transaction on its way through the writer.
type request struct {
	txn    *store.Txn
	result store.TxnResult
	err    error
	done   chan struct{}
}

// Commit carries out a transaction; see store.KV.
func (db *DB) Commit(ctx context.Context, t *store.Txn) (*store.TxnResult, error) {
	if err := t.Check(); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if len(t.Then) == 0 {
		return db.compare(ctx, t)
	}
	r := &request{txn: t, done: make(chan struct{})}
	// The queue has no buffer: what is sent was begun, what is not was not.
	select {
	case db.queue <- r:
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-db.closing:
		return nil, store.ErrClosed
	}
	<-r.done
	if r.err != nil {
		return nil, r.err
	}
	return &r.result, nil
}

// compare answers a transaction that changes nothing without the writer.
func (db *DB) compare(ctx context.Context, t *store.Txn) (*store.TxnResult, error) {
	var result store.TxnResult
	err := db.view(ctx, func(tx *bbolt.Tx) error {
		result = store.TxnResult{Succeeded: holds(tx.Bucket(dataBucket), t.If), Revision: storedRevision(tx)}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &result, nil
}

// write is the writer goroutine: it takes whatever has queued up and commits
// it at once, so the groups grow with the load and nobody waits for a timer.
func (db *DB) write() {
	for {
		select {
		case first := <-db.queue:
			db.commitGroup(db.gather(first))
		case <-db.closing:
			return
		}
	}
}

func (db *DB) gather(first *request) []*request {
	group, size := []*request{first}, txnSize(first.txn)
	// Those whom the last commit has just answered get their turn to queue up.
	runtime.Gosched()
	for len(group) < maxGroup && size < maxGroupBytes {
		select {
		case r := <-db.queue:
			group, size = append(group, r), size+txnSize(r.txn)
		default:
			return group
		}
	}
	return group
}

func txnSize(t *store.Txn) int {
	size := 0
	for i := range t.Then {
		size += len(t.Then[i].Key) + len(t.Then[i].Value)
	}
	return size
}

// commitGroup answers every request of the group. A failure of the disk is
// everybody's answer, since some comparisons were made on what it has undone.
func (db *DB) commitGroup(requests []*request) {
	err := db.tryGroup(requests)
	for _, r := range requests {
		if r.err == nil {
			r.err = err
		}
		close(r.done)
	}
}

func (db *DB) tryGroup(requests []*request) (err error) {
	if broken := db.broken.Load(); broken != nil {
		return *broken
	}
	begun := time.Now()
	tx, err := db.bolt.Begin(true)
	if err != nil {
		return writeError(err)
	}
	g := newGroup(tx, db.Revision())
	for _, r := range requests {
		r.result, r.err = g.run(r.txn)
	}
	if g.err != nil || len(g.changes) == 0 {
		if err := tx.Rollback(); err != nil {
			return writeError(err)
		}
		return writeError(g.err)
	}
	if err := g.finish(); err != nil {
		return err
	}
	failpoint.Hit("store.before-commit")
	if err := db.commitTx(tx); err != nil {
		return db.commitFailed(err, g.revision)
	}
	failpoint.Hit("store.after-commit")
	db.history.add(g.revision, g.changes)
	db.revision.Store(g.revision)
	took := time.Since(begun)
	db.onCommit(took, len(requests))
	if took > slowCommit {
		db.log.Warn("the disk is slow", "took", took, "transactions", len(requests))
	}
	return nil
}

// commitFailed finds out what a failed commit has left. Usually nothing; but
// when the disk takes the last page and then fails to confirm it, the commit
// shows and may yet be lost, and the only way to know is to open the file again.
func (db *DB) commitFailed(cause error, revision int64) error {
	var found int64
	err := db.bolt.View(func(tx *bbolt.Tx) error {
		found = storedRevision(tx)
		return nil
	})
	if err == nil && found < revision {
		return writeError(cause)
	}
	broken := error(errs.Wrap(cause, errs.Unavailable, "The disk did not confirm a write to haul's database.").
		WithHint("Check the disk (the system's log says more), then restart haul."))
	db.broken.Store(&broken)
	db.log.Error("the disk did not confirm a write: the database stops here", "err", cause)
	return broken
}

// group is the transactions that share one write to the disk.
type group struct {
	tx       *bbolt.Tx
	data     *bbolt.Bucket
	before   int64 // the revision that the group begins at
	revision int64 // the revision that its changes get
	changes  []store.Change
	position map[string]int // of a key in changes
	err      error          // spoils the whole group
}

func newGroup(tx *bbolt.Tx, before int64) *group {
	data := tx.Bucket(dataBucket)
	data.FillPercent = fillPercent
	return &group{tx: tx, data: data, before: before, revision: before + 1, position: map[string]int{}}
}

// run makes one transaction. One that fails has changed nothing.
func (g *group) run(t *store.Txn) (store.TxnResult, error) {
	if !holds(g.data, t.If) {
		return store.TxnResult{Revision: g.now()}, nil
	}
	planned, err := plan(g.data, t.Then)
	if err != nil {
		return store.TxnResult{}, err
	}
	for _, p := range planned {
		g.apply(p)
	}
	return store.TxnResult{Succeeded: true, Revision: g.now()}, nil
}

// now is the revision that a transaction of the group has seen.
func (g *group) now() int64 {
	if len(g.changes) == 0 {
		return g.before
	}
	return g.revision
}

func (g *group) apply(p planned) {
	change := store.Change{Entry: store.Entry{Key: p.key, ModRevision: g.revision}, Deleted: p.deleted}
	var err error
	if p.deleted {
		err = g.data.Delete([]byte(p.key))
	} else {
		stored := encodeValue(g.revision, p.value)
		change.Value = stored[revisionSize:]
		err = g.data.Put([]byte(p.key), stored)
	}
	if err != nil && g.err == nil {
		g.err = fmt.Errorf("write %q: %w", p.key, err)
	}
	if i, ok := g.position[p.key]; ok {
		g.changes[i] = change
		return
	}
	g.position[p.key] = len(g.changes)
	g.changes = append(g.changes, change)
}

// finish notes the group's revision in the file.
func (g *group) finish() error {
	var revision [revisionSize]byte
	binary.BigEndian.PutUint64(revision[:], uint64(g.revision)) //nolint:gosec // revisions count from 1
	if err := g.tx.Bucket(metaBucket).Put(revisionKey, revision[:]); err != nil {
		_ = g.tx.Rollback() // the first error is the one that tells
		return writeError(err)
	}
	return nil
}
