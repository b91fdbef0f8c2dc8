package store

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/haul-dl/haul/sdk/errs"
)

// Bounds of Update. Most conflicts are over at the second try. Who has lost
// politeAttempts goes alone, and can lose only to what is not an Update: the
// creation of tasks, or another program at the same KV.
const (
	politeAttempts = 4
	aloneAttempts  = 16
	maxPause       = 5 * time.Millisecond
)

// The shares of Store.turns that one try takes.
const (
	together = 1
	alone    = 1 << 30
)

// Update runs fn and makes everything that it did in one transaction, or
// nothing when fn returns an error. What fn has read must not have changed
// until then; otherwise fn is run again, so it must have no other effects.
// However long fn takes and however many others change the same, it has its
// turn: after a few tries it is run while no other Update is.
//
// fn must not keep tx, use it from another goroutine, call Update, or wait for
// anything but the store.
func (s *Store) Update(ctx context.Context, fn func(tx *Tx) error) error {
	done, err := s.tryTimes(ctx, fn, politeAttempts, together)
	if done || err != nil {
		return err
	}
	done, err = s.tryTimes(ctx, fn, aloneAttempts, alone)
	if done || err != nil {
		return err
	}
	return errs.New(errs.Conflict, "Too many others changed the same things at the same time.")
}

func (s *Store) tryTimes(ctx context.Context, fn func(tx *Tx) error, times int, share int64) (done bool, err error) {
	for attempt := range times {
		if done, err = s.tryInTurn(ctx, fn, share); done || err != nil {
			return done, err
		}
		if err := pause(ctx, attempt); err != nil {
			return false, err
		}
	}
	return false, nil
}

func (s *Store) tryInTurn(ctx context.Context, fn func(tx *Tx) error, share int64) (bool, error) {
	if err := s.turns.Acquire(ctx, share); err != nil {
		return false, coded(err)
	}
	defer s.turns.Release(share)
	return s.try(ctx, fn)
}

// try reports false when something that fn has read was changed meanwhile.
func (s *Store) try(ctx context.Context, fn func(tx *Tx) error) (bool, error) {
	tx := &Tx{ctx: ctx, store: s, reads: map[string]*Entry{}, writes: map[string]*Op{}, counts: map[string]int64{}}
	failed := fn(tx)
	txn := tx.txn()
	if failed != nil {
		txn.Then = nil
	}
	// One read is always a true view; several may lie on both sides of a
	// change, and an error out of such a view means nothing.
	if len(txn.Then) == 0 && len(txn.If) <= 1 {
		return true, failed
	}
	res, err := s.commit(ctx, txn)
	if failed != nil && (err != nil || res.Succeeded) {
		return true, failed
	}
	if err != nil {
		return false, err
	}
	return res.Succeeded, nil
}

// pause waits a little, longer with each attempt, and never as long as others.
func pause(ctx context.Context, attempt int) error {
	limit := min(maxPause, 50*time.Microsecond<<attempt)
	select {
	case <-time.After(rand.N(limit)): //nolint:gosec // no secret
		return nil
	case <-ctx.Done():
		return coded(ctx.Err())
	}
}

// Tx is the view of one Update: it sees its own writes. Reads of the same
// record return the same, each time as a copy of its own.
type Tx struct {
	ctx    context.Context //nolint:containedctx // it is that of the one call of Update
	store  *Store
	reads  map[string]*Entry // nil for what is not there
	writes map[string]*Op
	order  []string // the keys of writes
	counts map[string]int64
}

// read returns the value of a key, or nil where there is none.
func (tx *Tx) read(key string) ([]byte, error) {
	if op, ok := tx.writes[key]; ok {
		return op.Value, nil // nil for a deletion
	}
	e, known := tx.reads[key]
	if !known {
		var err error
		if e, err = tx.store.get(tx.ctx, key); err != nil {
			return nil, err
		}
		tx.reads[key] = e
	}
	if e == nil {
		return nil, nil
	}
	return e.Value, nil
}

func (tx *Tx) write(op Op) {
	if _, ok := tx.writes[op.Key]; !ok {
		tx.order = append(tx.order, op.Key)
	}
	tx.writes[op.Key] = &op
}

func (tx *Tx) put(key string, value []byte) { tx.write(Op{Type: OpPut, Key: key, Value: value}) }

func (tx *Tx) remove(key string) { tx.write(Op{Type: OpDelete, Key: key}) }

// txn is everything that was read, as conditions, and everything to do.
func (tx *Tx) txn() *Txn {
	t := &Txn{If: make([]Compare, 0, len(tx.reads)), Then: make([]Op, 0, len(tx.writes)+len(tx.counts))}
	for key, e := range tx.reads {
		c := Compare{Key: key}
		if e != nil {
			c.ModRevision = e.ModRevision
		}
		t.If = append(t.If, c)
	}
	for _, key := range tx.order {
		t.Then = append(t.Then, *tx.writes[key])
	}
	for key, delta := range tx.counts {
		if delta != 0 {
			t.Then = append(t.Then, Op{Type: OpAdd, Key: key, Delta: delta})
		}
	}
	return t
}

// load returns a record with its stored form, or nils where there is none.
func (k *kind[T]) load(tx *Tx, id string) (*T, []byte, error) {
	key := k.key(id)
	stored, err := tx.read(key)
	if err != nil || stored == nil {
		return nil, nil, err
	}
	v, err := k.decode(key, stored)
	return v, stored, err
}

// in returns a record, or errs.NotFound.
func (k *kind[T]) in(tx *Tx, id string) (*T, error) {
	if !validID(id) {
		return nil, k.notFound(id)
	}
	v, _, err := k.load(tx, id)
	if err == nil && v == nil {
		err = k.notFound(id)
	}
	return v, err
}

// byUnique returns the record that has a unique key, or errs.NotFound.
func (k *kind[T]) byUnique(tx *Tx, index, name string) (*T, error) {
	if CheckKey(index+name) != nil {
		return nil, k.notFound(name)
	}
	id, err := tx.read(index + name)
	if err != nil {
		return nil, err
	}
	if id == nil {
		return nil, k.notFound(name)
	}
	return k.in(tx, string(id))
}

// put stores a record with its traces, unless nothing would change.
func (k *kind[T]) put(tx *Tx, v *T) error {
	id := k.id(v)
	if !validID(id) {
		return errs.New(errs.Internal, "%q is not an id of a %s.", id, k.name)
	}
	old, stored, err := k.load(tx, id)
	if err != nil {
		return err
	}
	encoded, err := k.encode(k.key(id), v)
	if err != nil {
		return err
	}
	if old != nil && k.unchanged(stored, encoded, old, v) {
		return nil
	}
	tx.put(k.key(id), encoded)
	return k.retrace(tx, id, k.traces(old), k.traces(v))
}

// delete removes a record and its traces. One that is damaged goes, too;
// readers pass over the index entries that it leaves.
func (k *kind[T]) delete(tx *Tx, id string) error {
	old, err := k.in(tx, id)
	if err != nil && !isDamaged(err) {
		return err
	}
	tx.remove(k.key(id))
	return k.retrace(tx, id, k.traces(old), traces{})
}

// retrace brings indexes and counters from one form of a record to another.
func (k *kind[T]) retrace(tx *Tx, id string, before, after traces) error {
	for _, key := range added(after.entries, before.entries) {
		tx.remove(key)
	}
	for _, key := range added(before.entries, after.entries) {
		tx.put(key, []byte{})
	}
	for _, key := range before.counters {
		tx.counts[key]--
	}
	for _, key := range after.counters {
		tx.counts[key]++
	}
	for _, key := range added(after.unique, before.unique) {
		tx.remove(key)
	}
	for _, key := range added(before.unique, after.unique) {
		if err := k.take(tx, key, id); err != nil {
			return err
		}
	}
	return nil
}

// take makes a unique key that of a record. One whose holder is gone is free.
func (k *kind[T]) take(tx *Tx, key, id string) error {
	holder, err := tx.read(key)
	if err != nil {
		return err
	}
	if holder != nil && string(holder) != id {
		record, err := tx.read(k.key(string(holder)))
		if err != nil {
			return err
		}
		if record != nil {
			return errs.New(errs.NameTaken, "There is another %s of the name %q.", k.name, idOf(key)).WithField("name", "is taken")
		}
	}
	tx.put(key, []byte(id))
	return nil
}
