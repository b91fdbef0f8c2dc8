package storetest

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"sync"
	"testing"

	"github.com/haul-dl/haul/core/internal/store"
)

func testCompare(t *testing.T, c Config) {
	f := open(t, c)
	first := f.do(put("k", "1"))
	second := f.do(put("k", "2"))
	f.do(put("gone", "1"))
	f.do(del("gone"))
	tests := []struct {
		name string
		when []store.Compare
		want bool
	}{
		{"no condition", nil, true},
		{"the newest revision", []store.Compare{{Key: "k", ModRevision: second}}, true},
		{"an older revision", []store.Compare{{Key: "k", ModRevision: first}}, false},
		{"a revision to come", []store.Compare{{Key: "k", ModRevision: second + 100}}, false},
		{"absent, and it is there", []store.Compare{{Key: "k"}}, false},
		{"absent, and it never was there", []store.Compare{{Key: "never"}}, true},
		{"absent, and it is gone", []store.Compare{{Key: "gone"}}, true},
		{"there, and it is absent", []store.Compare{{Key: "never", ModRevision: first}}, false},
		{"one of two", []store.Compare{{Key: "k", ModRevision: second}, {Key: "k", ModRevision: first}}, false},
	}
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			key, before := fmt.Sprint("done/", i), f.kv.Revision()
			res, err := f.kv.Commit(f.ctx, &store.Txn{If: tt.when, Then: []store.Op{put(key, "v")}})
			if err != nil || res.Succeeded != tt.want {
				t.Fatalf("got %+v, %v", res, err)
			}
			if made := f.value(key) == "v"; made != tt.want {
				t.Errorf("made: %v", made)
			}
			if moved := f.kv.Revision() != before; moved != tt.want || res.Revision != f.kv.Revision() {
				t.Errorf("revision %d, was %d, answer %d", f.kv.Revision(), before, res.Revision)
			}
			if res, err = f.kv.Commit(f.ctx, &store.Txn{If: tt.when}); err != nil || res.Succeeded != tt.want {
				t.Errorf("comparisons alone: %+v, %v", res, err)
			}
		})
	}
}

func testAtomic(t *testing.T, c Config) {
	f := open(t, c)
	f.do(put("a", "old"), put("text", "no number"))
	_, err := f.kv.Commit(f.ctx, &store.Txn{Then: []store.Op{put("a", "new"), put("b", "new"), add("n", 1), add("text", 1)}})
	if !errors.Is(err, store.ErrInvalid) {
		t.Fatal("counted on a text:", err)
	}
	f.wantValue("a", "old")
	f.wantValue("b", "(none)")
	f.wantValue("n", "(none)")
	revision := f.do(put("a", "new"), del("text"), put("b", "new"))
	for _, key := range []string{"a", "b"} {
		if e := f.get(key); string(e.Value) != "new" || e.ModRevision != revision {
			t.Errorf("%+v, want revision %d", e, revision)
		}
	}
	f.wantValue("text", "(none)")
}

func testSequence(t *testing.T, c Config) {
	f := open(t, c)
	f.do(put("gone", "1"))
	f.do(put("a", "1"), put("a", "2"), put("b", "1"), del("b"), del("gone"), put("gone", "2"),
		add("n", 2), add("n", 3), put("m", "7"), add("m", 1), del("never"))
	for key, want := range map[string]string{"a": "2", "b": "(none)", "gone": "2", "n": "5", "m": "8", "never": "(none)"} {
		f.wantValue(key, want)
	}
}

func testCounter(t *testing.T, c Config) {
	f := open(t, c)
	for _, step := range []struct {
		delta int64
		want  string
	}{
		{5, "5"}, {-2, "3"}, {-3, "(none)"}, {-4, "-4"}, {4, "(none)"}, {math.MaxInt64, "9223372036854775807"},
	} {
		f.do(add("n", step.delta))
		f.wantValue("n", step.want)
	}
	if _, err := f.kv.Commit(f.ctx, &store.Txn{Then: []store.Op{add("n", 1)}}); !errors.Is(err, store.ErrInvalid) {
		t.Error("counted beyond the largest number:", err)
	}
	f.wantValue("n", "9223372036854775807")
}

// together runs fn in several goroutines and waits for all of them.
func together(n int, fn func(i int)) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { fn(i) })
	}
	wg.Wait()
}

func testConcurrentAdd(t *testing.T, c Config) {
	f := open(t, c)
	const workers, each = 16, 50
	together(workers, func(i int) {
		for j := range each {
			_, err := f.kv.Commit(f.ctx, &store.Txn{Then: []store.Op{
				add("all", 1), add(fmt.Sprint("worker/", i), 1), put(fmt.Sprintf("row/%d/%d", i, j), ""),
			}})
			if err != nil {
				t.Error(err)
				return
			}
		}
	})
	f.reopen()
	f.wantValue("all", strconv.Itoa(workers*each))
	f.wantValue("worker/3", strconv.Itoa(each))
	if got := len(f.keys("row/", false, 0)); got != workers*each {
		t.Errorf("%d rows", got)
	}
}

func testConcurrentSwap(t *testing.T, c Config) {
	f := open(t, c)
	const workers, rounds = 8, 40
	won := make([]int, rounds)
	var mu sync.Mutex // guards won
	for round := range rounds {
		var revision int64
		if e := f.get("k"); e != nil {
			revision = e.ModRevision
		}
		together(workers, func(i int) {
			res, err := f.kv.Commit(f.ctx, &store.Txn{
				If:   []store.Compare{{Key: "k", ModRevision: revision}},
				Then: []store.Op{put("k", strconv.Itoa(i)), add("n", 1)},
			})
			if err != nil {
				t.Error(err)
				return
			}
			if res.Succeeded {
				mu.Lock()
				won[round]++
				mu.Unlock()
			}
		})
	}
	for round, n := range won {
		if n != 1 {
			t.Errorf("round %d has %d winners", round, n)
		}
	}
	f.wantValue("n", strconv.Itoa(rounds))
}

// testSnapshot has writers keep two keys equal, and readers look at both.
func testSnapshot(t *testing.T, c Config) {
	f := open(t, c)
	f.do(put("p/a", "0"), put("p/b", "0"))
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				res, err := f.kv.Range(f.ctx, store.RangeRequest{Prefix: "p/"})
				if err != nil {
					t.Error(err)
					return
				}
				a, b := res.Entries[0], res.Entries[1]
				if string(a.Value) != string(b.Value) || a.ModRevision != b.ModRevision || a.ModRevision > res.Revision {
					t.Errorf("half a transaction shows: %+v", res)
					return
				}
			}
		})
	}
	together(4, func(i int) {
		for j := range 50 {
			v := fmt.Sprint(i, j)
			if _, err := f.kv.Commit(f.ctx, &store.Txn{Then: []store.Op{put("p/a", v), put("p/b", v)}}); err != nil {
				t.Error(err)
			}
		}
	})
	close(done)
	readers.Wait()
}
