package driver

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"

	"github.com/haul-dl/haul/plugins/qbittorrent/internal/qbittorrentrpc"
	"github.com/haul-dl/haul/sdk/daemonhttp"
	"github.com/haul-dl/haul/sdk/errs"
)

const settingsSchema = `{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "title": "qBittorrent",
  "type": "object",
  "additionalProperties": false,
  "required": ["address"],
  "properties": {
    "address": {
      "type": "string",
      "title": "Address",
      "description": "Where qBittorrent's Web UI listens, such as http://127.0.0.1:8080 or https://nas.example/qbittorrent.",
      "minLength": 1,
      "maxLength": 2048,
      "x-haul-endpoint": true
    },
    "username": {
      "type": "string",
      "title": "User name",
      "description": "That of the Web UI. Leave it out, with the password, where the Web UI lets haul's machine in without.",
      "maxLength": 1024
    },
    "password": {
      "type": "string",
      "title": "Password",
      "description": "That of the Web UI.",
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
	if err := dec.Decode(&s); err != nil && !errors.Is(err, io.EOF) {
		return s, invalidSettings(err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return s, errs.New(errs.InvalidSettings, "The settings of qBittorrent are not one JSON object.")
	}
	if s.Address == "" {
		return s, errs.New(errs.InvalidSettings, "The address of qBittorrent is missing.").WithField("address", "is required")
	}
	if s.Username == "" && s.Password != "" {
		return s, errs.New(errs.InvalidSettings, "There is a password, but no user name.").
			WithField("username", "is needed with a password").
			WithHint("The user name is admin, unless it was changed in qBittorrent's Web UI settings.")
	}
	return s, nil
}

// invalidSettings does not wrap the cause, which may quote a secret.
func invalidSettings(err error) error {
	e := errs.New(errs.InvalidSettings, "The settings of qBittorrent are not valid.").
		WithHint("There are address, username, password and ca_certificate.")
	if te, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return e.WithField(te.Field, "must not be a "+te.Value)
	}
	return e
}

// connection returns a client of the address; it does not connect yet.
func (s settings) connection() (*daemonhttp.Client, error) {
	u, err := qbittorrentrpc.Daemon().ParseAddress(s.Address)
	if err != nil {
		return nil, err
	}
	return daemonhttp.New(daemonhttp.Options{Daemon: qbittorrentrpc.Daemon(), URL: u, CACertificate: s.CACertificate})
}
