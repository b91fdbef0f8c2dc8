package contract

import (
	"strconv"
	"strings"

	"github.com/haul-dl/haul/sdk/errs"
)

// maxProblems bounds how much an answer repeats of a hostile request.
const maxProblems = 20

// maxShown is how much of a wrong name is repeated.
const maxShown = 64

// problems collects what is wrong with a request.
type problems struct {
	unknown bool
	fields  []errs.Field
}

func (p *problems) add(name, message string) {
	if len(p.fields) < maxProblems {
		p.fields = append(p.fields, errs.Field{Name: name, Message: message})
	}
}

// err returns nil, or an error with the code for what does not exist, if there
// is such a thing, else with the other code.
func (p *problems) err(unknown, invalid errs.Code) error {
	if len(p.fields) == 0 {
		return nil
	}
	code, what := invalid, ""
	if p.unknown {
		code = unknown
	}
	for i, f := range p.fields {
		if i > 0 {
			what += "; "
		}
		what += f.Name + " " + f.Message
	}
	e := errs.New(code, "%s.", what)
	e.Fields = p.fields
	return e
}

func shorten(s string) string {
	s = strings.ToValidUTF8(s, "?")
	if r := []rune(s); len(r) > maxShown {
		return string(r[:maxShown]) + "…"
	}
	return s
}

// checkString tells what is wrong with a string, or "".
func (s *Schema) checkString(length int, value string) string {
	switch {
	case length < s.MinLength && s.MinLength == 1:
		return "must not be empty"
	case length < s.MinLength:
		return "must have at least " + strconv.Itoa(s.MinLength) + " characters"
	case s.MaxLength != nil && length > *s.MaxLength:
		return "must have at most " + strconv.Itoa(*s.MaxLength) + " characters"
	}
	if len(s.Enum) == 0 {
		return ""
	}
	for _, allowed := range s.Enum {
		if value == allowed {
			return ""
		}
	}
	return "must be one of " + strings.Join(s.Enum, ", ")
}

// checkNumber tells what is wrong with a number in a body, or "".
func (s *Schema) checkNumber(literal string) string {
	if s.Type == "integer" {
		return s.checkInteger(literal)
	}
	v, err := strconv.ParseFloat(literal, 64)
	if err != nil {
		return "must be " + typeNames["number"]
	}
	return s.checkBounds(v)
}

// checkInteger tells what is wrong with a number, or "".
func (s *Schema) checkInteger(literal string) string {
	n, err := strconv.ParseInt(literal, 10, 64)
	if err != nil {
		return "must be " + typeNames["integer"]
	}
	return s.checkBounds(float64(n))
}

func (s *Schema) checkBounds(v float64) string {
	switch {
	case s.Minimum != nil && v < *s.Minimum:
		return "must be at least " + strconv.FormatFloat(*s.Minimum, 'f', -1, 64)
	case s.Maximum != nil && v > *s.Maximum:
		return "must be at most " + strconv.FormatFloat(*s.Maximum, 'f', -1, 64)
	}
	return ""
}
