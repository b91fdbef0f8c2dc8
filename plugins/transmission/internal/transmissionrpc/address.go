package transmissionrpc

import (
	"net/url"
	"strings"

	"github.com/haul-dl/haul/sdk/daemonhttp"
)

// rpcPath is where the daemon has its RPC interface unless it is told otherwise.
const rpcPath = "/transmission/rpc"

// Daemon describes Transmission to package daemonhttp.
func Daemon() daemonhttp.Daemon {
	return daemonhttp.Daemon{
		Name: "Transmission", Port: "9091", Path: rpcPath, Example: "http://127.0.0.1:9091/transmission/rpc",
		StartHint: "Start transmission-daemon, and check the port; from another machine it also needs rpc-bind-address, and this machine's address in rpc-whitelist.",
	}
}

// ParseAddress reads an address as people write it. That of the web interface
// will do: the daemon has both beside each other.
func ParseAddress(address string) (*url.URL, error) {
	u, err := Daemon().ParseAddress(address)
	if err != nil {
		return nil, err
	}
	u.Path = strings.TrimSuffix(u.Path, "/web")
	if !strings.HasSuffix(u.Path, "/rpc") {
		u.Path = strings.TrimRight(u.Path, "/") + "/rpc"
	}
	return u, nil
}
