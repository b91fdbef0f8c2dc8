// Package raw is the generated client of the REST contract. It knows requests
// and answers but not errors; package client does.
package raw

//go:generate go tool -modfile=../../../../tools/codegen/go.mod oapi-codegen -config config.yaml ../../../openapi.yaml
