// Package driver runs haul's jobs at an aria2 daemon.
package driver

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"

	"github.com/haul-dl/haul/plugins/aria2/internal/aria2rpc"
	"github.com/haul-dl/haul/plugins/aria2/internal/managed"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

const (
	version    = "0.1.0"
	minVersion = "1.34.0" // that of Debian 10 (2019); nothing older was ever tried
)

// Plugin is the aria2 plugin.
type Plugin struct{}

// New returns the plugin.
func New() Plugin { return Plugin{} }

// Describe implements downloader.Plugin.
func (Plugin) Describe(context.Context) (downloader.Description, error) {
	d := downloader.Description{
		Name:        "aria2",
		Version:     version,
		DisplayName: "aria2",
		Sources: []downloader.SourceKind{
			downloader.SourceHTTP, downloader.SourceFTP, downloader.SourceMagnet,
			downloader.SourceTorrent, downloader.SourceMetalink,
		},
		Capabilities: []downloader.Capability{
			downloader.CapabilityTest, downloader.CapabilityWatch, downloader.CapabilityList,
		},
		SettingsSchema: []byte(settingsSchema),
	}
	_, err := managed.Find()
	if d.Managed = err == nil; !d.Managed {
		d.ManagedHint = "apt-get install aria2"
	}
	return d, nil
}

// Configure implements downloader.Plugin. Without an address the driver starts
// an aria2 of its own.
func (Plugin) Configure(_ context.Context, cfg downloader.Config) (downloader.Driver, error) {
	s, err := parseSettings(cfg.Settings)
	if err != nil {
		return nil, err
	}
	return open(cfg, s)
}

const settingsSchema = `{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "title": "aria2",
  "type": "object",
  "additionalProperties": false,
  "dependentRequired": {"secret": ["address"]},
  "properties": {
    "address": {
      "type": "string",
      "title": "Address",
      "description": "Where aria2's JSON-RPC listens, such as http://127.0.0.1:6800/jsonrpc or nas:6800. Leave it out to let haul run an aria2 of its own on the node.",
      "maxLength": 2048
    },
    "secret": {
      "type": "string",
      "title": "Secret",
      "description": "The rpc-secret of that aria2.",
      "writeOnly": true,
      "maxLength": 1024
    },
    "managed": {
      "type": "object",
      "title": "haul's own aria2",
      "description": "The network of the aria2 that haul runs when there is no address.",
      "additionalProperties": false,
      "properties": {
        "dht": {
          "type": "boolean",
          "title": "DHT",
          "description": "Find peers without trackers.",
          "default": true
        },
        "listen_port": {
          "type": "integer",
          "title": "BitTorrent port",
          "description": "TCP port for peers, and UDP port of the DHT. 0 takes a free one from 6881 to 6999.",
          "default": 0,
          "anyOf": [{"const": 0}, {"minimum": 1024, "maximum": 65535}]
        },
        "interface": {
          "type": "string",
          "title": "Network interface",
          "description": "Name or address of the interface that all connections leave by, such as that of a VPN. Empty leaves it to the system.",
          "pattern": "^[A-Za-z0-9.:_%@-]{0,64}$"
        },
        "ipv6": {
          "type": "boolean",
          "title": "IPv6",
          "description": "Use IPv6 too.",
          "default": false
        }
      }
    }
  }
}`

// settings are what settingsSchema describes.
type settings struct {
	Address string           `json:"address"`
	Secret  string           `json:"secret"`
	Managed *managed.Network `json:"managed"`
}

func parseSettings(raw []byte) (settings, error) {
	var s settings
	if len(bytes.TrimSpace(raw)) == 0 {
		return s, nil
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&s); err != nil {
		return s, invalidSettings(err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return s, errs.New(errs.InvalidSettings, "The settings of aria2 are not one JSON object.")
	}
	return s, s.validate()
}

// invalidSettings does not wrap the cause, which may quote a secret.
func invalidSettings(err error) error {
	e := errs.New(errs.InvalidSettings, "The settings of aria2 are not valid.").
		WithHint("There are address, secret and managed.")
	if te, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return e.WithField(te.Field, "must not be a "+te.Value)
	}
	return e
}

func (s settings) validate() error {
	if s.Address == "" {
		if s.Secret != "" {
			return errs.New(errs.InvalidSettings, "There is a secret, but no address.").
				WithField("address", "is needed with a secret").
				WithHint("Give the address of the aria2, or no secret to let haul run one of its own.")
		}
		if s.Managed != nil {
			return s.Managed.Validate()
		}
		return nil
	}
	if s.Managed != nil {
		return errs.New(errs.InvalidSettings, "The settings under managed are for haul's own aria2, which there is none of with an address.").
			WithField("managed", "must be left out with an address")
	}
	_, err := aria2rpc.ParseAddress(s.Address)
	return err
}
