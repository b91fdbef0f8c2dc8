package schema

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// endpoint is the compiled EndpointKeyword.
type endpoint struct{}

// Validate accepts everything: the keyword only marks.
func (endpoint) Validate(*jsonschema.ValidatorContext, any) {}

func endpointVocabulary() *jsonschema.Vocabulary {
	return &jsonschema.Vocabulary{
		URL: "urn:haul:vocabulary",
		Compile: func(_ *jsonschema.CompilerContext, obj map[string]any) (jsonschema.SchemaExt, error) {
			if marked, _ := obj[EndpointKeyword].(bool); !marked {
				return nil, nil
			}
			return endpoint{}, nil
		},
	}
}

// Redact returns a JSON object with placeholder in place of what is marked
// with writeOnly and of what the schema does not name. A nil Schema knows
// nothing and hides everything; what is no object becomes an empty one.
func (s *Schema) Redact(value []byte, placeholder string) []byte {
	var values map[string]any
	if json.Unmarshal(value, &values) != nil || values == nil {
		return []byte("{}")
	}
	for name, inner := range values {
		values[name] = redact(s.properties(name), inner, placeholder)
	}
	out, err := json.Marshal(values)
	if err != nil {
		return []byte("{}")
	}
	return out
}

func (s *Schema) properties(name string) []*jsonschema.Schema {
	if s == nil {
		return nil
	}
	return below([]*jsonschema.Schema{s.root}, name)
}

func redact(schemas []*jsonschema.Schema, value any, placeholder string) any {
	if hidden(schemas) {
		return placeholder
	}
	switch v := value.(type) {
	case map[string]any:
		for name, inner := range v {
			v[name] = redact(below(schemas, name), inner, placeholder)
		}
	case []any:
		for i, inner := range v {
			v[i] = redact(below(schemas, strconv.Itoa(i)), inner, placeholder)
		}
	}
	return value
}

// secret reports whether the value at a path must not be quoted.
func (s *Schema) secret(path []string) bool {
	schemas := []*jsonschema.Schema{s.root}
	for _, token := range path {
		if schemas = below(schemas, token); hidden(schemas) {
			return true
		}
	}
	return false
}

// hidden reports whether the schemas of a value mark it as a secret, or do not exist.
func hidden(schemas []*jsonschema.Schema) bool {
	return len(schemas) == 0 || slices.ContainsFunc(schemas, func(s *jsonschema.Schema) bool { return s.WriteOnly })
}

// Secrets returns the values of a JSON object that are marked with writeOnly,
// each as JSON, by their paths.
func (s *Schema) Secrets(value []byte) map[string]string {
	return s.marked(value, func(schema *jsonschema.Schema) bool { return schema.WriteOnly })
}

// Endpoints returns the values of a JSON object that are marked with
// EndpointKeyword, each as JSON, by their paths.
func (s *Schema) Endpoints(value []byte) map[string]string {
	return s.marked(value, func(schema *jsonschema.Schema) bool {
		return slices.ContainsFunc(schema.Extensions, func(e jsonschema.SchemaExt) bool {
			_, marked := e.(endpoint)
			return marked
		})
	})
}

func (s *Schema) marked(value []byte, is func(*jsonschema.Schema) bool) map[string]string {
	var decoded any
	out := map[string]string{}
	if json.Unmarshal(value, &decoded) == nil {
		collect(out, "", []*jsonschema.Schema{s.root}, decoded, is)
	}
	return out
}

func collect(out map[string]string, path string, schemas []*jsonschema.Schema, value any, is func(*jsonschema.Schema) bool) {
	if slices.ContainsFunc(schemas, is) {
		if text, err := json.Marshal(value); err == nil {
			out[path] = string(text)
		}
		return
	}
	switch v := value.(type) {
	case map[string]any:
		for name, inner := range v {
			collect(out, join(path, name), below(schemas, name), inner, is)
		}
	case []any:
		for i, inner := range v {
			collect(out, fmt.Sprintf("%s[%d]", path, i), below(schemas, strconv.Itoa(i)), inner, is)
		}
	}
}

// below returns every schema that describes a property or an item of a value
// that the given ones describe.
func below(schemas []*jsonschema.Schema, token string) []*jsonschema.Schema {
	var out []*jsonschema.Schema
	for _, s := range applied(schemas) {
		if p := s.Properties[token]; p != nil {
			out = append(out, p)
		}
		for pattern, p := range s.PatternProperties {
			if pattern.MatchString(token) {
				out = append(out, p)
			}
		}
		if p, ok := s.AdditionalProperties.(*jsonschema.Schema); ok {
			out = append(out, p)
		}
		if i, err := strconv.Atoi(token); err == nil && i >= 0 {
			out = append(out, items(s, i)...)
		}
	}
	return applied(out)
}

func items(s *jsonschema.Schema, i int) []*jsonschema.Schema {
	switch {
	case i < len(s.PrefixItems):
		return []*jsonschema.Schema{s.PrefixItems[i]}
	case s.Items2020 != nil:
		return []*jsonschema.Schema{s.Items2020}
	}
	return nil
}

// applied adds the schemas that the given ones apply to the same value.
func applied(schemas []*jsonschema.Schema) []*jsonschema.Schema {
	var out []*jsonschema.Schema
	todo := slices.Clone(schemas)
	for len(todo) > 0 {
		s := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if s == nil || slices.Contains(out, s) {
			continue
		}
		out = append(out, s)
		todo = append(todo, s.Ref, s.If, s.Then, s.Else)
		todo = append(todo, s.AllOf...)
		todo = append(todo, s.AnyOf...)
		todo = append(todo, s.OneOf...)
		for _, dependent := range s.DependentSchemas {
			todo = append(todo, dependent)
		}
	}
	return out
}
