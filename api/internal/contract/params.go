package contract

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/haul-dl/haul/sdk/errs"
)

// CheckQuery refuses a query with parameters that do not exist
// (errs.UnknownParameter), or with values that are not valid
// (errs.InvalidParameter).
func (o *Operation) CheckQuery(raw string) error {
	if raw == "" {
		return nil
	}
	values, err := url.ParseQuery(raw)
	if err != nil {
		return errs.Wrap(err, errs.InvalidParameter, "The query is not well-formed.")
	}
	var p problems
	for _, name := range slices.Sorted(maps.Keys(values)) {
		schema, ok := o.query[name]
		if !ok {
			p.unknown = true
			p.add(shorten(name), "does not exist here")
			continue
		}
		checkParameter(&p, name, schema, values[name])
	}
	return p.err(errs.UnknownParameter, errs.InvalidParameter)
}

// CheckHeaders refuses values of the operation's own headers that are not
// valid (errs.InvalidParameter).
func (o *Operation) CheckHeaders(h http.Header) error {
	var p problems
	for name, schema := range o.headers {
		if values, ok := h[name]; ok {
			checkParameter(&p, name, schema, values)
		}
	}
	return p.err(errs.InvalidParameter, errs.InvalidParameter)
}

func checkParameter(p *problems, name string, schema *Schema, values []string) {
	if schema.Type == "array" {
		if schema.MaxItems != nil && len(values) > *schema.MaxItems {
			p.add(name, "may be given at most "+strconv.Itoa(*schema.MaxItems)+" times")
			return
		}
		schema = schema.Items
	} else if len(values) > 1 {
		p.add(name, "may be given only once")
		return
	}
	for _, v := range values {
		if why := schema.checkText(v); why != "" {
			p.add(name, why)
		}
	}
}

// checkText tells what is wrong with a value that is written as plain text.
func (s *Schema) checkText(v string) string {
	switch s.Type {
	case "integer":
		return s.checkInteger(v)
	case "boolean":
		if v != "true" && v != "false" {
			return "must be true or false"
		}
		return ""
	}
	return s.checkString(len([]rune(v)), v)
}
