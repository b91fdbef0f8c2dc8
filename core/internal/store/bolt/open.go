package bolt

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/haul-dl/haul/sdk/errs"
)

// Options configure a DB; the zero value is fine.
type Options struct {
	// Logger may be nil.
	Logger hclog.Logger
	// Timeout is how long to wait for another process that has the file; 0 means one second.
	Timeout time.Duration
	// WatchCommits and WatchBytes bound what is kept in memory for watches; 0
	// means 4096 commits and 1 MiB.
	WatchCommits, WatchBytes int
	// OnCommit is told of each write to the disk, which so many transactions
	// shared; nil for none. It must not block.
	OnCommit func(took time.Duration, transactions int)
}

func (o Options) withDefaults() Options {
	if o.Logger == nil {
		o.Logger = hclog.NewNullLogger()
	}
	if o.Timeout == 0 {
		o.Timeout = time.Second
	}
	if o.OnCommit == nil {
		o.OnCommit = func(time.Duration, int) {}
	}
	if o.WatchCommits == 0 {
		o.WatchCommits = 4096
	}
	if o.WatchBytes == 0 {
		o.WatchBytes = 1 << 20
	}
	return o
}

// Open opens the database file, and makes it when it is missing. Errors:
// errs.Unavailable when another process has it, when it is damaged or is not a
// database, or when it cannot be read; errs.OutOfSpace.
func Open(path string, o Options) (*DB, error) {
	o = o.withDefaults()
	_, err := os.Stat(path)
	fresh := errors.Is(err, fs.ErrNotExist)
	if err := probe(path); err != nil {
		return nil, openError(err, path)
	}
	file, err := openFile(path, o.Timeout)
	if err == nil {
		err = prepare(file, path, fresh)
	}
	if err != nil {
		if file != nil {
			err = errors.Join(err, file.Close())
		}
		if fresh && !errors.Is(err, berrors.ErrTimeout) {
			_ = os.Remove(path) // half a file would only confuse the next start
		}
		return nil, openError(err, path)
	}
	db := &DB{
		bolt: file, path: path, log: o.Logger, onCommit: o.OnCommit,
		queue: make(chan *request), closing: make(chan struct{}), commitTx: (*bbolt.Tx).Commit,
	}
	if err := file.View(func(tx *bbolt.Tx) error { db.revision.Store(storedRevision(tx)); return nil }); err != nil {
		return nil, errors.Join(openError(err, path), file.Close())
	}
	db.history = newHistory(o.WatchCommits, o.WatchBytes, db.Revision())
	db.writer.Go(db.write)
	return db, nil
}

func openFile(path string, timeout time.Duration) (*bbolt.DB, error) {
	size := mapSize(path)
	db, err := openMapped(path, timeout, size)
	if errors.Is(err, syscall.ENOMEM) && size > 0 {
		return openMapped(path, timeout, 0) // the address space is limited
	}
	return db, err
}

// openMapped turns the panic that bbolt meets damage with into an error.
func openMapped(path string, timeout time.Duration, mapSize int) (db *bbolt.DB, err error) {
	var file *os.File
	defer func() {
		if r := recover(); r != nil {
			db, err = nil, fmt.Errorf("%w: %v", berrors.ErrInvalid, r)
			if file != nil {
				err = errors.Join(err, file.Close())
			}
		}
	}()
	return bbolt.Open(path, 0o600, &bbolt.Options{
		Timeout:         timeout,
		FreelistType:    bbolt.FreelistMapType,
		NoFreelistSync:  true,
		InitialMmapSize: mapSize,
		NoStatistics:    true,
		OpenFile: func(name string, flag int, mode os.FileMode) (*os.File, error) {
			var err error
			file, err = os.OpenFile(name, flag, mode)
			return file, err
		},
	})
}

// mapSize is the address space to map: a file that outgrows it has to be
// mapped anew, which stops all readers and writers.
func mapSize(path string) int {
	if strconv.IntSize < 64 || runtime.GOOS == "windows" { // Windows would make the file as large
		return 0
	}
	size := int64(16) << 30
	if info, err := os.Stat(path); err == nil && info.Size() < math.MaxInt64/4 {
		size = max(size, 2*info.Size())
	}
	return int(size)
}

// prepare makes the buckets, and makes sure that a new file has its name on
// the disk.
func prepare(file *bbolt.DB, path string, fresh bool) error {
	missing := false
	err := file.View(func(tx *bbolt.Tx) error {
		missing = tx.Bucket(dataBucket) == nil || tx.Bucket(metaBucket) == nil
		return nil
	})
	if err != nil {
		return err
	}
	if missing {
		if err := file.Update(makeBuckets); err != nil {
			return err
		}
	}
	if fresh {
		return syncDir(filepath.Dir(path))
	}
	return nil
}

func makeBuckets(tx *bbolt.Tx) error {
	for _, name := range [][]byte{dataBucket, metaBucket} {
		if _, err := tx.CreateBucketIfNotExists(name); err != nil {
			return err
		}
	}
	return nil
}

// openError says what a user can do about it.
func openError(err error, path string) error {
	switch {
	case errors.Is(err, berrors.ErrTimeout):
		return errs.Wrap(err, errs.Unavailable, "Another haul runs with this data directory: it has %s open.", path).
			WithHint("Stop the other one, or give this one a directory of its own with --data.")
	case errors.Is(err, berrors.ErrInvalid), errors.Is(err, berrors.ErrChecksum), errors.Is(err, berrors.ErrVersionMismatch):
		return errs.Wrap(err, errs.Unavailable, "%s is damaged, or is not a database of haul.", path).
			WithHint("Move it away and restore a backup in its place.")
	case errors.Is(err, fs.ErrPermission):
		return errs.Wrap(err, errs.Unavailable, "%s cannot be opened: permission denied.", path).
			WithHint("Make the user that haul runs as the owner of the file and its directory.")
	case isFull(err):
		return writeError(err)
	}
	return errs.Wrap(err, errs.Unavailable, "%s cannot be opened.", path).
		WithHint("Check the path, the disk and the permissions; the server's log says more.")
}

// writeError says what a user can do about a write that failed; nil stays nil.
func writeError(err error) error {
	switch {
	case err == nil:
		return nil
	case isFull(err):
		return errs.Wrap(err, errs.OutOfSpace, "The disk that holds haul's database is full.").
			WithHint("Free some space on the disk of haul's data directory, then try again.")
	}
	return errs.Wrap(err, errs.Unavailable, "haul's database cannot be written.").
		WithHint("Check the disk of haul's data directory; the server's log says more.")
}

// isFull also takes a quota and a limit on the size of files for a full disk.
// bbolt passes some errors on as text alone.
func isFull(err error) bool {
	for _, errno := range []syscall.Errno{syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG} {
		if errors.Is(err, errno) || strings.Contains(err.Error(), errno.Error()) {
			return true
		}
	}
	return false
}
