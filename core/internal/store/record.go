package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/haul-dl/haul/sdk/errs"
)

// recordVersion is the first byte of every record; JSON follows.
const recordVersion = 1

// maxID is how long an id may be; haul's own have 36 bytes.
const maxID = 128

// kind is how one kind of record is stored. The functions must depend on
// nothing but the record.
type kind[T any] struct {
	// name is for messages, and comes before the id in the key.
	name string
	id   func(*T) string
	// entries are the keys of its index entries, which end in the id.
	entries func(*T) []string
	// unique are keys that no other record may have.
	unique func(*T) []string
	// counters are the keys of the counters that count it.
	counters func(*T) []string
	// marshal and unmarshal are nil for plain JSON, as is same.
	marshal   func(key string, v *T) ([]byte, error)
	unmarshal func(key string, b []byte, v *T) error
	// same reports that writing b over a changes nothing.
	same func(a, b *T) bool
}

func (k *kind[T]) prefix() string { return k.name + "/" }

func (k *kind[T]) key(id string) string { return k.prefix() + id }

// validID reports whether an id can be the last part of a key. What is no id
// is not found; it must not lead to other keys.
func validID(id string) bool {
	return id != "" && len(id) <= maxID && !strings.Contains(id, "/")
}

func (k *kind[T]) notFound(id string) error {
	if len(id) > maxID {
		id = id[:maxID] + "…"
	}
	return errs.New(errs.NotFound, "There is no %s %q.", k.name, id)
}

func (k *kind[T]) encode(key string, v *T) ([]byte, error) {
	var b []byte
	var err error
	if k.marshal != nil {
		b, err = k.marshal(key, v)
	} else {
		b, err = json.Marshal(v)
	}
	if err != nil {
		return nil, errs.Wrap(err, errs.Internal, "The %s cannot be stored.", k.name)
	}
	return append([]byte{recordVersion}, b...), nil
}

func (k *kind[T]) decode(key string, value []byte) (*T, error) {
	v := new(T)
	var err error
	switch {
	case len(value) == 0 || value[0] != recordVersion:
		return nil, k.damaged(key, nil)
	case k.unmarshal != nil:
		err = k.unmarshal(key, value[1:], v)
	default:
		err = json.Unmarshal(value[1:], v)
	}
	if err != nil {
		return nil, k.damaged(key, err)
	}
	if k.key(k.id(v)) != key {
		return nil, k.damaged(key, nil)
	}
	return v, nil
}

func (k *kind[T]) damaged(key string, err error) error {
	return errs.Wrap(err, errs.Internal, "The record of %s %q is damaged.", k.name, strings.TrimPrefix(key, k.prefix())).
		WithHint("Restore a backup of the database; what is not damaged goes on to work.")
}

// isDamaged tells a damaged record from a machine that fails.
func isDamaged(err error) bool {
	e, ok := errors.AsType[*errs.Error](err)
	return ok && e.Code == errs.Internal
}

// unchanged reports that storing encoded over stored changes nothing.
func (k *kind[T]) unchanged(stored, encoded []byte, old, v *T) bool {
	if k.same != nil {
		return k.same(old, v)
	}
	return bytes.Equal(stored, encoded)
}

// traces is what a record leaves beside itself.
type traces struct{ entries, unique, counters []string }

func (k *kind[T]) traces(v *T) traces {
	var t traces
	if v == nil {
		return t
	}
	if k.entries != nil {
		t.entries = k.entries(v)
	}
	if k.unique != nil {
		t.unique = k.unique(v)
	}
	if k.counters != nil {
		t.counters = k.counters(v)
	}
	return t
}

// added returns what after has and before has not.
func added(before, after []string) []string {
	var out []string
	for _, s := range after {
		if !slices.Contains(before, s) {
			out = append(out, s)
		}
	}
	return out
}

// idOf returns the last part of a key.
func idOf(key string) string { return key[strings.LastIndexByte(key, '/')+1:] }
