package store

import (
	"context"
	"time"

	"github.com/haul-dl/haul/sdk/errs"
)

// sweepPiece is how many records one transaction of a sweep removes.
const sweepPiece = 200

// SweepIdempotency forgets the keys that were used before a time, and returns
// how many there were. It looks at nothing else.
func (s *Store) SweepIdempotency(ctx context.Context, before time.Time) (int, error) {
	return sweep(ctx, s, &s.kinds.idempotency, idempotencyAgeIndex, before)
}

// SweepTokens removes the tokens that expired before a time, and returns how
// many there were. It looks at nothing else.
func (s *Store) SweepTokens(ctx context.Context, before time.Time) (int, error) {
	return sweep(ctx, s, &s.kinds.token, tokenExpiryIndex, before)
}

// sweep removes what an index by time has from before a time, to the second.
func sweep[T any](ctx context.Context, s *Store, k *kind[T], index string, before time.Time) (int, error) {
	removed, end := 0, index+sortable(before)
	for {
		res, err := s.scan(ctx, RangeRequest{Prefix: index, Limit: sweepPiece, KeysOnly: true})
		if err != nil {
			return removed, err
		}
		n := 0
		for n < len(res.Entries) && res.Entries[n].Key < end {
			n++
		}
		if n == 0 {
			return removed, nil
		}
		gone := 0
		err = s.Update(ctx, func(tx *Tx) error {
			gone = 0
			for _, e := range res.Entries[:n] {
				ok, err := sweepOne(tx, k, e.Key)
				if err != nil {
					return err
				}
				if ok {
					gone++
				}
			}
			return nil
		})
		if err != nil {
			return removed, err
		}
		removed += gone
	}
}

// sweepOne removes the record of an index entry, unless it was renewed and the
// entry is not its own any more.
func sweepOne[T any](tx *Tx, k *kind[T], entry string) (bool, error) {
	if v, err := tx.read(entry); v == nil || err != nil {
		return false, err
	}
	if err := k.delete(tx, idOf(entry)); err != nil && !errs.Is(err, errs.NotFound) {
		return false, err
	}
	tx.remove(entry)
	return true, nil
}
