package driver

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"

	"github.com/hashicorp/go-hclog"

	"github.com/haul-dl/haul/plugins/transmission/internal/transmissionrpc"
	"github.com/haul-dl/haul/sdk/daemonhttp"
	"github.com/haul-dl/haul/sdk/errs"
)

const settingsSchema = `{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "title": "Transmission",
  "type": "object",
  "additionalProperties": false,
  "required": ["address"],
  "properties": {
    "address": {
      "type": "string",
      "title": "Address",
      "description": "Where Transmission's RPC listens, such as http://127.0.0.1:9091 or nas:9091; the address of its web interface will do.",
      "minLength": 1,
      "maxLength": 2048,
      "x-haul-endpoint": true
    },
    "username": {
      "type": "string",
      "title": "User name",
      "description": "Transmission's rpc-username, where rpc-authentication-required is on.",
      "maxLength": 1024
    },
    "password": {
      "type": "string",
      "title": "Password",
      "description": "The password of that user.",
      "writeOnly": true,
      "maxLength": 1024
    },
    "ca_certificate": {
      "type": "string",
      "title": "CA certificate",
      "description": "Certificate in PEM of the authority that signed the server's, where this machine does not trust it anyway. For https addresses.",
      "contentMediaType": "application/x-pem-file",
      "maxLength": 65536
    }
  }
}`

// settings are what settingsSchema describes.
type settings struct {
	Address       string `json:"address"`
	Username      string `json:"username"`
	Password      string `json:"password"`
	CACertificate string `json:"ca_certificate"`
}

func parseSettings(raw []byte) (settings, error) {
	var s settings
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&s); err != nil {
		return s, invalidSettings(err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return s, errs.New(errs.InvalidSettings, "The settings of Transmission are not one JSON object.")
	}
	if s.Address == "" {
		return s, errs.New(errs.InvalidSettings, "There is no address.").WithField("address", "is required")
	}
	return s, nil
}

// invalidSettings does not wrap the cause, which may quote a secret.
func invalidSettings(err error) error {
	e := errs.New(errs.InvalidSettings, "The settings of Transmission are not valid.").
		WithHint("There are address, username, password and ca_certificate.")
	if te, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && te.Field != "" {
		return e.WithField(te.Field, "must not be a "+te.Value)
	}
	return e
}

func (s settings) client(logger hclog.Logger) (*transmissionrpc.Client, error) {
	u, err := transmissionrpc.ParseAddress(s.Address)
	if err != nil {
		return nil, err
	}
	http, err := daemonhttp.New(daemonhttp.Options{Daemon: transmissionrpc.Daemon(), URL: u, CACertificate: s.CACertificate})
	if err != nil {
		return nil, err
	}
	return transmissionrpc.New(transmissionrpc.Options{HTTP: http, Username: s.Username, Password: s.Password, Logger: logger}), nil
}
