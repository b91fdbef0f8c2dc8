// Package aria2rpc speaks JSON-RPC with an aria2 daemon: calls and
// notifications over one WebSocket, or calls alone over HTTP where the
// WebSocket is refused.
package aria2rpc

import "github.com/haul-dl/haul/sdk/daemonhttp"

// Daemon describes aria2 to package daemonhttp.
func Daemon() daemonhttp.Daemon {
	return daemonhttp.Daemon{
		Name: "aria2", Port: "6800", Path: "/jsonrpc", Example: "http://127.0.0.1:6800/jsonrpc",
		StartHint: "Start aria2 with --enable-rpc, and check the port; from another machine it also needs --rpc-listen-all.",
	}
}

// Endpoint is where a daemon listens, and the secret that it wants.
type Endpoint struct {
	// HTTP makes the connections; its URL is that of the JSON-RPC interface.
	HTTP *daemonhttp.Client
	// Secret is aria2's rpc-secret; empty where none is set.
	Secret string
}

func (e Endpoint) host() string { return e.HTTP.URL("").Host }
