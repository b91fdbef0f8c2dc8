// Package contract holds requests against the description of the REST API, so
// that what openapi.yaml promises to refuse is refused, and by name.
//
// It understands the part of OpenAPI 3.0 that haul's own description uses for
// requests, and refuses to load one that uses more.
package contract

import (
	"fmt"
	"net/http"
	"strings"

	"go.yaml.in/yaml/v3"
)

// JSON and Multipart are the media types that bodies may have.
const (
	JSON      = "application/json"
	Multipart = "multipart/form-data"
)

// Contract is a loaded description. It is read-only.
type Contract struct {
	operations map[string]*Operation
}

// Operation is one method on one path.
type Operation struct {
	// ID is its operationId.
	ID string
	// Method and Path identify it; Path has its parameters in braces.
	Method, Path string
	// Public reports whether it needs no token.
	Public bool
	// Bodies holds the schema of the body for each media type that it takes;
	// empty where it takes none.
	Bodies map[string]*Schema
	// BodyOptional reports whether the body may be left out.
	BodyOptional bool

	query   map[string]*Schema
	headers map[string]*Schema
}

// document is what is read of an OpenAPI description.
type document struct {
	Paths      map[string]pathItem `yaml:"paths"`
	Components struct {
		Parameters map[string]*parameter `yaml:"parameters"`
		Schemas    map[string]*Schema    `yaml:"schemas"`
	} `yaml:"components"`
}

type pathItem struct {
	Parameters []*parameter `yaml:"parameters"`
	Get        *operation   `yaml:"get"`
	Post       *operation   `yaml:"post"`
	Put        *operation   `yaml:"put"`
	Patch      *operation   `yaml:"patch"`
	Delete     *operation   `yaml:"delete"`
}

type operation struct {
	ID         string       `yaml:"operationId"`
	Parameters []*parameter `yaml:"parameters"`
	Security   *[]any       `yaml:"security"`
	Body       struct {
		Required bool `yaml:"required"`
		Content  map[string]struct {
			Schema *Schema `yaml:"schema"`
		} `yaml:"content"`
	} `yaml:"requestBody"`
}

type parameter struct {
	Ref    string  `yaml:"$ref"`
	Name   string  `yaml:"name"`
	In     string  `yaml:"in"`
	Schema *Schema `yaml:"schema"`
}

// Load reads a description.
func Load(spec []byte) (*Contract, error) {
	var doc document
	if err := yaml.Unmarshal(spec, &doc); err != nil {
		return nil, fmt.Errorf("read the API description: %w", err)
	}
	c := &Contract{operations: map[string]*Operation{}}
	for path, item := range doc.Paths {
		for method, op := range item.byMethod() {
			built, err := doc.operation(method, path, item.Parameters, op)
			if err != nil {
				return nil, fmt.Errorf("API description, %s %s: %w", method, path, err)
			}
			c.operations[method+" "+path] = built
		}
	}
	return c, nil
}

// Operation returns what the description says of a method on a path, or nil.
func (c *Contract) Operation(method, path string) *Operation {
	return c.operations[method+" "+path]
}

// Operations returns all of them, in no order.
func (c *Contract) Operations() []*Operation {
	all := make([]*Operation, 0, len(c.operations))
	for _, op := range c.operations {
		all = append(all, op)
	}
	return all
}

func (p *pathItem) byMethod() map[string]*operation {
	all := map[string]*operation{
		http.MethodGet: p.Get, http.MethodPost: p.Post, http.MethodPut: p.Put,
		http.MethodPatch: p.Patch, http.MethodDelete: p.Delete,
	}
	for method, op := range all {
		if op == nil {
			delete(all, method)
		}
	}
	return all
}

func (d *document) operation(method, path string, shared []*parameter, op *operation) (*Operation, error) {
	built := &Operation{
		ID: op.ID, Method: method, Path: path,
		Public:       op.Security != nil && len(*op.Security) == 0,
		BodyOptional: !op.Body.Required,
		Bodies:       map[string]*Schema{}, query: map[string]*Schema{}, headers: map[string]*Schema{},
	}
	for _, p := range append(append([]*parameter(nil), shared...), op.Parameters...) {
		if err := d.addParameter(built, p); err != nil {
			return nil, err
		}
	}
	for media, content := range op.Body.Content {
		schema, err := d.schema(content.Schema)
		if err != nil {
			return nil, fmt.Errorf("body %s: %w", media, err)
		}
		built.Bodies[media] = schema
	}
	return built, nil
}

func (d *document) addParameter(op *Operation, p *parameter) error {
	if name, ok := strings.CutPrefix(p.Ref, "#/components/parameters/"); ok {
		if p = d.Components.Parameters[name]; p == nil {
			return fmt.Errorf("there is no parameter %q", name)
		}
	}
	schema, err := d.schema(p.Schema)
	if err != nil {
		return fmt.Errorf("parameter %s: %w", p.Name, err)
	}
	switch p.In {
	case "query":
		op.query[p.Name] = schema
	case "header":
		op.headers[http.CanonicalHeaderKey(p.Name)] = schema
	case "path":
	default:
		return fmt.Errorf("parameter %s: cannot be in %q", p.Name, p.In)
	}
	return nil
}
