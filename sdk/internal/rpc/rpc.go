// Package rpc is what the wire contracts of haul's plugins have in common: how
// errors travel, and how a plugin's calls begin and end.
package rpc
