package bolt

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/haul-dl/haul/core/internal/store"
	"github.com/haul-dl/haul/sdk/errs"
)

// fill writes until the disk is full, and returns what was confirmed.
func fill(t *testing.T, db *DB) (confirmed []string) {
	t.Helper()
	var mu sync.Mutex // guards confirmed
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range 1000 {
				key := fmt.Sprintf("row/%d/%04d", w, i)
				_, err := db.Commit(t.Context(), put(key, strings.Repeat("v", 20_000)))
				if err != nil {
					if !errs.Is(err, errs.OutOfSpace) || errs.HintOf(err) == "" {
						t.Errorf("got %v", err)
					}
					return
				}
				mu.Lock()
				confirmed = append(confirmed, key)
				mu.Unlock()
			}
			t.Error("the disk never was full")
		})
	}
	wg.Wait()
	// A write of several rows may have failed where a single one still fits.
	for i, failed := 0, 0; failed < 3; i++ {
		key := fmt.Sprintf("row/last/%04d", i)
		_, err := db.Commit(t.Context(), put(key, strings.Repeat("v", 20_000)))
		switch {
		case err == nil:
			confirmed, failed = append(confirmed, key), 0
		case errs.Is(err, errs.OutOfSpace) && errs.HintOf(err) != "":
			failed++
		default:
			t.Fatal(err)
		}
	}
	return confirmed
}

// checkFull fills the disk of a directory, has somebody make room, and looks
// whether everything that was confirmed is there, and nothing else.
func checkFull(t *testing.T, dir string, makeRoom func()) {
	t.Helper()
	path := filepath.Join(dir, "haul.db")
	db := open(t, path, Options{})
	confirmed := fill(t, db)
	if len(confirmed) < 10 {
		t.Fatalf("only %d rows fit", len(confirmed))
	}
	revision := db.Revision()
	for i := range 3 {
		if _, err := db.Commit(t.Context(), put("row/more", strings.Repeat("v", 200_000))); !errs.Is(err, errs.OutOfSpace) {
			t.Errorf("try %d on a full disk: got %v", i, err)
		}
	}
	want(t, db, "row/more", "")
	if db.Revision() != revision {
		t.Error("a failed commit has a revision")
	}
	checkRows(t, db, confirmed)

	makeRoom()
	mustCommit(t, db, &store.Txn{Then: []store.Op{{Type: store.OpDelete, Key: confirmed[0]}, {Type: store.OpDelete, Key: confirmed[1]}}})
	mustCommit(t, db, put("row/after", "v"))
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db = open(t, path, Options{})
	defer db.Close()
	checkRows(t, db, append(confirmed[2:], "row/after"))
}

func checkRows(t *testing.T, db *DB, rows []string) {
	t.Helper()
	res, err := db.Range(t.Context(), store.RangeRequest{Prefix: "row/", KeysOnly: true})
	if err != nil || len(res.Entries) != len(rows) {
		t.Fatalf("%d rows of %d: %v", len(res.Entries), len(rows), err)
	}
	for _, key := range rows {
		if e, err := db.Get(t.Context(), key); err != nil || e == nil {
			t.Errorf("%s was confirmed and is not there: %v", key, err)
		}
	}
}

func TestADiskThatFailsAtTheLastMomentStopsTheDatabase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "haul.db")
	db := open(t, path, Options{})
	mustCommit(t, db, put("k", "1"))
	db.commitTx = func(tx *bbolt.Tx) error { // written, and the disk does not confirm
		return errors.Join(tx.Commit(), syscall.EIO)
	}
	for range 2 {
		if _, err := db.Commit(t.Context(), put("k", "2")); !errs.Is(err, errs.Unavailable) {
			t.Errorf("commit: got %v", err)
		}
		db.commitTx = (*bbolt.Tx).Commit
	}
	if _, err := db.Get(t.Context(), "k"); !errs.Is(err, errs.Unavailable) || !strings.Contains(errs.HintOf(err), "restart") {
		t.Errorf("get: got %v", err)
	}
	if db.Revision() != 1 {
		t.Errorf("revision %d", db.Revision())
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	again := open(t, path, Options{})
	defer again.Close()
	mustCommit(t, again, put("k", "3"))
}

func TestAFailedWriteIsTheAnswerOfItsWholeGroup(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "haul.db"), Options{})
	defer db.Close()
	// The writer is held inside of a first commit until eight others queue.
	entered, release := make(chan struct{}), make(chan struct{})
	db.commitTx = func(tx *bbolt.Tx) error {
		entered <- struct{}{}
		<-release
		return tx.Commit()
	}
	var wg sync.WaitGroup
	results := make([]error, 9)
	succeeded := make([]bool, 9)
	try := func(i int, txn *store.Txn) {
		wg.Go(func() {
			r, err := db.Commit(t.Context(), txn)
			results[i], succeeded[i] = err, err == nil && r.Succeeded
		})
	}
	try(0, put("first", "v"))
	<-entered
	db.commitTx = func(tx *bbolt.Tx) error {
		return errors.Join(tx.Rollback(), syscall.EIO)
	}
	for i := 1; i <= 8; i++ {
		// All but one of these lose their comparison to another one of the group.
		try(i, &store.Txn{If: []store.Compare{{Key: "k"}}, Then: []store.Op{{Type: store.OpPut, Key: "k"}}})
	}
	close(release)
	wg.Wait()
	if results[0] != nil || !succeeded[0] {
		t.Error("the commit before:", results[0])
	}
	for i := 1; i <= 8; i++ {
		if !errs.Is(results[i], errs.Unavailable) {
			t.Errorf("%d: got %v, succeeded %v", i, results[i], succeeded[i])
		}
	}
	want(t, db, "k", "")
}
