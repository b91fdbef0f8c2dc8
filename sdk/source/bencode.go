package source

import (
	"bytes"
	"errors"
	"fmt"
	"math"
)

// maxDepth bounds how deep values may lie in each other.
const maxDepth = 100

var errNotBencode = errors.New("not bencoded")

// bvalue is one bencoded value, a part of the input that parseBencode has
// checked: reading it makes no copies, and cannot run over its end.
type bvalue []byte

// bentry is one entry of a dictionary.
type bentry struct {
	key   []byte
	value bvalue
}

// parseBencode checks all of b: one value, in the one way that it can be
// written, with nothing after it.
func parseBencode(b []byte) (bvalue, error) {
	n, err := scan(b, 0, 0)
	if err != nil {
		return nil, err
	}
	if n != len(b) {
		return nil, fmt.Errorf("%d bytes after the end at byte %d", len(b)-n, n)
	}
	return b, nil
}

// scan checks the value at b[at:] and returns where it ends.
func scan(b []byte, at, depth int) (end int, _ error) {
	if at >= len(b) {
		return 0, fmt.Errorf("%w: cut off at byte %d", errNotBencode, at)
	}
	if depth > maxDepth {
		return 0, fmt.Errorf("%w: nested too deep at byte %d", errNotBencode, at)
	}
	switch c := b[at]; {
	case c == 'i':
		return scanInt(b, at)
	case c == 'l':
		return scanList(b, at, depth)
	case c == 'd':
		return scanDict(b, at, depth)
	case c >= '0' && c <= '9':
		_, end, err := scanString(b, at)
		return end, err
	}
	return 0, fmt.Errorf("%w: unexpected byte at %d", errNotBencode, at)
}

func scanList(b []byte, at, depth int) (int, error) {
	at++
	for at < len(b) && b[at] != 'e' {
		end, err := scan(b, at, depth+1)
		if err != nil {
			return 0, err
		}
		at = end
	}
	return closing(b, at)
}

func scanDict(b []byte, at, depth int) (int, error) {
	at++
	var last []byte
	for first := true; at < len(b) && b[at] != 'e'; first = false {
		key, end, err := scanString(b, at)
		if err != nil {
			return 0, err
		}
		if !first && bytes.Compare(last, key) >= 0 {
			return 0, fmt.Errorf("%w: keys out of order or twice at byte %d", errNotBencode, at)
		}
		last = key
		if at, err = scan(b, end, depth+1); err != nil {
			return 0, err
		}
	}
	return closing(b, at)
}

func closing(b []byte, at int) (int, error) {
	if at >= len(b) {
		return 0, fmt.Errorf("%w: cut off at byte %d", errNotBencode, at)
	}
	return at + 1, nil
}

func scanString(b []byte, at int) (s []byte, end int, _ error) {
	n, colon, err := scanDigits(b, at)
	if err != nil {
		return nil, 0, err
	}
	if colon >= len(b) || b[colon] != ':' {
		return nil, 0, fmt.Errorf("%w: no string at byte %d", errNotBencode, at)
	}
	start := colon + 1
	if n > int64(len(b)-start) {
		return nil, 0, fmt.Errorf("%w: cut off at byte %d", errNotBencode, len(b))
	}
	end = start + int(n)
	return b[start:end], end, nil
}

func scanInt(b []byte, at int) (int, error) {
	digits := at + 1
	negative := digits < len(b) && b[digits] == '-'
	if negative {
		digits++
	}
	n, end, err := scanDigits(b, digits)
	if err != nil {
		return 0, err
	}
	if (negative && n == 0) || end >= len(b) || b[end] != 'e' {
		return 0, fmt.Errorf("%w: no number at byte %d", errNotBencode, at)
	}
	return end + 1, nil
}

// scanDigits reads a number without sign and without leading zeros.
func scanDigits(b []byte, at int) (n int64, end int, _ error) {
	for end = at; end < len(b) && b[end] >= '0' && b[end] <= '9'; end++ {
		digit := int64(b[end] - '0')
		if n > (math.MaxInt64-digit)/10 {
			return 0, 0, fmt.Errorf("%w: number too large at byte %d", errNotBencode, at)
		}
		n = n*10 + digit
	}
	if end == at || (b[at] == '0' && end > at+1) {
		return 0, 0, fmt.Errorf("%w: no number at byte %d", errNotBencode, at)
	}
	return n, end, nil
}

func (v bvalue) is(kind byte) bool { return len(v) > 0 && v[0] == kind }

// int returns a number, and whether v is one.
func (v bvalue) int() (int64, bool) {
	if !v.is('i') {
		return 0, false
	}
	if v[1] == '-' {
		n, _, err := scanDigits(v, 2)
		return -n, err == nil
	}
	n, _, err := scanDigits(v, 1)
	return n, err == nil
}

// bytes returns a string, and whether v is one.
func (v bvalue) bytes() ([]byte, bool) {
	if len(v) == 0 || v[0] < '0' || v[0] > '9' {
		return nil, false
	}
	s, _, err := scanString(v, 0)
	return s, err == nil
}

// items yields the values of a list, nothing for what is none.
func (v bvalue) items(yield func(bvalue) bool) {
	if !v.is('l') {
		return
	}
	for at := 1; v[at] != 'e'; {
		end, err := scan(v, at, 0)
		if err != nil || !yield(v[at:end]) {
			return
		}
		at = end
	}
}

// entries yields the entries of a dictionary, nothing for what is none.
func (v bvalue) entries(yield func(bentry) bool) {
	if !v.is('d') {
		return
	}
	for at := 1; v[at] != 'e'; {
		key, start, err := scanString(v, at)
		if err != nil {
			return
		}
		end, err := scan(v, start, 0)
		if err != nil || !yield(bentry{key, v[start:end]}) {
			return
		}
		at = end
	}
}

// get returns the value of a key, nil where there is none.
func (v bvalue) get(key string) bvalue {
	for e := range v.entries {
		if string(e.key) == key {
			return e.value
		}
	}
	return nil
}
