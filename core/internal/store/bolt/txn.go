package bolt

import (
	"encoding/binary"
	"fmt"
	"math"
	"strconv"

	"go.etcd.io/bbolt"

	"github.com/haul-dl/haul/core/internal/store"
)

// holds reports whether all conditions are met.
func holds(data *bbolt.Bucket, conditions []store.Compare) bool {
	for i := range conditions {
		var revision int64
		if v := data.Get([]byte(conditions[i].Key)); len(v) >= revisionSize {
			revision = int64(binary.BigEndian.Uint64(v)) //nolint:gosec // written by encodeValue
		}
		if revision != conditions[i].ModRevision {
			return false
		}
	}
	return true
}

// planned is what becomes of one key.
type planned struct {
	key     string
	value   []byte
	deleted bool
}

// plan works out what the operations do, one entry for each key, before
// anything is done: an operation that is not possible must not leave others.
func plan(data *bbolt.Bucket, ops []store.Op) ([]planned, error) {
	out := make([]planned, 0, len(ops))
	position := make(map[string]int, len(ops))
	for i := range ops {
		op := &ops[i]
		at, again := position[op.Key]
		p := planned{key: op.Key, value: op.Value, deleted: op.Type == store.OpDelete}
		if op.Type == store.OpAdd {
			current := payload(data.Get([]byte(op.Key)))
			if again {
				current = out[at].value
			}
			var err error
			if p, err = add(op, current); err != nil {
				return nil, err
			}
		}
		if again {
			out[at] = p
			continue
		}
		position[op.Key] = len(out)
		out = append(out, p)
	}
	return withoutIdle(data, out), nil
}

// withoutIdle drops deletions of what is not there.
func withoutIdle(data *bbolt.Bucket, all []planned) []planned {
	kept := all[:0]
	for _, p := range all {
		if p.deleted && data.Get([]byte(p.key)) == nil {
			continue
		}
		kept = append(kept, p)
	}
	return kept
}

func payload(stored []byte) []byte {
	if len(stored) < revisionSize {
		return nil
	}
	return stored[revisionSize:]
}

func add(op *store.Op, current []byte) (planned, error) {
	var n int64
	if len(current) > 0 {
		var err error
		if n, err = strconv.ParseInt(string(current), 10, 64); err != nil {
			return planned{}, fmt.Errorf("%w: %q is not a counter", store.ErrInvalid, op.Key)
		}
	}
	if op.Delta > 0 && n > math.MaxInt64-op.Delta || op.Delta < 0 && n < math.MinInt64-op.Delta {
		return planned{}, fmt.Errorf("%w: counter %q overflows", store.ErrInvalid, op.Key)
	}
	n += op.Delta
	if n == 0 {
		return planned{key: op.Key, deleted: true}, nil
	}
	return planned{key: op.Key, value: strconv.AppendInt(nil, n, 10)}, nil
}
