package store_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/store"
	"github.com/haul-dl/haul/core/internal/store/bolt"
	"github.com/haul-dl/haul/sdk/errs"
)

// write is a migration that leaves a mark.
func write(version int, key, value string) store.Migration {
	return store.Migration{Version: version, Run: func(ctx context.Context, kv store.KV) error {
		_, err := kv.Commit(ctx, &store.Txn{Then: []store.Op{{Type: store.OpPut, Key: key, Value: []byte(value)}}})
		return err
	}}
}

func (f *fixture) reopen(t *testing.T, list ...store.Migration) error {
	t.Helper()
	if err := f.kv.Close(); err != nil {
		t.Fatal(err)
	}
	f.openKV(t)
	clock := func() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }
	s, err := store.OpenWith(t.Context(), f.kv, store.Options{Box: f.box, Clock: clock}, list...)
	if err == nil {
		f.Store = s
	}
	return err
}

// older returns a store that no migration has touched yet.
func older(t *testing.T) *fixture {
	t.Helper()
	f := open(t)
	f.spoil(t, "meta/schema", "1")
	return f
}

func (f *fixture) backups(t *testing.T) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(f.dir, "haul.db.backup-*"))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestAnOlderDatabaseIsBackedUpAndMigrated(t *testing.T) {
	f := older(t)
	f.create(t, newTask(alice, "queued"))
	if err := f.reopen(t, write(2, "mark", "2"), write(3, "mark", "3")); err != nil {
		t.Fatal(err)
	}
	if got := f.dump(t, "m"); got["mark"] != "3" || got["meta/schema"] != "3" {
		t.Errorf("after it: %q", got)
	}
	backups := f.backups(t)
	if len(backups) != 1 || filepath.Base(backups[0]) != "haul.db.backup-v1-20260102T030405Z" {
		t.Fatalf("backups: %q", backups)
	}
	if info, err := os.Stat(backups[0]); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("backup: %v, %v", info, err)
	}
	before, err := bolt.Open(backups[0], bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer before.Close()
	s, err := store.OpenWith(t.Context(), before, store.Options{Box: f.box})
	if err != nil {
		t.Fatal("the backup does not open:", err)
	}
	if tasks, _, err := s.Tasks(t.Context(), store.TaskFilter{}); err != nil || len(tasks) != 1 {
		t.Errorf("the backup has %d tasks, %v", len(tasks), err)
	}
	// The same list again has nothing to do, and backs up nothing.
	if err := f.reopen(t, write(2, "mark", "again"), write(3, "mark", "again")); err != nil {
		t.Fatal(err)
	}
	if got := f.dump(t, "mark"); got["mark"] != "3" || len(f.backups(t)) != 1 {
		t.Errorf("migrated again: %q, %q", got, f.backups(t))
	}
}

func TestANewDatabaseNeedsNoMigration(t *testing.T) {
	f := open(t)
	if got := f.dump(t, "meta/")["meta/schema"]; got != "2" {
		t.Errorf("a new one has version %q", got)
	}
	if len(f.backups(t)) != 0 {
		t.Error("an empty database was backed up")
	}
}

func TestAMigrationThatFailsGoesOnAtTheNextStart(t *testing.T) {
	f := older(t)
	broken := store.Migration{Version: 3, Run: func(context.Context, store.KV) error { return errors.New("no") }}
	err := f.reopen(t, write(2, "two", "done"), broken)
	wantCode(t, err, errs.Unavailable)
	if errs.HintOf(err) == "" {
		t.Error("no hint")
	}
	if got := f.dump(t, "meta/schema")["meta/schema"]; got != "2" {
		t.Errorf("version %q", got)
	}
	if err := f.reopen(t, write(2, "two", "twice"), write(3, "three", "done")); err != nil {
		t.Fatal(err)
	}
	if got := f.dump(t, "t"); got["two"] != "done" || got["three"] != "done" {
		t.Errorf("got %q", got)
	}
}

func TestWithoutABackupNothingIsMigrated(t *testing.T) {
	f := older(t)
	if err := os.WriteFile(filepath.Join(f.dir, "haul.db.backup-v1-20260102T030405Z"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := f.reopen(t, write(2, "mark", "2")); err == nil {
		t.Error("it was migrated")
	}
	if got := f.dump(t, "m"); got["mark"] != "" || got["meta/schema"] != "1" {
		t.Errorf("got %q", got)
	}
}

func TestADatabaseThatHaulCannotReadIsRefused(t *testing.T) {
	tests := []struct{ name, key, value, want string }{
		{"one of a newer haul", "meta/schema", "7", "newer haul"},
		{"a version that is no number", "meta/schema", "seven", "no sense"},
		{"a version that never was", "meta/schema", "-1", "no sense"},
		{"one of something else", "journal/1", "x", "not one of haul"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			kv, err := bolt.Open(filepath.Join(t.TempDir(), "haul.db"), bolt.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer kv.Close()
			f := &fixture{kv: kv}
			f.spoil(t, tt.key, tt.value)
			revision := kv.Revision()
			_, err = store.New(t.Context(), kv, store.Options{Box: open(t).box})
			wantCode(t, err, errs.Unavailable)
			if err == nil || !strings.Contains(errs.MessageOf(err), tt.want) || errs.HintOf(err) == "" {
				t.Errorf("got %v (hint %q)", err, errs.HintOf(err))
			}
			if kv.Revision() != revision {
				t.Error("it was changed")
			}
		})
	}
}

func TestTheReleasedMigrationsCountWithoutAGap(t *testing.T) {
	for i, version := range store.ReleasedVersions() {
		if version != i+2 {
			t.Errorf("the migration at %d has version %d", i, version)
		}
	}
}

func TestTheJobsOfVersion1CanBeShared(t *testing.T) {
	f := older(t)
	f.spoil(t, "task/t1", "\x01"+`{"id":"t1","owner":"u1","state":"downloading","job":"j1","selection":[0,2],"destination":{"storage":"s1","path":"p"}}`)
	f.spoil(t, "task/t2", "\x01"+`{"id":"t2","owner":"u2","state":"completed","destination":{"storage":"s1","path":""}}`)
	f.spoil(t, "task/t3", "\x01"+`{"id":"t3","owner":"u2","state":"queued","destination":{"storage":"s2","path":""}}`)
	f.spoil(t, "job/j1", "\x01"+`{"id":"j1","node":"n","downloader":"d","revision":4,"wish":"pause","info_hash":"ab","files":[0,2],`+
		`"limits":{"DownloadRate":7},"deliveries":[{"task":"t1","storage":"s1","path":"alice/p","attempt":1}]}`)
	f.spoil(t, "job/j2", "\x01"+`{"id":"j2","node":"n","downloader":"d","revision":1,"wish":"run","info_hash":"ab","deliveries":[{"task":"t9"}]}`)
	f.spoil(t, "job/j3", "broken")
	for range 2 { // a crash may have it run again
		f.spoil(t, "meta/schema", "1")
		for _, b := range f.backups(t) {
			if err := os.Remove(b); err != nil {
				t.Fatal(err)
			}
		}
		s, err := store.New(t.Context(), f.kv, store.Options{Box: f.box})
		if err != nil {
			t.Fatal(err)
		}
		f.Store = s
		job, err := f.Job(t.Context(), "j1")
		if err != nil {
			t.Fatal(err)
		}
		if d := job.Deliveries[0]; d.Owner != "u1" || !slices.Equal(d.Selection.Indexes, []int{0, 2}) || !d.Paused || d.Limits.DownloadRate != 7 {
			t.Errorf("delivery %+v", d)
		}
		for id, want := range map[core.StorageID]bool{"s1": true, "s2": true, "s3": false} {
			if used, err := f.StorageInUse(t.Context(), id); err != nil || used != want {
				t.Errorf("storage %s in use: %v, %v", id, used, err)
			}
		}
		f.update(t, func(tx *store.Tx) error {
			shared, err := tx.JobByHash("n", "d", "ab")
			if err != nil || shared.ID != "j1" {
				t.Errorf("by hash: %+v, %v", shared, err)
			}
			return nil
		})
	}
	if other, err := f.Job(t.Context(), "j2"); err != nil || other.InfoHash != "" {
		t.Errorf("the second of the same hash: %+v, %v", other, err)
	}
}
