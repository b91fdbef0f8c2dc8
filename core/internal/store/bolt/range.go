package bolt

import (
	"bytes"
	"context"

	"go.etcd.io/bbolt"

	"github.com/haul-dl/haul/core/internal/store"
)

// maxRangeBytes bounds what one Range copies: a thousand large values must
// not fill the memory.
const maxRangeBytes = 32 << 20

// Range returns a part of the entries whose keys have a prefix.
func (db *DB) Range(ctx context.Context, r store.RangeRequest) (*store.RangeResult, error) {
	if err := r.Check(); err != nil {
		return nil, err
	}
	if r.Limit == 0 {
		r.Limit = store.MaxRange
	}
	out := &store.RangeResult{}
	err := db.view(ctx, func(tx *bbolt.Tx) error {
		out.Revision = storedRevision(tx)
		return scan(tx.Bucket(dataBucket).Cursor(), &r, out)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func scan(c *bbolt.Cursor, r *store.RangeRequest, out *store.RangeResult) error {
	prefix, size := []byte(r.Prefix), 0
	next := c.Next
	if r.Reverse {
		next = c.Prev
	}
	for k, v := first(c, r); k != nil && bytes.HasPrefix(k, prefix); k, v = next() {
		if len(out.Entries) == r.Limit || size > maxRangeBytes {
			out.More = true
			return nil
		}
		e, err := decodeEntry(string(k), v, r.KeysOnly)
		if err != nil {
			return err
		}
		out.Entries = append(out.Entries, e)
		size += len(e.Key) + len(e.Value)
	}
	return nil
}

// first moves the cursor to the first wanted entry.
func first(c *bbolt.Cursor, r *store.RangeRequest) (k, v []byte) {
	if r.Reverse {
		return last(c, r)
	}
	if r.After < r.Prefix {
		return c.Seek([]byte(r.Prefix))
	}
	if k, v = c.Seek([]byte(r.After)); r.After != "" && string(k) == r.After {
		return c.Next()
	}
	return k, v
}

// last moves the cursor to the greatest key below the end of the prefix and
// below After.
func last(c *bbolt.Cursor, r *store.RangeRequest) (k, v []byte) {
	end := prefixEnd(r.Prefix)
	if r.After != "" && (end == "" || r.After < end) {
		end = r.After
	}
	if end == "" {
		return c.Last()
	}
	if k, _ = c.Seek([]byte(end)); k == nil {
		return c.Last()
	}
	return c.Prev()
}

// prefixEnd returns the smallest key above all keys with the prefix, or ""
// where there is none.
func prefixEnd(prefix string) string {
	b := []byte(prefix)
	for i := len(b) - 1; i >= 0; i-- {
		if b[i] < 0xff {
			b[i]++
			return string(b[:i+1])
		}
	}
	return ""
}
