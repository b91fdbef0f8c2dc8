package storetest

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/haul-dl/haul/core/internal/store"
)

// model is what a KV should be: a map, and a revision.
type model struct {
	entries  map[string]store.Entry
	revision int64
}

func (m *model) commit(t *store.Txn) bool {
	for _, c := range t.If {
		if m.entries[c.Key].ModRevision != c.ModRevision {
			return false
		}
	}
	next := maps.Clone(m.entries)
	changed := false
	for _, op := range t.Then {
		e, there := next[op.Key]
		switch op.Type {
		case store.OpPut:
			e.Value = op.Value
		case store.OpAdd:
			n, _ := strconv.ParseInt(string(e.Value), 10, 64)
			e.Value = strconv.AppendInt(nil, n+op.Delta, 10)
		}
		if op.Type == store.OpDelete || op.Type == store.OpAdd && string(e.Value) == "0" {
			delete(next, op.Key)
			_, before := m.entries[op.Key]
			changed = changed || there && before
			continue
		}
		next[op.Key] = store.Entry{Key: op.Key, Value: e.Value, ModRevision: m.revision + 1}
		changed = true
	}
	if changed {
		m.revision++
	}
	m.entries = next
	return true
}

func (m *model) scan(r store.RangeRequest) []store.Entry {
	keys := slices.Sorted(maps.Keys(m.entries))
	if r.Reverse {
		slices.Reverse(keys)
	}
	var out []store.Entry
	for _, k := range keys {
		behind := r.After == "" || (k > r.After) != r.Reverse && k != r.After
		if strings.HasPrefix(k, r.Prefix) && behind && len(out) < r.Limit {
			out = append(out, m.entries[k])
		}
	}
	return out
}

// testModel compares the engine with the model over random transactions. The
// seed is fixed: a failure repeats.
func testModel(t *testing.T, c Config) {
	f := open(t, c)
	rng := rand.New(rand.NewPCG(7, 42)) //nolint:gosec // no secret
	m := &model{entries: map[string]store.Entry{}}
	for step := range 400 {
		txn := m.random(rng)
		res, err := f.kv.Commit(f.ctx, txn)
		if err != nil {
			t.Fatalf("step %d: %v of %+v", step, err, txn)
		}
		if want := m.commit(txn); res.Succeeded != want || f.kv.Revision() != m.revision {
			t.Fatalf("step %d: %+v at %d, want %v at %d, of %+v", step, res, f.kv.Revision(), want, m.revision, txn)
		}
		r := store.RangeRequest{Prefix: m.randomKey(rng)[:rng.IntN(3)], Limit: 1 + rng.IntN(20), Reverse: rng.IntN(2) == 0}
		if rng.IntN(2) == 0 {
			r.After = m.randomKey(rng)
		}
		if got, want := f.scan(r).Entries, m.scan(r); !slices.EqualFunc(got, want, sameEntry) {
			t.Fatalf("step %d: %+v\ngot  %v\nwant %v", step, r, got, want)
		}
		if step%100 == 99 {
			f.reopen()
		}
	}
}

func sameEntry(a, b store.Entry) bool {
	return a.Key == b.Key && string(a.Value) == string(b.Value) && a.ModRevision == b.ModRevision
}

func (m *model) randomKey(rng *rand.Rand) string {
	return fmt.Sprintf("%c/%d", "abc"[rng.IntN(3)], rng.IntN(10))
}

// random makes a transaction; keys below "c/" are counters.
func (m *model) random(rng *rand.Rand) *store.Txn {
	t := &store.Txn{}
	for range rng.IntN(3) {
		c := store.Compare{Key: m.randomKey(rng)}
		c.ModRevision = m.entries[c.Key].ModRevision
		if rng.IntN(5) == 0 {
			c.ModRevision++
		}
		t.If = append(t.If, c)
	}
	for range 1 + rng.IntN(5) {
		op := store.Op{Type: store.OpPut, Key: m.randomKey(rng), Value: strconv.AppendInt(nil, rng.Int64(), 36)}
		switch {
		case rng.IntN(4) == 0:
			op.Type, op.Value = store.OpDelete, nil
		case strings.HasPrefix(op.Key, "c/"):
			op.Type, op.Value, op.Delta = store.OpAdd, nil, rng.Int64N(7)-3
		}
		t.Then = append(t.Then, op)
	}
	return t
}
