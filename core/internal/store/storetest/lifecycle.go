package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/haul-dl/haul/core/internal/store"
)

func testRevisions(t *testing.T, c Config) {
	f := open(t, c)
	if f.kv.Revision() != 0 {
		t.Errorf("an empty one begins at %d", f.kv.Revision())
	}
	for want := int64(1); want <= 3; want++ {
		if got := f.do(put("k", fmt.Sprint(want))); got != want || f.kv.Revision() != want {
			t.Errorf("got %d, and %d now, want %d", got, f.kv.Revision(), want)
		}
	}
	f.do(del("never"))
	if f.kv.Revision() != 3 {
		t.Error("a transaction that changes nothing has a revision")
	}
	f.reopen()
	if got := f.kv.Revision(); got != 3 {
		t.Errorf("%d after a restart", got)
	}
	if e := f.get("k"); e.ModRevision != 3 {
		t.Errorf("%+v after a restart", e)
	}
	if got := f.do(put("k", "4")); got != 4 {
		t.Errorf("goes on with %d", got)
	}
	if res := f.scan(store.RangeRequest{}); res.Revision != 4 {
		t.Errorf("range at %d", res.Revision)
	}
}

func testDurable(t *testing.T, c Config) {
	f := open(t, c)
	want := f.fill("a/", 1200)
	f.do(del(want[7]), put(want[8], "changed"))
	for range 3 {
		f.reopen()
		if got := f.keys("a/", false, 0); len(got) != len(want)-1 {
			t.Fatalf("%d keys of %d", len(got), len(want)-1)
		}
		f.wantValue(want[7], "(none)")
		f.wantValue(want[8], "changed")
		f.wantValue(want[1199], want[1199])
	}
}

func testCanceled(t *testing.T, c Config) {
	f := open(t, c)
	f.do(put("k", "1"))
	ctx, cancel := context.WithCancel(f.ctx)
	cancel()
	_, commit := f.kv.Commit(ctx, &store.Txn{Then: []store.Op{put("k", "2")}})
	_, get := f.kv.Get(ctx, "k")
	_, list := f.kv.Range(ctx, store.RangeRequest{})
	_, watch := f.kv.Watch(ctx, "", 0)
	for name, err := range map[string]error{"commit": commit, "get": get, "range": list, "watch": watch} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	f.wantValue("k", "1")

	// Whatever the moment: the answer is the truth.
	answers := make([]error, 200)
	together(len(answers), func(i int) {
		ctx, cancel := context.WithTimeout(f.ctx, time.Duration(i)*20*time.Microsecond)
		defer cancel()
		_, answers[i] = f.kv.Commit(ctx, &store.Txn{Then: []store.Op{put(fmt.Sprint("row/", i), "v")}})
	})
	for i, err := range answers {
		if made := f.value(fmt.Sprint("row/", i)) == "v"; made != (err == nil) {
			t.Errorf("row %d: made %v, answer %v", i, made, err)
		}
	}
}

func testClosed(t *testing.T, c Config) {
	f := open(t, c)
	f.do(put("k", "1"))
	if err := f.kv.Close(); err != nil {
		t.Fatal(err)
	}
	_, commit := f.kv.Commit(f.ctx, &store.Txn{Then: []store.Op{put("k", "2")}})
	_, compare := f.kv.Commit(f.ctx, &store.Txn{If: []store.Compare{{Key: "k"}}})
	_, get := f.kv.Get(f.ctx, "k")
	_, list := f.kv.Range(f.ctx, store.RangeRequest{})
	_, watch := f.kv.Watch(f.ctx, "", 0)
	for name, err := range map[string]error{"commit": commit, "compare": compare, "get": get, "range": list, "watch": watch} {
		if !errors.Is(err, store.ErrClosed) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if err := f.kv.Close(); err != nil {
		t.Error("closed again:", err)
	}
}

func testCloseWaits(t *testing.T, c Config) {
	f := open(t, c)
	kv := f.kv
	var mu sync.Mutex // guards made
	var made []string
	var begun, wg sync.WaitGroup
	begun.Add(8)
	for i := range 8 {
		wg.Go(func() {
			for j := 0; ; j++ {
				key := fmt.Sprintf("row/%d/%d", i, j)
				_, err := kv.Commit(f.ctx, &store.Txn{Then: []store.Op{put(key, "v")}})
				if j == 0 {
					begun.Done()
				}
				if err != nil {
					if !errors.Is(err, store.ErrClosed) {
						t.Error(err)
					}
					return
				}
				mu.Lock()
				made = append(made, key)
				mu.Unlock()
			}
		})
	}
	begun.Wait()
	f.reopen()
	wg.Wait()
	if got := len(f.keys("row/", false, 0)); got != len(made) {
		t.Errorf("%d rows, %d were confirmed", got, len(made))
	}
}
