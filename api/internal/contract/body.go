package contract

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/haul-dl/haul/sdk/errs"
)

// CheckJSON refuses a body that is not one JSON value (errs.InvalidJSON), that
// has fields which do not exist, compared letter by letter
// (errs.UnknownField), or whose values are not valid (errs.InvalidRequest).
// A body that is right costs one allocation.
func (s *Schema) CheckJSON(body []byte) error {
	if !utf8.Valid(body) {
		return errs.New(errs.InvalidJSON, "The body is not valid UTF-8.")
	}
	if !json.Valid(body) {
		return notJSON(body)
	}
	w := walker{body: body}
	w.path = w.room[:0]
	w.skipSpace()
	w.value(s)
	return w.problems.err(errs.UnknownField, errs.InvalidRequest)
}

func notJSON(body []byte) error {
	if len(strings.TrimSpace(string(body))) == 0 {
		return errs.New(errs.InvalidJSON, "The body is empty.")
	}
	var v json.RawMessage
	err := json.Unmarshal(body, &v)
	where := ""
	if syntax, ok := err.(*json.SyntaxError); ok { //nolint:errorlint // json returns it bare
		where = fmt.Sprintf(" (%s, at byte %d)", syntax.Error(), syntax.Offset)
	}
	return errs.Wrap(err, errs.InvalidJSON, "The body is not valid JSON%s.", where)
}

// walker goes through a body that is known to be valid JSON. So it need not
// look for syntax errors, and nothing of it depends on how deep a value that
// the schema leaves open is nested.
type walker struct {
	body     []byte
	pos      int
	path     []step
	room     [8]step // for path, so that it costs no allocation
	problems problems
}

// step is a property, or an index where name is nil.
type step struct {
	name  []byte
	index int
}

func (w *walker) value(s *Schema) {
	t := w.typeHere()
	if t == "null" && s.Nullable {
		w.literal()
		return
	}
	here := s.ofType(t)
	if here == nil {
		w.report("must be " + s.wanted())
		w.skipValue()
		return
	}
	switch t {
	case "object":
		w.object(here)
	case "array":
		w.array(here)
	case "string":
		w.text(here)
	case "integer":
		if why := here.checkNumber(string(w.literal())); why != "" {
			w.report(why)
		}
	default:
		w.literal()
	}
}

// typeHere returns the JSON type of the value at the position.
func (w *walker) typeHere() string {
	switch w.body[w.pos] {
	case '{':
		return "object"
	case '[':
		return "array"
	case '"':
		return "string"
	case 't', 'f':
		return "boolean"
	case 'n':
		return "null"
	}
	return "integer"
}

func (w *walker) object(s *Schema) {
	var seen uint64
	w.pos++
	for w.skipSpace(); w.body[w.pos] != '}'; w.skipSpace() {
		key := w.key()
		w.skipTo(':')
		w.path = append(w.path, step{name: key})
		seen |= w.property(s, key, seen)
		w.path = w.path[:len(w.path)-1]
		w.skipComma()
	}
	w.pos++
	for _, name := range s.Required {
		if seen&s.bits[name] == 0 {
			w.path = append(w.path, step{name: []byte(name)})
			w.report("is missing")
			w.path = w.path[:len(w.path)-1]
		}
	}
}

// property checks one and returns its bit.
func (w *walker) property(s *Schema, key []byte, seen uint64) uint64 {
	p, ok := s.Properties[string(key)]
	if !ok {
		if !*s.Additional {
			w.problems.unknown = true
			w.report("does not exist")
		}
		w.skipValue()
		return 0
	}
	bit := s.bits[string(key)]
	if seen&bit != 0 {
		w.report("is given twice")
	}
	w.value(p)
	return bit
}

func (w *walker) array(s *Schema) {
	w.pos++
	n := 0
	for w.skipSpace(); w.body[w.pos] != ']'; w.skipSpace() {
		w.path = append(w.path, step{index: n})
		w.value(s.Items)
		w.path = w.path[:len(w.path)-1]
		w.skipComma()
		n++
	}
	w.pos++
	if s.MaxItems != nil && n > *s.MaxItems {
		w.report("must have at most " + strconv.Itoa(*s.MaxItems) + " items")
	}
}

func (w *walker) text(s *Schema) {
	raw := w.str()
	if s.MinLength == 0 && s.MaxLength == nil && len(s.Enum) == 0 {
		return
	}
	value := unescape(raw)
	why := ""
	if len(s.Enum) > 0 {
		why = s.checkString(utf8.RuneCount(value), string(value))
	} else {
		why = s.checkString(utf8.RuneCount(value), "")
	}
	if why != "" {
		w.report(why)
	}
}

// report notes what is wrong with the value that the path leads to.
func (w *walker) report(message string) {
	var b strings.Builder
	for i, st := range w.path {
		switch {
		case st.name == nil:
			b.WriteString("[" + strconv.Itoa(st.index) + "]")
			continue
		case i > 0:
			b.WriteByte('.')
		}
		b.WriteString(shorten(string(st.name)))
	}
	name := b.String()
	if name == "" {
		name = "body"
	}
	w.problems.add(name, message)
}
