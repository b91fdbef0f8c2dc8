package pluginhost

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/hashicorp/go-plugin"

	"github.com/haul-dl/haul/sdk/errs"
)

// shortestCertificate is what the library takes for one; older plugins put
// something shorter into its place.
const shortestCertificate = 51

var handshakeStart = regexp.MustCompile(`^\s*[0-9]+\|`)

// isHandshake reports whether a line is meant as "1|2|unix|PATH|grpc|CERT".
func isHandshake(line []byte) bool { return handshakeStart.Match(line) }

// handshake is what a plugin says of itself before it can be called.
type handshake struct {
	core        string // the version of the handshake itself
	contract    string
	address     string
	protocol    string
	certificate bool
}

func parseHandshake(line []byte) handshake {
	parts := strings.Split(strings.TrimSpace(string(line)), "|")
	parts = append(parts, make([]string, 6)...)
	return handshake{
		core: parts[0], contract: parts[1], address: parts[3], protocol: parts[4],
		certificate: len(parts[5]) >= shortestCertificate,
	}
}

// explain says what in the handshake keeps the plugin from being called, nil
// where it is not the handshake.
func (h *handshake) explain(c *contract, name string) error {
	switch version, err := strconv.Atoi(h.contract); {
	case h.core != strconv.Itoa(plugin.CoreProtocolVersion):
		return errs.New(errs.PluginIncompatible, "The plugin %s speaks version %.16q of go-plugin's handshake; this haul speaks %d.",
			name, printable(h.core), plugin.CoreProtocolVersion)
	case err != nil:
		return errs.New(errs.PluginIncompatible, "The plugin %s gives no version of haul's contract in its handshake.", name)
	case version < c.oldest:
		return errs.New(errs.PluginIncompatible, "The plugin %s speaks version %d of haul's contract, which is older than %d, the oldest that this haul speaks.",
			name, version, c.oldest).WithHint("Install a newer release of the plugin.")
	case version > c.newest:
		return errs.New(errs.PluginIncompatible, "The plugin %s speaks version %d of haul's contract, which is newer than %d, the newest that this haul speaks.",
			name, version, c.newest).WithHint("Install a newer haul, or an older release of the plugin.")
	case h.address == "":
		return errs.New(errs.PluginIncompatible, "The plugin %s gives half a handshake: no address.", name)
	case h.protocol != string(plugin.ProtocolGRPC):
		return errs.New(errs.PluginIncompatible, "The plugin %s does not speak gRPC.", name)
	}
	return nil
}
