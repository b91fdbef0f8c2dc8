// Package schema checks JSON values against the JSON Schemas (draft 2020-12)
// by which plugins describe their settings and options, and tells which parts
// of a value are secrets.
package schema

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/haul-dl/haul/sdk/errs"
)

// maxSize is how long a schema may be, in bytes.
const maxSize = 1 << 20

// location names the schema while it is compiled; nothing is loaded from there.
const location = "urn:haul:schema"

// EndpointKeyword marks a property that says where secrets are sent, such as
// an address: who changes it has to give the secrets again.
const EndpointKeyword = "x-haul-endpoint"

// Schema is a compiled JSON Schema. It may be used concurrently.
type Schema struct {
	root *jsonschema.Schema
}

// Compile reads a JSON Schema. It may refer to nothing outside of itself.
func Compile(raw []byte) (*Schema, error) {
	if len(raw) > maxSize {
		return nil, fmt.Errorf("the schema has %d bytes; %d is the most", len(raw), maxSize)
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("the schema is not valid JSON: %w", err)
	}
	if err := saneNumbers(document); err != nil {
		return nil, err
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.AssertFormat()
	c.UseLoader(nothing{})
	c.RegisterVocabulary(endpointVocabulary())
	c.AssertVocabs()
	if err := c.AddResource(location, document); err != nil {
		return nil, fmt.Errorf("add the schema: %w", err)
	}
	root, err := c.Compile(location)
	if err != nil {
		return nil, fmt.Errorf("compile the schema: %w", err)
	}
	return &Schema{root: root}, nil
}

// nothing loads no schema: one from a file or the network would make what a
// value may be depend on the machine.
type nothing struct{}

// Load always fails.
func (nothing) Load(string) (any, error) {
	return nil, fmt.Errorf("a schema must not refer to another document")
}

// Validate returns what is wrong with a JSON value, by the path of each field
// such as "address" or "managed.dht"; "" is the value itself. No message quotes
// a secret, nor what the schema does not know.
func (s *Schema) Validate(value []byte) []errs.Field {
	decoded, err := decode(value)
	if err != nil {
		return []errs.Field{{Message: err.Error()}}
	}
	return s.explain(decoded, s.root.Validate(decoded))
}

// In puts the fields of a value below the field that holds it.
func In(parent string, fields []errs.Field) []errs.Field {
	out := make([]errs.Field, 0, len(fields))
	for _, f := range fields {
		switch {
		case f.Name == "":
			f.Name = parent
		case strings.HasPrefix(f.Name, "["):
			f.Name = parent + f.Name
		default:
			f.Name = parent + "." + f.Name
		}
		out = append(out, f)
	}
	return out
}
