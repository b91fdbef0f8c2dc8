package store

import (
	"context"
	"encoding/base64"
	"strings"

	"github.com/haul-dl/haul/sdk/errs"
)

// walker goes over the keys with a prefix in pieces, so that no read
// transaction is ever open while somebody works on what was read.
type walker struct {
	store  *Store
	next   RangeRequest
	buffer []Entry
	ended  bool
}

// walk starts behind an id, or at the end when it is empty.
func (s *Store) walk(prefix, after string, reverse, keysOnly bool, piece int) *walker {
	r := RangeRequest{Prefix: prefix, Reverse: reverse, KeysOnly: keysOnly, Limit: min(piece, MaxRange)}
	if after != "" {
		r.After = prefix + after
	}
	return &walker{store: s, next: r}
}

// peek returns the next entry, or nil at the end.
func (w *walker) peek(ctx context.Context) (*Entry, error) {
	if len(w.buffer) > 0 {
		return &w.buffer[0], nil
	}
	if w.ended {
		return nil, nil
	}
	res, err := w.store.scan(ctx, w.next)
	if err != nil {
		return nil, err
	}
	w.buffer, w.ended = res.Entries, !res.More
	if len(w.buffer) == 0 {
		return nil, nil
	}
	w.next.After = w.buffer[len(w.buffer)-1].Key
	return &w.buffer[0], nil
}

// skip goes on to the entry behind the one that peek returned.
func (w *walker) skip() { w.buffer = w.buffer[1:] }

// id returns the id of an entry of the walker.
func (w *walker) id(e *Entry) string { return strings.TrimPrefix(e.Key, w.next.Prefix) }

// source is a list to read records from: the records themselves, or an index.
type source struct {
	prefix string
	index  bool
}

// page returns up to limit records behind a cursor. Records that are damaged,
// or that went away between the index and them, are passed over.
func page[T any](ctx context.Context, s *Store, k *kind[T], from source, limit int, cursor string) ([]T, string, error) {
	after, err := decodeCursor(k.name, false, cursor)
	if err != nil {
		return nil, "", err
	}
	limit = pageLimit(limit)
	w := s.walk(from.prefix, after, false, from.index, limit+1)
	out := []T{}
	for last := ""; ; w.skip() {
		e, err := w.peek(ctx)
		if err != nil || e == nil {
			return out, "", err
		}
		if len(out) == limit {
			return out, encodeCursor(k.name, false, last), nil
		}
		last = w.id(e)
		v, err := fetch(ctx, s, k, e, from.index)
		if err != nil {
			return nil, "", err
		}
		if v != nil {
			out = append(out, *v)
		}
	}
}

// fetch returns the record of an entry; nil for one to pass over.
func fetch[T any](ctx context.Context, s *Store, k *kind[T], e *Entry, index bool) (*T, error) {
	var v *T
	var err error
	if index {
		v, err = one(ctx, s, k, idOf(e.Key))
	} else {
		v, err = k.decode(e.Key, e.Value)
	}
	switch {
	case errs.Is(err, errs.NotFound):
		return nil, nil
	case isDamaged(err):
		s.log.Error("passing over a damaged record", "record", e.Key, "err", err)
		s.damaged.Store(k.name, true)
		return nil, nil
	}
	return v, err
}

// pageLimit makes any wish a limit.
func pageLimit(limit int) int {
	if limit <= 0 || limit > MaxRange {
		return MaxRange
	}
	return limit
}

// encodeCursor makes an opaque text of the place in a list.
func encodeCursor(list string, reverse bool, id string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(cursorHead(list, reverse) + id))
}

// decodeCursor returns the id in a cursor of the same list and direction, ""
// for no cursor, or errs.InvalidCursor.
func decodeCursor(list string, reverse bool, cursor string) (string, error) {
	if cursor == "" {
		return "", nil
	}
	b, err := base64.RawURLEncoding.DecodeString(cursor)
	id, ours := strings.CutPrefix(string(b), cursorHead(list, reverse))
	if err != nil || !ours || !validID(id) {
		return "", errs.New(errs.InvalidCursor, "The cursor is not one of this list.")
	}
	return id, nil
}

func cursorHead(list string, reverse bool) string {
	if reverse {
		return "1:" + list + ":desc:"
	}
	return "1:" + list + ":asc:"
}
