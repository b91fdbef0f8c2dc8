package conformance

import (
	"context"
	"encoding/json"
	"net"
	"net/url"
	"strings"

	"github.com/haul-dl/haul/sdk/errs"
)

// closedPort stands for an address at which nobody listens.
const closedPort = ""

const noEndpoint = `No setting is marked with "x-haul-endpoint", or called "address".`

// settingsFor returns the settings with the daemon's address replaced by
// host:port, and secrets where there were none: the suite looks for them later.
func (c *C) settingsFor(hostPort string) []byte {
	name := endpointOf(c.desc)
	if name == "" {
		c.skipf("%s", noEndpoint)
	}
	if hostPort == closedPort {
		hostPort = c.refusing()
	}
	pointed := c.altered(func(o object) {
		before, _ := o[name].(string)
		o[name] = pointAt(before, hostPort)
	})
	// What else is set may not go with an address, nor with a secret.
	alone, err := json.Marshal(object{name: pointAt("", hostPort)})
	c.mustOwn(err)
	for _, settings := range [][]byte{c.withCanaries(pointed), pointed, c.withCanaries(alone), alone} {
		if err = c.configure(settings); err == nil {
			return settings
		}
		if !errs.Is(err, errs.InvalidSettings) {
			break
		}
	}
	c.failf("Configure with another address: %s.%s", c.describe(err), c.fields(err))
	return nil
}

// pointAt writes another host and port the way an address was written.
func pointAt(before, hostPort string) string {
	scheme, rest, found := strings.Cut(before, "://")
	if before == "" {
		return "http://" + hostPort
	}
	if !found {
		return hostPort
	}
	u, err := url.Parse("http://" + rest)
	if err != nil {
		return "http://" + hostPort
	}
	u.Host = hostPort
	if scheme = strings.TrimSuffix(strings.ToLower(scheme), "s"); scheme != "http" {
		u.Scheme = scheme
	}
	return u.String()
}

// refusing returns an address that refuses connections until the case ends. A
// connection of our own keeps the port: of one that is only free, another
// server may be the next owner.
func (c *C) refusing() string {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	c.mustOwn(err)
	c.onCleanup(func(context.Context) { _ = l.Close() })
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}}
	conn, err := dialer.DialContext(c.ctx, "tcp4", l.Addr().String())
	c.mustOwn(err)
	c.onCleanup(func(context.Context) { _ = conn.Close() })
	return conn.LocalAddr().String()
}

// withCanaries puts a secret of the suite's own into each secret that is not set.
func (c *C) withCanaries(settings []byte) []byte {
	var o object
	if json.Unmarshal(settings, &o) != nil {
		return settings
	}
	for name, p := range propertiesOf(c.desc.SettingsSchema) {
		if _, set := o[name]; p.WriteOnly && p.Type == "string" && !set {
			canary := "canary" + strings.ReplaceAll(c.newID(), "-", "")
			o[name] = canary
			c.suite.mu.Lock()
			c.canary = append(c.canary, canary)
			c.suite.mu.Unlock()
		}
	}
	out, err := json.Marshal(o)
	c.mustOwn(err)
	return out
}
