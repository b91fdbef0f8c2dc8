package store_test

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/secret"
	"github.com/haul-dl/haul/core/internal/store"
	"github.com/haul-dl/haul/core/internal/store/bolt"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

// fixture is a store on a real database.
type fixture struct {
	*store.Store
	kv  *bolt.DB
	dir string
	box *secret.Box
}

func open(t testing.TB) *fixture {
	t.Helper()
	f := &fixture{dir: t.TempDir()}
	var err error
	if f.box, err = secret.Open(filepath.Join(f.dir, "secret.key")); err != nil {
		t.Fatal(err)
	}
	f.openKV(t)
	t.Cleanup(func() {
		if err := f.kv.Close(); err != nil {
			t.Error(err)
		}
	})
	if f.Store, err = store.New(t.Context(), f.kv, store.Options{Box: f.box}); err != nil {
		t.Fatal(err)
	}
	return f
}

// elsewhere is the same database as another program would use it.
func (f *fixture) elsewhere(t testing.TB) *fixture {
	t.Helper()
	other := *f
	var err error
	if other.Store, err = store.New(t.Context(), f.kv, store.Options{Box: f.box}); err != nil {
		t.Fatal(err)
	}
	return &other
}

func (f *fixture) openKV(t testing.TB) {
	t.Helper()
	var err error
	if f.kv, err = bolt.Open(filepath.Join(f.dir, "haul.db"), bolt.Options{}); err != nil {
		t.Fatal(err)
	}
}

// update runs an update that must succeed.
func (f *fixture) update(t testing.TB, fn func(tx *store.Tx) error) {
	t.Helper()
	if err := f.Update(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}

// dump returns all keys with a prefix, with their values.
func (f *fixture) dump(t testing.TB, prefix string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for r := (store.RangeRequest{Prefix: prefix}); ; {
		res, err := f.kv.Range(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range res.Entries {
			out[e.Key] = string(e.Value)
		}
		if !res.More {
			return out
		}
		r.After = res.Entries[len(res.Entries)-1].Key
	}
}

// spoil overwrites a record with something that is none.
func (f *fixture) spoil(t testing.TB, key, value string) {
	t.Helper()
	_, err := f.kv.Commit(t.Context(), &store.Txn{Then: []store.Op{{Type: store.OpPut, Key: key, Value: []byte(value)}}})
	if err != nil {
		t.Fatal(err)
	}
}

const (
	alice = core.UserID("0190a000-0000-7000-8000-00000000000a")
	bob   = core.UserID("0190a000-0000-7000-8000-00000000000b")
)

func newTask(owner core.UserID, state core.TaskState) core.Task {
	return core.Task{
		ID: core.NewID[core.TaskID](), Owner: owner, State: state, Wish: core.WishRun, Attempt: 1,
		Source: core.TaskSource{Kind: downloader.SourceHTTP, URI: "https://example.org/file.iso"}, Name: "file.iso",
		CreatedAt: time.Now().UTC(),
	}
}

// create stores tasks and returns their ids.
func (f *fixture) create(t testing.TB, tasks ...core.Task) []core.TaskID {
	t.Helper()
	fresh := make([]store.NewTask, 0, len(tasks))
	ids := make([]core.TaskID, 0, len(tasks))
	for _, task := range tasks {
		fresh = append(fresh, store.NewTask{Task: task})
		ids = append(ids, task.ID)
	}
	if err := f.CreateTasks(t.Context(), fresh); err != nil {
		t.Fatal(err)
	}
	return ids
}

func wantCode(t testing.TB, err error, code errs.Code) {
	t.Helper()
	if errs.CodeOf(err) != code {
		t.Errorf("got %v, want the code %q", err, code)
	}
}

func TestAKeyFileThatDoesNotBelongIsRefusedAtTheStart(t *testing.T) {
	f := open(t)
	other, err := secret.Open(filepath.Join(f.dir, "other.key"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = store.New(t.Context(), f.kv, store.Options{Box: other})
	wantCode(t, err, errs.Unavailable)
	if !strings.Contains(errs.HintOf(err), "secret.key") {
		t.Errorf("hint %q", errs.HintOf(err))
	}
	if _, err := store.New(t.Context(), f.kv, store.Options{Box: f.box}); err != nil {
		t.Error("with the right one:", err)
	}
}

func TestErrorsOfTheDatabaseHaveCodes(t *testing.T) {
	f := open(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := f.Task(ctx, "x")
	wantCode(t, err, errs.Canceled)
	wantCode(t, f.Update(ctx, func(tx *store.Tx) error { return tx.PutNode(&core.Node{ID: "n", Name: "n"}) }), errs.Canceled)
	late, cancel := context.WithTimeout(t.Context(), -time.Second)
	defer cancel()
	_, _, err = f.Tasks(late, store.TaskFilter{})
	wantCode(t, err, errs.DeadlineExceeded)
	if err := f.kv.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = f.TaskCounts(t.Context())
	wantCode(t, err, errs.Unavailable)
}
