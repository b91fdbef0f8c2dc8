// Package store keeps haul's records: typed stores over a small ordered
// key-value interface of etcd's shape. Engines implement KV; store/bolt is the
// default one.
package store

import (
	"context"
	"errors"
)

// Errors of a KV, beside ErrInvalid and those of a context. Everything else is
// a failure of the machine, with a code of package errs: errs.OutOfSpace for a
// full disk, else errs.Unavailable.
var (
	// ErrCompacted says that the revisions which a watch asked for are not kept any more.
	ErrCompacted = errors.New("store: revision is not kept any more")
	// ErrClosed says that the KV was closed.
	ErrClosed = errors.New("store: closed")
)

// Limits of a KV, which every engine enforces.
const (
	// MaxKeySize is in bytes.
	MaxKeySize = 4 << 10
	// MaxValueSize is in bytes.
	MaxValueSize = 32 << 20
	// MaxRange is the number of entries that one Range returns at most.
	MaxRange = 1000
)

// KV is an ordered map with transactions. Keys are ordered as bytes. All
// methods may be called concurrently; what they return belongs to the caller.
type KV interface {
	// Get returns the entry of a key, or nil where there is none.
	Get(ctx context.Context, key string) (*Entry, error)

	// Range returns a part of the entries whose keys have a prefix, as of one
	// revision.
	Range(ctx context.Context, r RangeRequest) (*RangeResult, error)

	// Commit carries out a transaction: if every comparison holds, all
	// operations are made, atomically, and are on disk when it returns.
	// Otherwise nothing is changed and Succeeded is false. Transactions of
	// concurrent callers may share one write to the disk and one revision.
	// When ctx ends before the transaction was begun, it is not made; once it
	// was begun, Commit waits for its true end. A failure of the machine leaves
	// nothing of it.
	Commit(ctx context.Context, t *Txn) (*TxnResult, error)

	// Watch returns the changes of keys with a prefix since revision from,
	// exclusively: Revision() of a moment before a Range, or the Range's own
	// revision, misses nothing. It fails with ErrCompacted when the engine does
	// not keep changes that old, or has never come as far as from.
	Watch(ctx context.Context, prefix string, from int64) (Watch, error)

	// Revision is that of the last commit. It grows by one with each commit to
	// the disk and survives restarts.
	Revision() int64

	// Close waits for what is under way and ends all watches. What is called
	// later fails with ErrClosed.
	Close() error
}

// Entry is a key with its value.
type Entry struct {
	Key   string
	Value []byte
	// ModRevision is the revision of the last change.
	ModRevision int64
}

// RangeRequest selects entries.
type RangeRequest struct {
	// Prefix is that of all wanted keys.
	Prefix string
	// After continues behind (with Reverse: before) a key; empty starts at the end.
	After string
	// Limit is 1 to MaxRange; 0 means MaxRange. Fewer entries are returned
	// where their values are large: see RangeResult.More.
	Limit int
	// Reverse gives the greatest key first.
	Reverse bool
	// KeysOnly leaves the values out.
	KeysOnly bool
}

// RangeResult is a part of the entries.
type RangeResult struct {
	Entries []Entry
	// More reports that there are entries behind the last one.
	More bool
	// Revision is that which the entries were read at.
	Revision int64
}

// Txn is a list of conditions, and what to do if all of them hold.
type Txn struct {
	If   []Compare
	Then []Op
}

// Compare is one condition: the key was last changed at ModRevision, or, with
// zero, does not exist.
type Compare struct {
	Key         string
	ModRevision int64
}

// Op is one change.
type Op struct {
	Type OpType
	Key  string
	// Value is for OpPut.
	Value []byte
	// Delta is for OpAdd.
	Delta int64
}

// OpType is a kind of change.
type OpType uint8

// The kinds of changes. OpAdd treats the value as a decimal number, a missing
// key as 0, and removes the key when the sum is 0: so counters need no
// comparison, and concurrent transactions on them never conflict. An OpAdd on
// something that is no number, or beyond 64 bits, is ErrInvalid.
const (
	OpPut OpType = iota + 1
	OpDelete
	OpAdd
)

// TxnResult tells how a transaction ended.
type TxnResult struct {
	Succeeded bool
	// Revision is that of the commit, or of the comparison that did not hold.
	Revision int64
}

// Watch is a stream of changes.
type Watch interface {
	// Next waits for the next changes, in order, whole commits only. It fails
	// with ErrCompacted when the caller was too slow, with ErrClosed, or with
	// the context's error.
	Next(ctx context.Context) ([]Change, error)
	Close()
}

// Change is one changed key.
type Change struct {
	Entry
	// Deleted reports that the key is gone; Value is empty then.
	Deleted bool
}
