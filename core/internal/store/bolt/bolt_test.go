package bolt

import (
	"path/filepath"
	"testing"

	"github.com/haul-dl/haul/core/internal/store"
	"github.com/haul-dl/haul/core/internal/store/storetest"
)

func TestConformance(t *testing.T) {
	storetest.Run(t, storetest.Config{
		History: 64,
		Open: func(t *testing.T, dir string) store.KV {
			return open(t, filepath.Join(dir, "haul.db"), Options{WatchCommits: 64})
		},
	})
}

func open(t testing.TB, path string, o Options) *DB {
	t.Helper()
	db, err := Open(path, o)
	if err != nil {
		t.Fatal(err)
	}
	return db
}
