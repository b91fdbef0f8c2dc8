// Package aria2rpc speaks JSON-RPC with an aria2 daemon: calls and
// notifications over one WebSocket, or calls alone over HTTP where the
// WebSocket is refused.
package aria2rpc

import (
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/haul-dl/haul/sdk/errs"
)

// Endpoint is where a daemon listens, and the secret that it wants.
type Endpoint struct {
	// URL has the scheme http or https and the path of the JSON-RPC interface.
	URL *url.URL
	// Secret is aria2's rpc-secret; empty where none is set.
	Secret string
}

const (
	defaultPort = "6800"
	defaultPath = "/jsonrpc"
)

// ParseAddress reads an address as people write it: "host", "host:port", or a
// URL with one of the schemes http, https, ws and wss, with or without the
// path. A path is kept, as a reverse proxy may want one. It fails with
// errs.InvalidSettings.
func ParseAddress(address string) (*url.URL, error) {
	text := strings.TrimSpace(address)
	bare := !strings.Contains(text, "://")
	if bare {
		text = "http://" + bracketIPv6(text)
	}
	u, err := url.Parse(text)
	if err != nil {
		return nil, invalidAddress("is not a host or a URL")
	}
	switch u.Scheme {
	case "http", "https":
	case "ws":
		u.Scheme = "http"
	case "wss":
		u.Scheme = "https"
	default:
		return nil, invalidAddress("has a scheme other than http, https, ws or wss")
	}
	if err := checkParts(u); err != nil {
		return nil, err
	}
	if bare && u.Port() == "" {
		u.Host = net.JoinHostPort(u.Hostname(), defaultPort)
	}
	u.Path = strings.TrimRight(u.Path, "/")
	u.RawPath = ""
	if u.Path == "" {
		u.Path = defaultPath
	}
	return u, nil
}

func checkParts(u *url.URL) error {
	if u.Hostname() == "" {
		return invalidAddress("has no host")
	}
	if u.User != nil {
		return invalidAddress("must not hold a user name or password; the secret has a field of its own")
	}
	if u.RawQuery != "" || u.Fragment != "" {
		return invalidAddress("must end after the path")
	}
	if p := u.Port(); p != "" {
		if n, err := strconv.Atoi(p); err != nil || n < 1 || n > 65535 {
			return invalidAddress("has a port that is not between 1 and 65535")
		}
	}
	return nil
}

// bracketIPv6 makes "::1" and "::1/path" fit into a URL; "[::1]:6800" already does.
func bracketIPv6(s string) string {
	host, path, _ := strings.Cut(s, "/")
	if ip := net.ParseIP(host); ip == nil || ip.To4() != nil {
		return s
	}
	return "[" + host + "]/" + path
}

func invalidAddress(what string) error {
	return errs.New(errs.InvalidSettings, "The address %s.", what).
		WithField("address", what).
		WithHint("Write it like http://127.0.0.1:6800/jsonrpc.")
}
