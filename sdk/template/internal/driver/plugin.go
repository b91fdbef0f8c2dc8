// Package driver runs haul's jobs at a fetchd.
package driver

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
	"github.com/haul-dl/haul/sdk/schema"

	"example.org/haul-downloader-fetchd/internal/fetchd"
)

const (
	// name is what users write, and what the executable is called after
	// haul-downloader-.
	name    = "fetchd"
	version = "0.1.0"
)

// Plugin is the fetchd plugin.
type Plugin struct{}

// New returns the plugin.
func New() Plugin { return Plugin{} }

// Describe implements downloader.Plugin.
func (Plugin) Describe(context.Context) (downloader.Description, error) {
	return downloader.Description{
		Name:        name,
		Version:     version,
		DisplayName: "fetchd",
		Sources:     []downloader.SourceKind{downloader.SourceHTTP},
		// Exactly the interfaces that the driver has, see optional.go.
		Capabilities: []downloader.Capability{
			downloader.CapabilityTest, downloader.CapabilityList,
			downloader.CapabilityPause, downloader.CapabilitySetLimits,
		},
		SettingsSchema:  []byte(settingsSchema),
		OptionsSchema:   []byte(optionsSchema),
		ReservedOptions: []string{"tag", "url", "dir", "name", "state", "limit"},
	}, nil
}

// Configure implements downloader.Plugin.
func (Plugin) Configure(_ context.Context, cfg downloader.Config) (downloader.Driver, error) {
	var s settings
	if err := decode(cfg.Settings, &s); err != nil {
		return nil, errs.New(errs.InvalidSettings, "The settings of fetchd are not valid.").
			WithHint("There are address, token and ca_certificate.")
	}
	if s.Address == "" {
		return nil, errs.New(errs.InvalidSettings, "fetchd's address is missing.").
			WithField("address", "is needed")
	}
	client, err := fetchd.New(fetchd.Options{Address: s.Address, Token: s.Token, CACertificate: s.CACertificate})
	if err != nil {
		return nil, err
	}
	rules, err := schema.Compile([]byte(optionsSchema))
	if err != nil {
		return nil, errs.Wrap(err, errs.Internal, "The schema of the options is wrong.")
	}
	return &Driver{
		downloaderID: cfg.DownloaderID,
		maxActive:    cfg.MaxActive,
		logger:       cfg.Logger,
		client:       client,
		adding:       newLocks(),
		rules:        rules,
		unknown:      map[string]bool{},
	}, nil
}

// settingsSchema is what a downloader is configured with. haul checks it before
// anything is saved, keeps what is writeOnly sealed, and asks for it again when
// an x-haul-endpoint, where it is sent to, changes.
const settingsSchema = `{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "title": "fetchd",
  "type": "object",
  "additionalProperties": false,
  "required": ["address"],
  "properties": {
    "address": {
      "type": "string",
      "title": "Address",
      "description": "Where fetchd's API listens, such as http://127.0.0.1:7700 or nas:7700.",
      "x-haul-endpoint": true,
      "minLength": 1,
      "maxLength": 2048
    },
    "token": {
      "type": "string",
      "title": "Token",
      "description": "The token that fetchd was started with.",
      "writeOnly": true,
      "maxLength": 1024
    },
    "ca_certificate": {
      "type": "string",
      "title": "CA certificate",
      "description": "The certificate, in PEM, of the authority that signed fetchd's. Only for https with an authority of your own.",
      "maxLength": 65536
    }
  }
}`

type settings struct {
	Address       string `json:"address"`
	Token         string `json:"token"`
	CACertificate string `json:"ca_certificate"`
}

// optionsSchema is what a user may set for a job: a list of what is harmless,
// under the daemon's own names.
const optionsSchema = `{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "user_agent": {
      "type": "string",
      "title": "User agent",
      "description": "What fetchd calls itself towards the server.",
      "minLength": 1,
      "maxLength": 256,
      "pattern": "^[ -~]*$"
    }
  }
}`

type options struct {
	UserAgent string `json:"user_agent"`
}

// readOptions reads a job's options strictly, though haul has checked them; an
// error names what is wrong.
func (d *Driver) readOptions(raw []byte) (options, error) {
	var o options
	if len(bytes.TrimSpace(raw)) == 0 {
		return o, nil
	}
	wrong := errs.New(errs.InvalidOptions, "The options of fetchd are not valid.")
	if wrong.Fields = schema.In("options", d.rules.Validate(raw)); len(wrong.Fields) > 0 {
		return o, wrong
	}
	if err := decode(raw, &o); err != nil {
		return o, wrong
	}
	return o, nil
}

// decode reads one JSON object strictly; nothing at all is an empty one. Its
// error may quote a secret, so callers do not pass it on.
func decode(raw []byte, into any) error {
	if len(bytes.TrimSpace(raw)) == 0 {
		return nil
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more than one object")
	}
	return nil
}
