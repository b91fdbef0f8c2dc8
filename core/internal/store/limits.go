package store

import (
	"errors"
	"fmt"
)

// ErrInvalid says that a request is outside of the limits of a KV. It is a
// fault of the caller, not of the machine.
var ErrInvalid = errors.New("store: invalid request")

// CheckKey returns ErrInvalid for a key that no KV takes.
func CheckKey(key string) error {
	switch n := len(key); {
	case n == 0:
		return fmt.Errorf("%w: empty key", ErrInvalid)
	case n > MaxKeySize:
		return fmt.Errorf("%w: key of %d bytes, at most %d are allowed", ErrInvalid, n, MaxKeySize)
	}
	return nil
}

// Check returns ErrInvalid for a request that no KV takes.
func (r *RangeRequest) Check() error {
	switch {
	case r.Limit < 0 || r.Limit > MaxRange:
		return fmt.Errorf("%w: limit %d, 0 to %d are allowed", ErrInvalid, r.Limit, MaxRange)
	case len(r.Prefix) > MaxKeySize || len(r.After) > MaxKeySize:
		return fmt.Errorf("%w: prefix or position longer than a key", ErrInvalid)
	}
	return nil
}

// Check returns ErrInvalid for a transaction that no KV takes.
func (t *Txn) Check() error {
	for i := range t.If {
		if err := CheckKey(t.If[i].Key); err != nil {
			return err
		}
	}
	for i := range t.Then {
		if err := t.Then[i].check(); err != nil {
			return err
		}
	}
	return nil
}

func (o *Op) check() error {
	if err := CheckKey(o.Key); err != nil {
		return err
	}
	if o.Type < OpPut || o.Type > OpAdd {
		return fmt.Errorf("%w: unknown operation %d", ErrInvalid, o.Type)
	}
	if len(o.Value) > MaxValueSize {
		return fmt.Errorf("%w: value of %d bytes, at most %d are allowed", ErrInvalid, len(o.Value), MaxValueSize)
	}
	return nil
}
