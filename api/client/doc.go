// Package client talks to haul's REST API and hands back its errors as
// *errs.Error, so that a caller cannot tell whether a service is in this
// process or behind a network.
package client
