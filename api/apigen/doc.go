// Package apigen has the types and the server side of the REST contract,
// generated from api/openapi.yaml, and the few request types that take more
// than one shape.
package apigen

//go:generate go tool -modfile=../../tools/codegen/go.mod oapi-codegen -config config.yaml ../openapi.yaml
