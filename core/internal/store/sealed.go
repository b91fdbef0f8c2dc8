package store

import (
	"bytes"
	"encoding/json"

	"github.com/haul-dl/haul/core/internal/secret"
)

// withSealedOptions seals a field of options in the records of a kind: they may
// hold passwords. One that was stored as an object is read as it is.
func withSealedOptions[T any](k kind[T], box *secret.Box, field func(*T) *json.RawMessage) kind[T] {
	marshal, unmarshal := k.marshal, k.unmarshal
	if marshal == nil {
		marshal = func(_ string, v *T) ([]byte, error) { return json.Marshal(v) }
		unmarshal = func(_ string, b []byte, v *T) error { return json.Unmarshal(b, v) }
	}
	k.marshal = func(key string, v *T) ([]byte, error) {
		stored := *v
		if options := field(&stored); len(*options) > 0 {
			text, err := json.Marshal(box.Seal(*options, optionsPlace(key)))
			if err != nil {
				return nil, err
			}
			*options = text
		}
		return marshal(key, &stored)
	}
	k.unmarshal = func(key string, b []byte, v *T) error {
		if err := unmarshal(key, b, v); err != nil {
			return err
		}
		options := field(v)
		if !bytes.HasPrefix(*options, []byte{'"'}) {
			return nil
		}
		var sealed []byte
		err := json.Unmarshal(*options, &sealed)
		if err == nil {
			*options, err = box.Open(sealed, optionsPlace(key))
		}
		return err
	}
	if k.same == nil {
		k.same = samePlain[T]
	}
	return k
}

// optionsPlace is what sealed options are bound to.
func optionsPlace(key string) []byte { return []byte(key + "/options") }

// samePlain compares in clear, since nothing is sealed alike twice.
func samePlain[T any](a, b *T) bool {
	plainA, errA := json.Marshal(a)
	plainB, errB := json.Marshal(b)
	return errA == nil && errB == nil && bytes.Equal(plainA, plainB)
}
