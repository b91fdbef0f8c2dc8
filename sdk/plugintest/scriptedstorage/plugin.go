// Package scriptedstorage is a storage for tests that keeps files in memory, and
// does wrong what its settings say.
package scriptedstorage

import (
	"context"
	"encoding/json"

	"github.com/haul-dl/haul/sdk/errs"
	"github.com/haul-dl/haul/sdk/storage"
)

// Settings are what a storage of this plugin is configured with. Puts are
// counted from 1; 0 is none of them.
type Settings struct {
	// Token is a secret; "wrong" is refused by every call.
	Token string `json:"token,omitempty"`
	// Address is of no use but that a secret belongs to it.
	Address string `json:"address,omitempty"`
	// Capacity is how many bytes fit in; 0 is no limit, and then Space is not
	// offered.
	Capacity int64 `json:"capacity,omitempty"`
	// FailPut fails with errs.StorageUnreachable before it takes a byte.
	FailPut int `json:"fail_put,omitempty"`
	// CutPut takes half of the file and fails with errs.StorageError.
	CutPut int `json:"cut_put,omitempty"`
	// LosePut says that it has the file, and has not.
	LosePut int `json:"lose_put,omitempty"`
	// CrashPut ends the process.
	CrashPut int `json:"crash_put,omitempty"`
	// DelayMS is how long each Put waits before it begins, in milliseconds.
	DelayMS int `json:"delay_ms,omitempty"`
}

const settingsSchema = `{
	"type": "object", "additionalProperties": false,
	"properties": {
		"token": {"type": "string", "writeOnly": true, "title": "Token"},
		"address": {"type": "string", "x-haul-endpoint": true, "title": "Address"},
		"capacity": {"type": "integer", "minimum": 0},
		"fail_put": {"type": "integer", "minimum": 0},
		"cut_put": {"type": "integer", "minimum": 0},
		"lose_put": {"type": "integer", "minimum": 0},
		"crash_put": {"type": "integer", "minimum": 0},
		"delay_ms": {"type": "integer", "minimum": 0}
	}
}`

// Plugin makes scripted storages. Its zero value is ready to be used.
type Plugin struct {
	// Name is "scripted" where empty, Version "1.0.0".
	Name, Version string
}

var _ storage.Plugin = Plugin{}

// Describe implements storage.Plugin.
func (p Plugin) Describe(context.Context) (storage.Description, error) {
	d := storage.Description{Name: p.Name, Version: p.Version, DisplayName: "Scripted storage", SettingsSchema: []byte(settingsSchema)}
	if d.Name == "" {
		d.Name = "scripted"
	}
	if d.Version == "" {
		d.Version = "1.0.0"
	}
	return d, nil
}

// Configure implements storage.Plugin.
func (Plugin) Configure(_ context.Context, cfg storage.Config) (storage.Driver, error) {
	var s Settings
	if err := json.Unmarshal(cfg.Settings, &s); err != nil {
		return nil, errs.Wrap(err, errs.InvalidSettings, "The settings are not valid.").WithField("settings", "is not what the schema says")
	}
	return New(s), nil
}
