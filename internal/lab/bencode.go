package lab

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
)

// dict and list are what bencode makes of objects and arrays.
type (
	dict = map[string]any
	list = []any
)

// bencode encodes int, int64, string, list and dict.
func bencode(v any) []byte {
	var b bytes.Buffer
	encodeTo(&b, v)
	return b.Bytes()
}

func encodeTo(w *bytes.Buffer, v any) {
	switch v := v.(type) {
	case int:
		fmt.Fprintf(w, "i%de", v)
	case int64:
		fmt.Fprintf(w, "i%de", v)
	case string:
		fmt.Fprintf(w, "%d:%s", len(v), v)
	case list:
		w.WriteByte('l')
		for _, e := range v {
			encodeTo(w, e)
		}
		w.WriteByte('e')
	case dict:
		keys := make([]string, 0, len(v))
		for k := range v {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		w.WriteByte('d')
		for _, k := range keys {
			encodeTo(w, k)
			encodeTo(w, v[k])
		}
		w.WriteByte('e')
	default:
		panic(fmt.Sprintf("lab: cannot bencode a %T", v))
	}
}

// maxDepth bounds what a peer can make us recurse into.
const maxDepth = 8

// bdecode decodes the value at the front of b into int64, string, list or
// dict, and returns what follows it.
func bdecode(b []byte) (v any, rest []byte, err error) { return decode(b, maxDepth) }

func decode(b []byte, depth int) (v any, rest []byte, err error) {
	if len(b) == 0 {
		return nil, nil, io.ErrUnexpectedEOF
	}
	if depth == 0 {
		return nil, nil, errors.New("bencode: nested too deep")
	}
	switch c := b[0]; {
	case c == 'i':
		return decodeInt(b[1:])
	case c == 'l':
		return decodeList(b[1:], depth-1)
	case c == 'd':
		l, rest, err := decodeList(b[1:], depth-1)
		if err != nil {
			return nil, nil, err
		}
		return toDict(l), rest, nil
	case c >= '0' && c <= '9':
		return decodeString(b)
	}
	return nil, nil, errors.New("bencode: unknown type")
}

func decodeInt(b []byte) (any, []byte, error) {
	digits, rest, ok := bytes.Cut(b, []byte("e"))
	if !ok {
		return nil, nil, io.ErrUnexpectedEOF
	}
	n, err := strconv.ParseInt(string(digits), 10, 64)
	return n, rest, err
}

func decodeString(b []byte) (any, []byte, error) {
	digits, rest, ok := bytes.Cut(b, []byte(":"))
	if !ok {
		return nil, nil, io.ErrUnexpectedEOF
	}
	n, err := strconv.Atoi(string(digits))
	if err != nil || n > len(rest) {
		return nil, nil, errors.New("bencode: bad string")
	}
	return string(rest[:n]), rest[n:], nil
}

func decodeList(b []byte, depth int) (list, []byte, error) {
	var l list
	for len(b) > 0 && b[0] != 'e' {
		e, rest, err := decode(b, depth)
		if err != nil {
			return nil, nil, err
		}
		l, b = append(l, e), rest
	}
	if len(b) == 0 {
		return nil, nil, io.ErrUnexpectedEOF
	}
	return l, b[1:], nil
}

func toDict(l list) dict {
	d := dict{}
	for i := 0; i+1 < len(l); i += 2 {
		if k, ok := l[i].(string); ok {
			d[k] = l[i+1]
		}
	}
	return d
}
