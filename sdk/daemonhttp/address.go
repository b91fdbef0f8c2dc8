// Package daemonhttp reaches a daemon over HTTP the way every plugin should: it
// reads an address as people write it, keeps few connections and reuses them,
// trusts a given authority and never skips the check of a certificate, follows
// no redirect, and says in words what answers in the daemon's place.
package daemonhttp

import (
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/haul-dl/haul/sdk/errs"
)

var zonePattern = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// Daemon is what addresses and messages need to know of a kind of daemon.
type Daemon struct {
	// Name is how people write it, such as "qBittorrent".
	Name string
	// Port is the one of an address without scheme and port.
	Port string
	// Path is that of the daemon's interface, for an address without a path;
	// it may be empty.
	Path string
	// Example is an address for hints.
	Example string
	// StartHint says how to make the daemon listen.
	StartHint string
}

// ParseAddress reads an address as people write it: "host", "host:port", an
// IPv6 address with or without brackets, or a URL with one of the schemes http,
// https, ws and wss. A path is kept, without a slash at its end, as a reverse
// proxy may want one. It fails with errs.InvalidSettings for the field
// "address".
func (d Daemon) ParseAddress(address string) (*url.URL, error) {
	text := strings.TrimSpace(address)
	bare := !strings.Contains(text, "://")
	if bare {
		text = "http://" + bracketIPv6(text)
	}
	u, err := url.Parse(text)
	if err != nil {
		return nil, d.invalidAddress("is not a host or a URL")
	}
	switch u.Scheme {
	case "http", "https":
	case "ws":
		u.Scheme = "http"
	case "wss":
		u.Scheme = "https"
	default:
		return nil, d.invalidAddress("has a scheme other than http, https, ws or wss")
	}
	if wrong := wrongPart(u); wrong != "" {
		return nil, d.invalidAddress(wrong)
	}
	if bare && u.Port() == "" {
		u.Host = net.JoinHostPort(u.Hostname(), d.Port)
	}
	u.Path = strings.TrimRight(u.Path, "/")
	u.RawPath = ""
	if u.Path == "" {
		u.Path = d.Path
	}
	return u, nil
}

// wrongPart says what an address must not have, or "".
func wrongPart(u *url.URL) string {
	if u.Hostname() == "" {
		return "has no host"
	}
	if !strings.HasPrefix(u.Host, "[") && strings.Count(u.Host, ":") > 1 {
		return "has an IPv6 address without brackets"
	}
	if _, zone, ok := strings.Cut(u.Hostname(), "%"); ok && !zonePattern.MatchString(zone) {
		return "has a zone that is no network interface"
	}
	if u.User != nil {
		return "must not hold a user name or password; they have fields of their own"
	}
	if u.RawQuery != "" || u.Fragment != "" {
		return "must end after the path"
	}
	if p := u.Port(); p != "" {
		if n, err := strconv.Atoi(p); err != nil || n < 1 || n > 65535 {
			return "has a port that is not between 1 and 65535"
		}
	}
	return ""
}

// bracketIPv6 makes "::1" and "::1/path" fit into a URL; "[::1]:6800" already does.
func bracketIPv6(s string) string {
	host, path, _ := strings.Cut(s, "/")
	if ip, err := netip.ParseAddr(host); err != nil || !ip.Is6() {
		return s
	}
	return "[" + strings.Replace(host, "%", "%25", 1) + "]/" + path
}

func (d Daemon) invalidAddress(what string) error {
	return errs.New(errs.InvalidSettings, "The address %s.", what).
		WithField("address", what).
		WithHint("Write it like %s.", d.Example)
}
