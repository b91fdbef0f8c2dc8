package storetest

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/haul-dl/haul/core/internal/store"
)

func testOrder(t *testing.T, c Config) {
	f := open(t, c)
	want := []string{"\x00", "a", "a\x00", "a/", "a/b", "aa", "b", "\u00e4", "\xff", "\xff\xff"}
	for _, i := range []int{3, 9, 0, 5, 1, 8, 4, 2, 7, 6} {
		f.do(put(want[i], "v"))
	}
	if got := f.keys("", false, 0); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	slices.Reverse(want)
	if got := f.keys("", true, 3); !slices.Equal(got, want) {
		t.Errorf("in reverse: got %q, want %q", got, want)
	}
}

func testPrefixes(t *testing.T, c Config) {
	f := open(t, c)
	for _, k := range []string{"a", "b", "b/1", "b/2", "b0", "c", "\xff", "\xff\xff", "\xff\xff1"} {
		f.do(put(k, "v"))
	}
	tests := []struct {
		name, prefix string
		want         []string
	}{
		{"a folder", "b/", []string{"b/1", "b/2"}},
		{"a name and what begins with it", "b", []string{"b", "b/1", "b/2", "b0"}},
		{"a whole key", "b/1", []string{"b/1"}},
		{"nothing before", "0", nil},
		{"nothing between", "b/3", nil},
		{"bytes that have no successor", "\xff\xff", []string{"\xff\xff", "\xff\xff1"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := f.keys(tt.prefix, false, 0); !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			want := slices.Clone(tt.want)
			slices.Reverse(want)
			if got := f.keys(tt.prefix, true, 1); !slices.Equal(got, want) {
				t.Errorf("in reverse: got %q, want %q", got, want)
			}
		})
	}
}

func testPages(t *testing.T, c Config) {
	f := open(t, c)
	f.fill("a/", 3)
	want := f.fill("b/", store.MaxRange+500)
	f.fill("c/", 3)
	for _, page := range []int{0, 7, 500, store.MaxRange} {
		if got := f.keys("b/", false, page); !slices.Equal(got, want) {
			t.Errorf("pages of %d: got %d keys, want %d", page, len(got), len(want))
		}
		got := f.keys("b/", true, page)
		slices.Reverse(got)
		if !slices.Equal(got, want) {
			t.Errorf("pages of %d in reverse: got %d keys, want %d", page, len(got), len(want))
		}
	}
	if res := f.scan(store.RangeRequest{Prefix: "b/"}); len(res.Entries) != store.MaxRange || !res.More {
		t.Errorf("without a limit: %d entries, more %v", len(res.Entries), res.More)
	}
	// A position need not exist, nor lie inside of the prefix.
	for after, first := range map[string]string{
		"b/00001x": "b/00002", "a": "b/00000", "b/00000": "b/00001",
	} {
		if res := f.scan(store.RangeRequest{Prefix: "b/", After: after, Limit: 1}); res.Entries[0].Key != first {
			t.Errorf("after %q comes %q, want %q", after, res.Entries[0].Key, first)
		}
	}
	for before, first := range map[string]string{"b/00001x": "b/00001", "z": "b/01499", "b/00001": "b/00000"} {
		if res := f.scan(store.RangeRequest{Prefix: "b/", After: before, Limit: 1, Reverse: true}); res.Entries[0].Key != first {
			t.Errorf("before %q comes %q, want %q", before, res.Entries[0].Key, first)
		}
	}
	if res := f.scan(store.RangeRequest{Prefix: "b/", After: "c"}); len(res.Entries) != 0 || res.More {
		t.Errorf("behind the prefix: %+v", res)
	}
}

func testOwnership(t *testing.T, c Config) {
	f := open(t, c)
	value := []byte("value")
	f.do(store.Op{Type: store.OpPut, Key: "k", Value: value})
	copy(value, "XXXXX")
	f.wantValue("k", "value")
	copy(f.get("k").Value, "XXXXX")
	copy(f.scan(store.RangeRequest{}).Entries[0].Value, "XXXXX")
	f.wantValue("k", "value")
	if e := f.scan(store.RangeRequest{KeysOnly: true}).Entries[0]; e.Value != nil || e.ModRevision == 0 {
		t.Errorf("keys only: %+v", e)
	}
	f.do(put("empty", ""))
	if e := f.get("empty"); e == nil || len(e.Value) != 0 {
		t.Errorf("an empty value: %+v", e)
	}
}

func testLimits(t *testing.T, c Config) {
	f := open(t, c)
	long := strings.Repeat("k", store.MaxKeySize)
	f.do(put(long, "v"))
	f.wantValue(long, "v")
	before := f.kv.Revision()
	large := store.Op{Type: store.OpPut, Key: "k", Value: make([]byte, store.MaxValueSize+1)}
	for name, txn := range map[string]*store.Txn{
		"no key":                 {Then: []store.Op{put("", "v")}},
		"a long key":             {Then: []store.Op{put(long+"k", "v")}},
		"a large value":          {Then: []store.Op{large}},
		"a large one among good": {Then: []store.Op{put("good", "v"), large}},
		"no operation":           {Then: []store.Op{{Key: "k"}}},
		"an unknown operation":   {Then: []store.Op{{Type: 99, Key: "k"}}},
		"no key to compare":      {If: []store.Compare{{}}, Then: []store.Op{put("good", "v")}},
	} {
		if _, err := f.kv.Commit(f.ctx, txn); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	f.wantValue("good", "(none)")
	if f.kv.Revision() != before {
		t.Error("a refused transaction has a revision")
	}
	for name, r := range map[string]store.RangeRequest{
		"a limit below 0":       {Limit: -1},
		"a limit over the most": {Limit: store.MaxRange + 1},
		"a long prefix":         {Prefix: long + "k"},
	} {
		if _, err := f.kv.Range(f.ctx, r); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, err := f.kv.Get(f.ctx, ""); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("get without a key: got %v", err)
	}
}

func testLargeValue(t *testing.T, c Config) {
	f := open(t, c)
	large := bytes.Repeat([]byte("0123456789abcdef"), store.MaxValueSize/16)
	f.do(store.Op{Type: store.OpPut, Key: "v/1", Value: large}, put("v/2", "small"))
	f.reopen()
	if got := f.get("v/1"); !bytes.Equal(got.Value, large) {
		t.Errorf("got %d bytes", len(got.Value))
	}
	if got := f.keys("v/", false, 0); len(got) != 2 {
		t.Errorf("got %q", got)
	}
}
