// Package bolt is the default engine of package store: one bbolt file, one
// writer goroutine that commits in groups, and a short history in memory for
// watches.
package bolt

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/haul-dl/haul/core/internal/store"
)

// The bucket tree:
//
//	data
//	  KEY       → revision of the last change (8 bytes, big endian) + value
//	meta
//	  revision  → revision of the last commit (8 bytes, big endian)
var (
	dataBucket  = []byte("data")
	metaBucket  = []byte("meta")
	revisionKey = []byte("revision")
)

// revisionSize is the length of a stored revision.
const revisionSize = 8

// DB is an open database. It implements store.KV.
type DB struct {
	bolt *bbolt.DB
	path string
	log  hclog.Logger
	// onCommit is Options.OnCommit.
	onCommit func(took time.Duration, transactions int)

	queue    chan *request
	closing  chan struct{}
	writer   sync.WaitGroup
	close    sync.Once
	closeErr error

	revision atomic.Int64
	history  *history
	// broken is set when the disk did not confirm a write that shows
	// nevertheless: nobody knows then what a restart would find.
	broken atomic.Pointer[error]

	// commitTx is (*bbolt.Tx).Commit; tests make it fail as disks do.
	commitTx func(*bbolt.Tx) error
}

var _ store.KV = (*DB)(nil)

// Revision is that of the last commit.
func (db *DB) Revision() int64 { return db.revision.Load() }

// Close waits for the transactions under way, ends the watches and lets go of
// the file. It may be called more than once.
func (db *DB) Close() error {
	db.close.Do(func() {
		close(db.closing)
		db.writer.Wait()
		db.history.close()
		if err := db.bolt.Close(); err != nil {
			db.closeErr = fmt.Errorf("close database: %w", err)
		}
	})
	return db.closeErr
}

// Get returns the entry of a key, or nil where there is none.
func (db *DB) Get(ctx context.Context, key string) (*store.Entry, error) {
	if err := store.CheckKey(key); err != nil {
		return nil, err
	}
	var entry *store.Entry
	err := db.view(ctx, func(tx *bbolt.Tx) error {
		stored := tx.Bucket(dataBucket).Get([]byte(key))
		if stored == nil {
			return nil
		}
		e, err := decodeEntry(key, stored, false)
		entry = &e
		return err
	})
	if err != nil {
		return nil, err
	}
	return entry, nil
}

// view runs a short read transaction. What fn keeps must be copied.
func (db *DB) view(ctx context.Context, fn func(*bbolt.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if broken := db.broken.Load(); broken != nil {
		return *broken
	}
	err := db.bolt.View(fn)
	if errors.Is(err, berrors.ErrDatabaseNotOpen) {
		return store.ErrClosed
	}
	return err
}

// decodeEntry copies a stored value out of a transaction.
func decodeEntry(key string, stored []byte, keyOnly bool) (store.Entry, error) {
	if len(stored) < revisionSize {
		return store.Entry{}, fmt.Errorf("read %q: value of %d bytes has no revision", key, len(stored))
	}
	e := store.Entry{Key: key, ModRevision: int64(binary.BigEndian.Uint64(stored))} //nolint:gosec // written by encodeValue
	if !keyOnly {
		e.Value = append([]byte{}, stored[revisionSize:]...)
	}
	return e, nil
}

func encodeValue(revision int64, value []byte) []byte {
	stored := make([]byte, revisionSize, revisionSize+len(value))
	binary.BigEndian.PutUint64(stored, uint64(revision)) //nolint:gosec // revisions count from 1
	return append(stored, value...)
}

// storedRevision returns the revision of the last commit in the file.
func storedRevision(tx *bbolt.Tx) int64 {
	v := tx.Bucket(metaBucket).Get(revisionKey)
	if len(v) != revisionSize {
		return 0
	}
	return int64(binary.BigEndian.Uint64(v)) //nolint:gosec // written by encodeValue
}
