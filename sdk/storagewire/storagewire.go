// Package storagewire joins package storage with its gRPC contract: Client is a
// storage.Plugin that lives in another process, Server offers one to another
// process. Both distrust what comes from the other side.
package storagewire

import (
	"context"
	"io/fs"

	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	"github.com/haul-dl/haul/sdk/errs"
	"github.com/haul-dl/haul/sdk/internal/rpc"
)

const (
	// ProtocolVersion is the version of the contract. It changes only when a
	// message changes its meaning; additions do not need it.
	ProtocolVersion = 1
	// PluginName is what go-plugin dispenses.
	PluginName = "storage"
)

const (
	// chunk is how much content one message carries, maxChunk how much it may.
	chunk    = 512 << 10
	maxChunk = 1 << 20
	// maxMessage is the size of the largest message that the client takes.
	maxMessage = 4 << 20
	maxSchema  = 256 << 10
	maxChecks  = 100
)

// Handshake keeps people from running a plugin by hand, and from naming a plugin
// of downloaders as one of storages. It is no protection.
var Handshake = plugin.HandshakeConfig{
	ProtocolVersion:  ProtocolVersion,
	MagicCookieKey:   "HAUL_PLUGIN",
	MagicCookieValue: "haul.storage",
}

// failures makes errors of what a plugin says.
var failures = rpc.Errors{Vague: errs.StorageError, Bare: map[codes.Code]errs.Code{
	codes.Unauthenticated: errs.StorageAuthFailed, codes.PermissionDenied: errs.StorageError,
	codes.AlreadyExists: errs.DestinationExists, codes.ResourceExhausted: errs.StorageError,
}}

// VersionedPlugins returns go-plugin's sets for all versions that this SDK
// speaks. A plugin passes its server, the host nil.
func VersionedPlugins(offer *Server) map[int]plugin.PluginSet {
	return map[int]plugin.PluginSet{ProtocolVersion: {PluginName: &GRPCPlugin{Offer: offer}}}
}

// GRPCPlugin is the contract as go-plugin wants it.
type GRPCPlugin struct {
	plugin.NetRPCUnsupportedPlugin
	// Offer is what a plugin serves; nil on the host's side.
	Offer *Server
}

// GRPCServer registers the server. go-plugin calls it in the plugin.
func (p *GRPCPlugin) GRPCServer(_ *plugin.GRPCBroker, s *grpc.Server) error {
	p.Offer.Register(s)
	return nil
}

// GRPCClient returns a *Client. go-plugin calls it in the host.
func (p *GRPCPlugin) GRPCClient(_ context.Context, _ *plugin.GRPCBroker, cc *grpc.ClientConn) (any, error) {
	return NewClient(cc), nil
}

// checkPath refuses what the contract does not call a path. Only Stat may look
// at the top.
func checkPath(path string, top bool) error {
	if len(path) > rpc.MaxPath || !fs.ValidPath(path) || path == "." && !top || containsNul(path) {
		return errs.New(errs.NameNotPossible, "The storage cannot hold a file of that name.")
	}
	return nil
}

func containsNul(s string) bool {
	for i := range len(s) {
		if s[i] == 0 {
			return true
		}
	}
	return false
}
