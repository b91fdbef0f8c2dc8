package bolt

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/haul-dl/haul/core/internal/store"
	"github.com/haul-dl/haul/sdk/errs"
)

func put(key, value string) *store.Txn {
	return &store.Txn{Then: []store.Op{{Type: store.OpPut, Key: key, Value: []byte(value)}}}
}

func mustCommit(t testing.TB, db *DB, txn *store.Txn) {
	t.Helper()
	if r, err := db.Commit(t.Context(), txn); err != nil || !r.Succeeded {
		t.Fatalf("%+v, %v", r, err)
	}
}

func want(t testing.TB, db *DB, key, value string) {
	t.Helper()
	e, err := db.Get(t.Context(), key)
	switch {
	case err != nil:
		t.Fatal(err)
	case e == nil && value != "", e != nil && string(e.Value) != value:
		t.Errorf("%q is %v, want %q", key, e, value)
	}
}

func TestASecondHaulOnTheSameDataIsToldSo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "haul.db")
	first := open(t, path, Options{})
	begun := time.Now()
	_, err := Open(path, Options{Timeout: 100 * time.Millisecond})
	if !errs.Is(err, errs.Unavailable) || !strings.Contains(errs.MessageOf(err), "Another haul") || !strings.Contains(errs.HintOf(err), "--data") {
		t.Errorf("got %v (hint %q)", err, errs.HintOf(err))
	}
	if took := time.Since(begun); took > 10*time.Second {
		t.Errorf("took %v", took)
	}
	mustCommit(t, first, put("k", "still works"))
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	again := open(t, path, Options{})
	defer again.Close()
	want(t, again, "k", "still works")
}

func TestTheFileIsItsOwnersAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "haul.db")
	defer open(t, path, Options{}).Close()
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got %v, %v", info.Mode(), err)
	}
}

func TestAFileThatIsNoGoodIsRefusedAndKept(t *testing.T) {
	whole := filepath.Join(t.TempDir(), "haul.db")
	db := open(t, whole, Options{})
	for _, k := range []string{"a", "b", "c"} {
		mustCommit(t, db, put(k, strings.Repeat("v", 1<<20)))
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile(whole)
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string][]byte{
		"text":                         []byte("this is no database"),
		"many zeros":                   make([]byte, 1<<20),
		"a copy that was cut off":      good[:1<<20],
		"a copy of the first page":     good[:os.Getpagesize()],
		"a copy of the two meta pages": good[:2*os.Getpagesize()],
	}
	for name, content := range tests {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "haul.db")
			if err := os.WriteFile(path, content, 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := Open(path, Options{})
			if !errs.Is(err, errs.Unavailable) || !strings.Contains(err.Error(), "damaged") {
				t.Errorf("got %v", err)
			}
			if after, err := os.ReadFile(path); err != nil || !bytes.Equal(after, content) {
				t.Error("the file was changed:", err)
			}
		})
	}
	for name, path := range map[string]string{
		"a directory":                   t.TempDir(),
		"a directory that is not there": filepath.Join(t.TempDir(), "no", "haul.db"),
	} {
		if _, err := Open(path, Options{}); !errs.Is(err, errs.Unavailable) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestAnEmptyFileBecomesADatabase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "haul.db")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	db := open(t, path, Options{})
	defer db.Close()
	mustCommit(t, db, put("k", "v"))
}

func TestARangeOfLargeValuesStopsBeforeItFillsTheMemory(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "haul.db"), Options{})
	defer db.Close()
	for _, k := range []string{"a", "b", "c", "d", "e"} {
		mustCommit(t, db, put(k, strings.Repeat(k, 12<<20)))
	}
	res, err := db.Range(t.Context(), store.RangeRequest{})
	if err != nil || len(res.Entries) != 3 || !res.More {
		t.Fatalf("%d entries, more %v, %v", len(res.Entries), res.More, err)
	}
	res, err = db.Range(t.Context(), store.RangeRequest{After: "c"})
	if err != nil || len(res.Entries) != 2 || res.More {
		t.Errorf("%d entries, more %v, %v", len(res.Entries), res.More, err)
	}
}

func TestABackupIsWholeWhileOthersWrite(t *testing.T) {
	dir := t.TempDir()
	db := open(t, filepath.Join(dir, "haul.db"), Options{})
	mustCommit(t, db, put("before", "v"))
	ctx, cancel := context.WithCancel(t.Context())
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		for ctx.Err() == nil {
			txn := &store.Txn{Then: []store.Op{{Type: store.OpAdd, Key: "x", Delta: 1}, {Type: store.OpAdd, Key: "y", Delta: 1}}}
			if _, err := db.Commit(context.Background(), txn); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	path, err := db.BackupFile("backup-v1-now")
	if err != nil || path != filepath.Join(dir, "haul.db.backup-v1-now") {
		t.Fatal(path, err)
	}
	if _, err := db.BackupFile("backup-v1-now"); err == nil {
		t.Error("an existing backup was replaced")
	}
	cancel()
	<-stopped
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	copied := open(t, path, Options{})
	defer copied.Close()
	want(t, copied, "before", "v")
	x, errX := copied.Get(t.Context(), "x")
	y, errY := copied.Get(t.Context(), "y")
	if errX != nil || errY != nil || (x == nil) != (y == nil) || x != nil && !bytes.Equal(x.Value, y.Value) {
		t.Errorf("half a transaction in the backup: %v %v", x, y)
	}
	if err := db.Backup(&bytes.Buffer{}); err == nil {
		t.Error("a closed database was copied")
	}
}
