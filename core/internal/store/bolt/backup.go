package bolt

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/haul-dl/haul/core/internal/store"
)

// Backup writes a consistent copy of the database while it stays in use. The
// file grows for as long as it takes: w must be fast, such as a local file.
func (db *DB) Backup(w io.Writer) error {
	err := db.bolt.View(func(tx *bbolt.Tx) error {
		_, err := tx.WriteTo(w)
		return err
	})
	if errors.Is(err, berrors.ErrDatabaseNotOpen) {
		return store.ErrClosed
	}
	if err != nil {
		return fmt.Errorf("copy database: %w", err)
	}
	return nil
}

// BackupFile writes a copy beside the database, named by the suffix, and
// returns its path once it is on the disk. An existing file is never replaced.
func (db *DB) BackupFile(suffix string) (path string, err error) {
	path = db.path + "." + suffix
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", writeError(err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(path) // half a backup is worse than none
		}
	}()
	if err := errors.Join(db.Backup(f), f.Sync(), f.Close()); err != nil {
		return "", writeError(err)
	}
	if err := syncDir(filepath.Dir(path)); err != nil {
		return "", writeError(err)
	}
	return path, nil
}

// syncDir makes a new name in a directory last. Where directories cannot be
// synced they need not be.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !errors.Is(err, errors.ErrUnsupported) && !errors.Is(err, os.ErrInvalid) {
		return err
	}
	return nil
}
