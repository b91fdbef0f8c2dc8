// Package wire joins package downloader with its gRPC contract: Client is a
// downloader.Plugin that lives in another process, Server offers one to another
// process. Both distrust what comes from the other side.
package wire

import (
	"context"

	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
)

const (
	// ProtocolVersion is the version of the contract. It changes only when a
	// message changes its meaning; additions do not need it. Since 2 a status
	// lists all files of a job, before only those that were wanted.
	ProtocolVersion = 2
	// OldestVersion is the oldest one that is still spoken.
	OldestVersion = ProtocolVersion - 1
	// PluginName is what go-plugin dispenses.
	PluginName = "downloader"
)

const (
	// maxRefs is how many refs one Check may carry.
	maxRefs = 1000
	// maxMessage is the size of the largest message that the client takes, in
	// bytes. Torrents with a million files fit.
	maxMessage = 128 << 20
)

// Handshake keeps people from running a plugin by hand. It is no protection.
var Handshake = plugin.HandshakeConfig{
	ProtocolVersion:  ProtocolVersion,
	MagicCookieKey:   "HAUL_PLUGIN",
	MagicCookieValue: "haul.downloader",
}

// VersionedPlugins returns go-plugin's sets for all versions that this SDK
// speaks. A plugin passes its server, the host nil.
func VersionedPlugins(offer *Server) map[int]plugin.PluginSet {
	sets := map[int]plugin.PluginSet{}
	for v := OldestVersion; v <= ProtocolVersion; v++ {
		sets[v] = plugin.PluginSet{PluginName: &GRPCPlugin{Offer: offer, Version: v}}
	}
	return sets
}

// GRPCPlugin is the contract as go-plugin wants it.
type GRPCPlugin struct {
	plugin.NetRPCUnsupportedPlugin
	// Offer is what a plugin serves; nil on the host's side.
	Offer *Server
	// Version is the one that was agreed on.
	Version int
}

// GRPCServer registers the server. go-plugin calls it in the plugin.
func (p *GRPCPlugin) GRPCServer(_ *plugin.GRPCBroker, s *grpc.Server) error {
	p.Offer.Register(s)
	return nil
}

// GRPCClient returns a *Client. go-plugin calls it in the host.
func (p *GRPCPlugin) GRPCClient(_ context.Context, _ *plugin.GRPCBroker, cc *grpc.ClientConn) (any, error) {
	return NewClient(cc, p.Version), nil
}
