package contract

import (
	"errors"
	"fmt"
	"strings"
)

// Schema is what a value must be like.
type Schema struct {
	Ref        string             `yaml:"$ref"`
	Type       string             `yaml:"type"`
	Enum       []string           `yaml:"enum"`
	MinLength  int                `yaml:"minLength"`
	MaxLength  *int               `yaml:"maxLength"`
	Minimum    *float64           `yaml:"minimum"`
	Maximum    *float64           `yaml:"maximum"`
	Items      *Schema            `yaml:"items"`
	MaxItems   *int               `yaml:"maxItems"`
	Properties map[string]*Schema `yaml:"properties"`
	Required   []string           `yaml:"required"`
	// Additional tells whether an object may have other properties.
	Additional *bool     `yaml:"additionalProperties"`
	OneOf      []*Schema `yaml:"oneOf"`
	Nullable   bool      `yaml:"nullable"`

	// bits gives each property a bit, to see which a value has.
	bits     map[string]uint64
	resolved bool
}

// maxProperties is how many bits there are.
const maxProperties = 64

// schema follows references and prepares s for checking.
func (d *document) schema(s *Schema) (*Schema, error) {
	if s == nil {
		return nil, errors.New("has no schema")
	}
	if name, ok := strings.CutPrefix(s.Ref, "#/components/schemas/"); ok {
		if s = d.Components.Schemas[name]; s == nil {
			return nil, fmt.Errorf("there is no schema %q", name)
		}
	}
	if s.resolved {
		return s, nil
	}
	s.resolved = true
	return s, d.prepare(s)
}

func (d *document) prepare(s *Schema) error {
	switch s.Type {
	case "string", "integer", "number", "boolean":
		return nil
	case "array":
		items, err := d.schema(s.Items)
		s.Items = items
		return err
	case "object":
		return d.prepareObject(s)
	case "":
		return d.prepareChoice(s)
	}
	return fmt.Errorf("the type %q is not understood", s.Type)
}

func (d *document) prepareObject(s *Schema) error {
	if s.Additional == nil {
		return errors.New("an object must say additionalProperties: true or false")
	}
	if len(s.Properties) > maxProperties {
		return fmt.Errorf("an object has more than %d properties", maxProperties)
	}
	s.bits = make(map[string]uint64, len(s.Properties))
	bit := uint64(1)
	for name, p := range s.Properties {
		resolved, err := d.schema(p)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		s.Properties[name], s.bits[name] = resolved, bit
		bit <<= 1
	}
	return nil
}

// prepareChoice takes a oneOf whose members differ in their type.
func (d *document) prepareChoice(s *Schema) error {
	if len(s.OneOf) == 0 {
		return errors.New("a schema has neither a type nor oneOf")
	}
	seen := map[string]bool{}
	for i, member := range s.OneOf {
		resolved, err := d.schema(member)
		if err != nil {
			return err
		}
		if seen[resolved.Type] {
			return fmt.Errorf("oneOf has two members of type %q", resolved.Type)
		}
		seen[resolved.Type] = true
		s.OneOf[i] = resolved
	}
	return nil
}

// ofType returns s, or its member, that takes values of the JSON type.
func (s *Schema) ofType(t string) *Schema {
	if s.Type == t || s.Type == "number" && t == "integer" {
		return s
	}
	for _, member := range s.OneOf {
		if member.Type == t {
			return member
		}
	}
	return nil
}

// wanted tells in words which types s takes.
func (s *Schema) wanted() string {
	if s.Type != "" {
		return typeNames[s.Type]
	}
	names := make([]string, len(s.OneOf))
	for i, member := range s.OneOf {
		names[i] = typeNames[member.Type]
	}
	return strings.Join(names, " or ")
}

var typeNames = map[string]string{
	"string": "a string", "integer": "a whole number", "number": "a number", "boolean": "true or false",
	"array": "a list", "object": "an object",
}
