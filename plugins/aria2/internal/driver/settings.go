package driver

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"

	"github.com/haul-dl/haul/plugins/aria2/internal/aria2rpc"
	"github.com/haul-dl/haul/plugins/aria2/internal/managed"
	"github.com/haul-dl/haul/sdk/daemonhttp"
	"github.com/haul-dl/haul/sdk/errs"
)

const settingsSchema = `{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "title": "aria2",
  "type": "object",
  "additionalProperties": false,
  "dependentRequired": {"secret": ["address"], "ca_certificate": ["address"]},
  "properties": {
    "address": {
      "type": "string",
      "title": "Address",
      "description": "Where aria2's JSON-RPC listens, such as http://127.0.0.1:6800/jsonrpc or nas:6800. Leave it out to let haul run an aria2 of its own on the node.",
      "maxLength": 2048,
      "x-haul-endpoint": true
    },
    "secret": {
      "type": "string",
      "title": "Secret",
      "description": "The rpc-secret of that aria2.",
      "writeOnly": true,
      "maxLength": 1024
    },
    "ca_certificate": {
      "type": "string",
      "title": "CA certificate",
      "description": "Certificate in PEM of the authority that signed the server's, where this machine does not trust it anyway. For https and wss addresses.",
      "contentMediaType": "application/x-pem-file",
      "maxLength": 65536
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
	Address       string           `json:"address"`
	Secret        string           `json:"secret"`
	CACertificate string           `json:"ca_certificate"`
	Managed       *managed.Network `json:"managed"`
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
		WithHint("There are address, secret, ca_certificate and managed.")
	if te, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return e.WithField(te.Field, "must not be a "+te.Value)
	}
	return e
}

func (s settings) validate() error {
	if s.Address == "" {
		if s.Secret != "" || s.CACertificate != "" {
			return errs.New(errs.InvalidSettings, "There is a secret or a CA certificate, but no address.").
				WithField("address", "is needed with a secret or a CA certificate").
				WithHint("Give the address of the aria2, or neither of them to let haul run one of its own.")
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
	return nil
}

// endpoint is that of an aria2 which somebody else runs.
func (s settings) endpoint() (aria2rpc.Endpoint, error) {
	u, err := aria2rpc.Daemon().ParseAddress(s.Address)
	if err != nil {
		return aria2rpc.Endpoint{}, err
	}
	client, err := daemonhttp.New(daemonhttp.Options{Daemon: aria2rpc.Daemon(), URL: u, CACertificate: s.CACertificate})
	return aria2rpc.Endpoint{HTTP: client, Secret: s.Secret}, err
}
