package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// maxDepth is how deep a value may be nested.
const maxDepth = 64

// maxDigits is how long a number may be, in characters.
const maxDigits = 64

var (
	errNotJSON = errors.New("is not valid JSON")
	errNumber  = errors.New("has a number that is out of range")
	errDepth   = errors.New("is nested too deeply")
)

// decode reads a value, numbers as they are written.
func decode(value []byte) (any, error) {
	decoded, err := jsonschema.UnmarshalJSON(bytes.NewReader(value))
	if err != nil {
		return nil, errNotJSON
	}
	return decoded, saneNumbers(decoded)
}

// saneNumbers refuses what would cost a lot to compute with: the validator
// counts with fractions of any length.
func saneNumbers(value any) error { return sane(value, maxDepth) }

func sane(value any, depth int) error {
	if depth < 0 {
		return errDepth
	}
	switch v := value.(type) {
	case json.Number:
		if _, err := strconv.ParseFloat(v.String(), 64); err != nil || len(v) > maxDigits {
			return errNumber
		}
	case []any:
		for _, inner := range v {
			if err := sane(inner, depth-1); err != nil {
				return err
			}
		}
	case map[string]any:
		for _, inner := range v {
			if err := sane(inner, depth-1); err != nil {
				return err
			}
		}
	}
	return nil
}
