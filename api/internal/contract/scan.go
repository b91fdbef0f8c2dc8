package contract

import (
	"bytes"
	"encoding/json"
)

// skipSpace stops at the next byte that is no white space.
func (w *walker) skipSpace() {
	for {
		switch w.body[w.pos] {
		case ' ', '\t', '\r', '\n':
			w.pos++
		default:
			return
		}
	}
}

// skipTo stops at the value behind the separator that comes next.
func (w *walker) skipTo(separator byte) {
	w.skipSpace()
	if w.body[w.pos] == separator {
		w.pos++
	}
	w.skipSpace()
}

func (w *walker) skipComma() { w.skipTo(',') }

// key returns the property's name at the position. It is never nil.
func (w *walker) key() []byte { return unescape(w.str()) }

// str returns what stands between the quotes, as it is written.
func (w *walker) str() []byte {
	w.pos++
	start := w.pos
	for w.body[w.pos] != '"' {
		if w.body[w.pos] == '\\' {
			w.pos++
		}
		w.pos++
	}
	w.pos++
	return w.body[start : w.pos-1]
}

// unescape returns what a written string means.
func unescape(raw []byte) []byte {
	if bytes.IndexByte(raw, '\\') < 0 {
		return raw
	}
	var s string
	quoted := append(append([]byte{'"'}, raw...), '"')
	if err := json.Unmarshal(quoted, &s); err != nil {
		return raw // not reached: the body is valid JSON
	}
	return []byte(s)
}

// literal returns the number, true, false or null at the position.
func (w *walker) literal() []byte {
	start := w.pos
	for ; w.pos < len(w.body); w.pos++ {
		switch w.body[w.pos] {
		case ' ', '\t', '\r', '\n', ',', ']', '}':
			return w.body[start:w.pos]
		}
	}
	return w.body[start:]
}

// skipValue goes behind the value at the position, whatever it is.
func (w *walker) skipValue() {
	depth := 0
	for {
		switch w.body[w.pos] {
		case '"':
			w.str()
		case '{', '[':
			depth++
			w.pos++
		case '}', ']':
			depth--
			w.pos++
		case ' ', '\t', '\r', '\n', ',', ':':
			w.pos++
			continue
		default:
			w.literal()
		}
		if depth == 0 {
			return
		}
	}
}
