package store

import (
	"context"
	"fmt"
	"strconv"

	"github.com/haul-dl/haul/sdk/errs"
)

// schemaKey holds the version of the records as a decimal number.
const schemaKey = "meta/schema"

// firstVersion is the version of a database that no migration has touched.
const firstVersion = 1

// migration brings the records from the version before to its own.
type migration struct {
	version int
	// name says what it does, for the log.
	name string
	// run may be ended at any point by a crash, and is then run again.
	run func(ctx context.Context, kv KV) error
}

// migrations is append-only: what was released stays as it is. Versions count
// from firstVersion+1 without a gap.
var migrations = []migration{
	{version: 2, name: "let tasks share jobs", run: shareJobs},
}

// Backuper is a KV that can copy itself.
type Backuper interface {
	// BackupFile writes a consistent copy beside the database, its name ending
	// in the suffix, and returns its path once it is on the disk.
	BackupFile(suffix string) (path string, err error)
}

// migrate brings the records to the newest version of the list.
func (s *Store) migrate(ctx context.Context, list []migration) error {
	newest := firstVersion + len(list)
	version, err := s.schemaVersion(ctx)
	switch {
	case err != nil:
		return err
	case version == 0:
		return s.setSchemaVersion(ctx, newest)
	case version > newest:
		return errs.New(errs.Unavailable, "The database was written by a newer haul: it has version %d, and this haul knows versions up to %d.", version, newest).
			WithHint("Install the newer haul again, or restore the backup that it made (haul.db.backup-v%d-…).", newest)
	case version == newest:
		return nil
	}
	if err := s.backup(version); err != nil {
		return err
	}
	for _, m := range list[version-firstVersion:] {
		s.log.Info("migrating the database", "version", m.version, "change", m.name)
		if err := m.run(ctx, s.kv); err != nil {
			return errs.Wrap(err, errs.Unavailable, "The database could not be brought to version %d (%s).", m.version, m.name).
				WithHint("Start haul again to go on; to go back, restore the backup beside the database and the older haul.")
		}
		if err := s.setSchemaVersion(ctx, m.version); err != nil {
			return err
		}
	}
	return nil
}

// schemaVersion returns 0 for an empty database.
func (s *Store) schemaVersion(ctx context.Context) (int, error) {
	e, err := s.get(ctx, schemaKey)
	if err != nil {
		return 0, err
	}
	if e != nil {
		version, err := strconv.Atoi(string(e.Value))
		if err != nil || version < firstVersion {
			return 0, errs.New(errs.Unavailable, "The database has a version that makes no sense: %q.", e.Value).
				WithHint("Restore a backup.")
		}
		return version, nil
	}
	res, err := s.scan(ctx, RangeRequest{Limit: 1, KeysOnly: true})
	if err != nil {
		return 0, err
	}
	if len(res.Entries) > 0 {
		return 0, errs.New(errs.Unavailable, "The database is not one of haul's servers.").
			WithHint("Check the data directory: it may belong to a node.")
	}
	return 0, nil
}

func (s *Store) setSchemaVersion(ctx context.Context, version int) error {
	_, err := s.commit(ctx, &Txn{Then: []Op{{Type: OpPut, Key: schemaKey, Value: strconv.AppendInt(nil, int64(version), 10)}}})
	return err
}

func (s *Store) backup(version int) error {
	b, ok := s.kv.(Backuper)
	if !ok {
		return nil
	}
	path, err := b.BackupFile(fmt.Sprintf("backup-v%d-%s", version, s.now().UTC().Format("20060102T150405Z")))
	if err != nil {
		return fmt.Errorf("back up the database before it is migrated: %w", err)
	}
	s.log.Info("backed up the database", "path", path)
	return nil
}
