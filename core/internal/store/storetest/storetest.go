// Package storetest is the conformance suite for engines of package store.
package storetest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/haul-dl/haul/core/internal/store"
)

// Config says how to get at an engine.
type Config struct {
	// Open opens the database in a directory, and makes it when it is missing.
	// The suite closes it.
	Open func(t *testing.T, dir string) store.KV
	// History is the number of commits after which a watch from before them is
	// compacted for certain.
	History int
}

// Run runs the suite.
func Run(t *testing.T, c Config) {
	for name, test := range map[string]func(*testing.T, Config){
		"keys are ordered as bytes":                         testOrder,
		"a range has the keys of its prefix":                testPrefixes,
		"pages join without gap or overlap":                 testPages,
		"what is returned belongs to the caller":            testOwnership,
		"requests outside of the limits are refused":        testLimits,
		"values up to the limit are kept":                   testLargeValue,
		"comparisons decide about all operations":           testCompare,
		"a transaction is made as a whole or not at all":    testAtomic,
		"operations of a transaction see each other":        testSequence,
		"counters count":                                    testCounter,
		"concurrent counters lose nothing":                  testConcurrentAdd,
		"of concurrent compare-and-swaps one wins":          testConcurrentSwap,
		"revisions ascend and survive a restart":            testRevisions,
		"what was committed survives a restart":             testDurable,
		"an ended context changes nothing":                  testCanceled,
		"a watch sees every change in order":                testWatchOrder,
		"a watch sees its prefix alone":                     testWatchPrefix,
		"between a range and a watch nothing is lost":       testWatchAfterRange,
		"a watch that is too old or too slow is told so":    testWatchCompacted,
		"a watch ends with its context, itself or the KV":   testWatchEnds,
		"a closed KV refuses everything":                    testClosed,
		"close waits for what is under way":                 testCloseWaits,
		"random transactions do what a sorted map does":     testModel,
		"readers see whole transactions beside the writers": testSnapshot,
	} {
		t.Run(name, func(t *testing.T) { test(t, c) })
	}
}

// patience is how long anything may take before the suite gives up.
const patience = 30 * time.Second

// fixture is one database under test.
type fixture struct {
	t   *testing.T
	cfg Config
	dir string
	kv  store.KV
	ctx context.Context
}

func open(t *testing.T, c Config) *fixture {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	f := &fixture{t: t, cfg: c, dir: t.TempDir(), ctx: ctx}
	f.kv = c.Open(t, f.dir)
	t.Cleanup(func() {
		cancel()
		if err := f.kv.Close(); err != nil {
			t.Error("close:", err)
		}
	})
	return f
}

// reopen is a restart.
func (f *fixture) reopen() {
	f.t.Helper()
	if err := f.kv.Close(); err != nil {
		f.t.Fatal(err)
	}
	f.kv = f.cfg.Open(f.t, f.dir)
}

func put(key, value string) store.Op {
	return store.Op{Type: store.OpPut, Key: key, Value: []byte(value)}
}

func del(key string) store.Op { return store.Op{Type: store.OpDelete, Key: key} }

func add(key string, delta int64) store.Op {
	return store.Op{Type: store.OpAdd, Key: key, Delta: delta}
}

// do commits operations without a condition.
func (f *fixture) do(ops ...store.Op) int64 {
	f.t.Helper()
	r, err := f.kv.Commit(f.ctx, &store.Txn{Then: ops})
	if err != nil || !r.Succeeded {
		f.t.Fatalf("commit: %+v, %v", r, err)
	}
	return r.Revision
}

func (f *fixture) get(key string) *store.Entry {
	f.t.Helper()
	e, err := f.kv.Get(f.ctx, key)
	if err != nil {
		f.t.Fatal(err)
	}
	return e
}

// value returns a key's value, and "(none)" where there is no such key.
func (f *fixture) value(key string) string {
	f.t.Helper()
	e := f.get(key)
	if e == nil {
		return "(none)"
	}
	return string(e.Value)
}

func (f *fixture) wantValue(key, want string) {
	f.t.Helper()
	if got := f.value(key); got != want {
		f.t.Errorf("%q is %q, want %q", key, got, want)
	}
}

func (f *fixture) scan(r store.RangeRequest) *store.RangeResult {
	f.t.Helper()
	res, err := f.kv.Range(f.ctx, r)
	if err != nil {
		f.t.Fatal(err)
	}
	return res
}

// keys returns every key with a prefix, page by page.
func (f *fixture) keys(prefix string, reverse bool, page int) []string {
	f.t.Helper()
	var out []string
	for r := (store.RangeRequest{Prefix: prefix, Reverse: reverse, Limit: page, KeysOnly: true}); ; {
		res := f.scan(r)
		for _, e := range res.Entries {
			out = append(out, e.Key)
		}
		if !res.More {
			return out
		}
		if len(res.Entries) == 0 {
			f.t.Fatal("an empty page says that there is more")
		}
		r.After = res.Entries[len(res.Entries)-1].Key
	}
}

func (f *fixture) fill(prefix string, n int) []string {
	f.t.Helper()
	keys := make([]string, n)
	ops := make([]store.Op, n)
	for i := range keys {
		keys[i] = fmt.Sprintf("%s%05d", prefix, i)
		ops[i] = put(keys[i], keys[i])
	}
	f.do(ops...)
	return keys
}
