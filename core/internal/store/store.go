package store

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/sync/semaphore"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/secret"
	"github.com/haul-dl/haul/sdk/errs"
)

// Options configure a Store.
type Options struct {
	// Box seals what must not be stored in clear. Required.
	Box *secret.Box
	// Logger may be nil.
	Logger hclog.Logger
	// Clock names backups; nil means time.Now.
	Clock core.Clock
}

// Store keeps haul's records in a KV, with their indexes and counters. All
// methods may be called concurrently; what they return belongs to the caller.
//
// Errors carry a code: errs.NotFound, errs.NameTaken, errs.Conflict,
// errs.InvalidCursor; errs.Canceled and errs.DeadlineExceeded when the context
// ended; errs.Internal for a damaged record; errs.OutOfSpace and
// errs.Unavailable for a failure of the machine.
//
// The keys, with the id last in each:
//
//	task/ID, task.content/ID, job/ID, user/ID, …   records
//	task.owner/OWNER/ID, task.state/STATE/ID       indexes of what is not deleted
//	task.history/TASK/NUMBER                       what happened to a task
//	task.job/JOB/ID, job.node/NODE/ID              indexes
//	task.late/ID                                   those whose files have to go
//	job.hash/NODE/DOWNLOADER/HASH                  unique index: its value is the id
//	user.name/NAME, token.hash/HASH, …             unique indexes: their value is the id
//	token.expiry/SECONDS/ID, idempotency.age/…     indexes by time, for sweeps
//	task.count/…                                   counters of what is not deleted
//	meta/…                                         schema version, check of the key file
type Store struct {
	kv    KV
	box   *secret.Box
	log   hclog.Logger
	now   core.Clock
	kinds *kinds
	// damaged has the names of kinds of which a list has left out a record.
	damaged sync.Map
	// turns lets tries of Update run together, or one alone; first come, first served.
	turns *semaphore.Weighted
}

// New opens the records of a KV: it migrates older ones (after a backup) and
// refuses newer ones, and a Box with another key, with errs.Unavailable. The
// KV stays the caller's to close.
func New(ctx context.Context, kv KV, o Options) (*Store, error) {
	return open(ctx, kv, o, migrations)
}

func open(ctx context.Context, kv KV, o Options, list []migration) (*Store, error) {
	if o.Box == nil {
		return nil, errors.New("store: Options.Box is required")
	}
	if o.Logger == nil {
		o.Logger = hclog.NewNullLogger()
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	s := &Store{kv: kv, box: o.Box, log: o.Logger, now: o.Clock, kinds: newKinds(o.Box), turns: semaphore.NewWeighted(alone)}
	if err := s.migrate(ctx, list); err != nil {
		return nil, err
	}
	if err := s.checkKey(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// keyCheck is sealed with the key that belongs to the database.
const keyCheck = "meta/key-check"

// checkKey finds out at the start whether the key file is the right one, and
// not when the first downloader cannot be used.
func (s *Store) checkKey(ctx context.Context) error {
	e, err := s.get(ctx, keyCheck)
	if err != nil {
		return err
	}
	if e == nil {
		sealed := s.box.Seal(nil, []byte(keyCheck))
		_, err := s.commit(ctx, &Txn{If: []Compare{{Key: keyCheck}}, Then: []Op{{Type: OpPut, Key: keyCheck, Value: sealed}}})
		return err
	}
	if _, err := s.box.Open(e.Value, []byte(keyCheck)); err != nil {
		return errs.Wrap(err, errs.Unavailable, "The key file does not belong to this database.").
			WithHint("Restore the key file (secret.key in the data directory) that was saved together with the database.")
	}
	return nil
}

// The calls of the KV, with errors that have codes.

func (s *Store) get(ctx context.Context, key string) (*Entry, error) {
	e, err := s.kv.Get(ctx, key)
	return e, coded(err)
}

func (s *Store) scan(ctx context.Context, r RangeRequest) (*RangeResult, error) {
	res, err := s.kv.Range(ctx, r)
	return res, coded(err)
}

func (s *Store) commit(ctx context.Context, t *Txn) (*TxnResult, error) {
	res, err := s.kv.Commit(ctx, t)
	return res, coded(err)
}

func coded(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.Canceled):
		return errs.Wrap(err, errs.Canceled, "The request was canceled.")
	case errors.Is(err, context.DeadlineExceeded):
		return errs.Wrap(err, errs.DeadlineExceeded, "The database did not answer in time.")
	case errors.Is(err, ErrClosed):
		return errs.Wrap(err, errs.Unavailable, "haul is shutting down.")
	}
	return err
}
