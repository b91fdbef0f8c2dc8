package schema

import (
	"cmp"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"golang.org/x/text/language"
	"golang.org/x/text/message"

	"github.com/haul-dl/haul/sdk/errs"
)

// Bounds of what is told about one value.
const (
	maxFields = 32
	maxName   = 128
)

// explain turns the validator's answer into fields, sorted by name.
func (s *Schema) explain(value any, err error) []errs.Field {
	if err == nil {
		return nil
	}
	invalid, ok := errors.AsType[*jsonschema.ValidationError](err)
	if !ok {
		return []errs.Field{{Message: "is not valid"}}
	}
	var out []errs.Field
	for _, leaf := range leaves(invalid) {
		for _, f := range s.fieldsOf(value, leaf) {
			f.Name = clip(f.Name)
			known := slices.ContainsFunc(out, func(o errs.Field) bool { return o.Name == f.Name })
			if !known && len(out) < maxFields {
				out = append(out, f)
			}
		}
	}
	slices.SortFunc(out, func(a, b errs.Field) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

func clip(name string) string {
	if len(name) <= maxName {
		return name
	}
	return strings.ToValidUTF8(name[:maxName], "") + "…"
}

// leaves returns the errors that have no finer ones below them.
func leaves(e *jsonschema.ValidationError) []*jsonschema.ValidationError {
	if len(e.Causes) == 0 {
		return []*jsonschema.ValidationError{e}
	}
	var out []*jsonschema.ValidationError
	for _, cause := range e.Causes {
		out = append(out, leaves(cause)...)
	}
	return out
}

// fieldsOf names the fields that one error is about.
func (s *Schema) fieldsOf(value any, e *jsonschema.ValidationError) []errs.Field {
	at := fieldPath(value, e.InstanceLocation)
	each := func(names []string, text string) []errs.Field {
		var out []errs.Field
		for _, name := range names {
			out = append(out, errs.Field{Name: join(at, name), Message: text})
		}
		return out
	}
	switch k := e.ErrorKind.(type) {
	case *kind.Required:
		return each(k.Missing, "is required")
	case *kind.DependentRequired:
		return each(k.Missing, fmt.Sprintf("is required beside %q", k.Prop))
	case *kind.AdditionalProperties:
		return each(k.Properties, "is not known")
	}
	text := describe(e.ErrorKind)
	if text == "" {
		text = "is not valid"
		if !s.secret(e.InstanceLocation) {
			text = e.ErrorKind.LocalizedString(message.NewPrinter(language.English))
		}
	}
	return []errs.Field{{Name: at, Message: text}}
}

// describe puts the usual errors into words that fit behind the field's name
// and do not quote its value; "" for the others.
func describe(k jsonschema.ErrorKind) string {
	switch k := k.(type) {
	case *kind.Type:
		return fmt.Sprintf("must be of type %s, not %s", strings.Join(k.Want, " or "), k.Got)
	case *kind.FalseSchema:
		return "is not known"
	case *kind.Pattern:
		return fmt.Sprintf("must match %s", k.Want)
	case *kind.Format:
		return fmt.Sprintf("is not a valid %s", k.Want)
	case *kind.Minimum:
		return "must be at least " + number(k.Want)
	case *kind.Maximum:
		return "must be at most " + number(k.Want)
	case *kind.ExclusiveMinimum:
		return "must be more than " + number(k.Want)
	case *kind.ExclusiveMaximum:
		return "must be less than " + number(k.Want)
	case *kind.MultipleOf:
		return "must be a multiple of " + number(k.Want)
	case *kind.MinLength:
		return describeMinLength(k.Want)
	case *kind.MaxLength:
		return fmt.Sprintf("must have at most %d characters", k.Want)
	case *kind.MinItems:
		return fmt.Sprintf("must have at least %d items", k.Want)
	case *kind.MaxItems:
		return fmt.Sprintf("must have at most %d items", k.Want)
	case *kind.MaxProperties:
		return fmt.Sprintf("must have at most %d fields", k.Want)
	}
	return ""
}

func describeMinLength(want int) string {
	if want == 1 {
		return "must not be empty"
	}
	return fmt.Sprintf("must have at least %d characters", want)
}

func number(r *big.Rat) string {
	if r.IsInt() {
		return r.Num().String()
	}
	f, _ := r.Float64()
	return strconv.FormatFloat(f, 'g', -1, 64)
}

// fieldPath writes a path as people do: "trackers[0].url".
func fieldPath(value any, tokens []string) string {
	path := ""
	for _, token := range tokens {
		switch v := value.(type) {
		case []any:
			path += "[" + token + "]"
			value = nil
			if i, err := strconv.Atoi(token); err == nil && i >= 0 && i < len(v) {
				value = v[i]
			}
		case map[string]any:
			path = join(path, token)
			value = v[token]
		default:
			path = join(path, token)
		}
	}
	return path
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}
