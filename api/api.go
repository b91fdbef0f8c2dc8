// Package api holds the description of haul's REST contract.
package api

import _ "embed"

// Spec is api/openapi.yaml. Nobody may change it.
//
//go:embed openapi.yaml
var Spec []byte
