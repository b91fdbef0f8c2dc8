package storetest

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/haul-dl/haul/core/internal/store"
)

func (f *fixture) watch(prefix string, from int64) store.Watch {
	f.t.Helper()
	w, err := f.kv.Watch(f.ctx, prefix, from)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(w.Close)
	return w
}

func (f *fixture) next(w store.Watch) []store.Change {
	f.t.Helper()
	changes, err := w.Next(f.ctx)
	if err != nil {
		f.t.Fatal(err)
	}
	return changes
}

func testWatchOrder(t *testing.T, c Config) {
	f := open(t, c)
	w := f.watch("", 0)
	f.do(put("a", "1"), put("b", "1"))
	f.do(put("a", "2"), put("a", "3"))
	f.do(del("b"), del("never"))
	f.do(add("n", 2))
	var got []string
	for len(got) < 5 {
		for _, ch := range f.next(w) {
			got = append(got, fmt.Sprintf("%d %s=%s %v", ch.ModRevision, ch.Key, ch.Value, ch.Deleted))
		}
	}
	want := []string{"1 a=1 false", "1 b=1 false", "2 a=3 false", "3 b= true", "4 n=2 false"}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %q, want %q", got, want)
	}
	changes := f.next(f.watch("", 3))
	copy(changes[0].Value, "X")
	if again := f.next(f.watch("", 3)); string(again[0].Value) != "2" {
		t.Error("what a watch returned is shared")
	}
}

func testWatchPrefix(t *testing.T, c Config) {
	f := open(t, c)
	w := f.watch("b/", 0)
	f.do(put("a", "1"))
	f.do(put("b/1", "1"), put("c", "1"))
	f.do(put("c", "2"))
	f.do(put("b/2", "1"))
	var got []string
	for len(got) < 2 {
		for _, ch := range f.next(w) {
			got = append(got, ch.Key)
		}
	}
	if fmt.Sprint(got) != "[b/1 b/2]" {
		t.Errorf("got %q", got)
	}
}

// testWatchAfterRange follows a database from one Range on, while others
// write, and must end with the same contents.
func testWatchAfterRange(t *testing.T, c Config) {
	f := open(t, c)
	const workers, each = 4, 60
	done := make(chan struct{})
	go func() {
		defer close(done)
		together(workers, func(i int) {
			for j := range each {
				ops := []store.Op{put(fmt.Sprintf("row/%d/%d", i, j), fmt.Sprint(j)), add("row/n", 1)}
				if j > 0 && j%3 == 0 {
					ops = append(ops, del(fmt.Sprintf("row/%d/%d", i, j-1)))
				}
				if _, err := f.kv.Commit(f.ctx, &store.Txn{Then: ops}); err != nil {
					t.Error(err)
				}
			}
		})
	}()
	seen := map[string]string{}
	var w store.Watch
	sync := func() {
		clear(seen)
		res := f.scan(store.RangeRequest{Prefix: "row/"})
		for _, e := range res.Entries {
			seen[e.Key] = string(e.Value)
		}
		w = f.watch("row/", res.Revision)
	}
	sync()
	var last int64
	for seen["row/n"] != fmt.Sprint(workers*each) {
		changes, err := w.Next(f.ctx)
		if errors.Is(err, store.ErrCompacted) {
			sync()
			continue
		}
		if err != nil {
			t.Fatal(err, seen["row/n"])
		}
		for _, ch := range changes {
			if ch.ModRevision < last {
				t.Fatalf("revision %d after %d", ch.ModRevision, last)
			}
			last = ch.ModRevision
			if ch.Deleted {
				delete(seen, ch.Key)
			} else {
				seen[ch.Key] = string(ch.Value)
			}
		}
	}
	<-done
	keys := f.keys("row/", false, 0)
	if len(keys) != len(seen) {
		t.Errorf("%d keys, the watch knows %d", len(keys), len(seen))
	}
	for _, k := range keys {
		f.wantValue(k, seen[k])
	}
}

func testWatchCompacted(t *testing.T, c Config) {
	f := open(t, c)
	f.do(put("k", "0"))
	slow := f.watch("", f.kv.Revision())
	elsewhere := f.watch("other/", f.kv.Revision())
	for i := range c.History + 1 {
		f.do(put("k", fmt.Sprint(i)))
	}
	if _, err := f.kv.Watch(f.ctx, "", 1); !errors.Is(err, store.ErrCompacted) {
		t.Errorf("from long ago: got %v", err)
	}
	for name, w := range map[string]store.Watch{"a slow one": slow, "a slow one of other keys": elsewhere} {
		if _, err := w.Next(f.ctx); !errors.Is(err, store.ErrCompacted) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, err := f.kv.Watch(f.ctx, "", f.kv.Revision()+100); !errors.Is(err, store.ErrCompacted) {
		t.Errorf("from a future that this database never had: got %v", err)
	}
	before := f.kv.Revision()
	f.reopen()
	if _, err := f.kv.Watch(f.ctx, "", before-1); !errors.Is(err, store.ErrCompacted) {
		t.Errorf("from before a restart: got %v", err)
	}
	w := f.watch("", before)
	f.do(put("k", "after"))
	if got := f.next(w); len(got) != 1 || string(got[0].Value) != "after" {
		t.Errorf("over a restart: %+v", got)
	}
}

func testWatchEnds(t *testing.T, c Config) {
	f := open(t, c)
	end := func(name string, w store.Watch, ctx context.Context, how func(), want error) {
		t.Helper()
		result := make(chan error)
		go func() {
			_, err := w.Next(ctx)
			result <- err
		}()
		how()
		if err := <-result; !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", name, err, want)
		}
	}
	ctx, cancel := context.WithCancel(f.ctx)
	end("its context", f.watch("", 0), ctx, cancel, context.Canceled)
	w := f.watch("", 0)
	end("itself", w, f.ctx, w.Close, store.ErrClosed)
	w.Close()
	w = f.watch("", 0)
	end("the KV", w, f.ctx, f.reopen, store.ErrClosed)
}
