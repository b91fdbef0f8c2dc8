// Package driver keeps haul's files in storages by way of rclone, as a library.
package driver

import (
	"context"

	"github.com/haul-dl/haul/sdk/errs"
	"github.com/haul-dl/haul/sdk/storage"
)

const version = "0.1.0"

// Plugin is the rclone plugin.
type Plugin struct{}

// New returns the plugin.
func New() Plugin { return Plugin{} }

// Describe implements storage.Plugin.
func (Plugin) Describe(context.Context) (storage.Description, error) {
	return storage.Description{
		Name:           "rclone",
		Version:        version,
		DisplayName:    "rclone",
		SettingsSchema: settingsSchema(),
	}, nil
}

// Configure implements storage.Plugin. What rclone keeps per process (its
// configuration, its log, its environment) is set here, once.
func (Plugin) Configure(_ context.Context, cfg storage.Config) (storage.Driver, error) {
	s, err := parseSettings(cfg.Settings)
	if err != nil {
		return nil, err
	}
	sections, remote, err := s.sections()
	if err != nil {
		return nil, err
	}
	if err := checkReach(sections, remote); err != nil {
		return nil, err
	}
	conf, err := openConfig(sections, cfg.StateDir, cfg.Logger)
	if err != nil {
		return nil, errs.Wrap(err, errs.Internal, "The plugin's own folder cannot be used.")
	}
	redact := newRedactor(sections)
	if err := prepareProcess(conf, cfg.StateDir, newLogHandler(cfg.Logger, redact)); err != nil {
		return nil, errs.Wrap(err, errs.Internal, "rclone cannot be prepared.")
	}
	return newDriver(remote, conf, redact, cfg.Logger), nil
}

var (
	_ storage.Plugin = Plugin{}
	_ storage.Driver = (*Driver)(nil)
	_ storage.Closer = (*Driver)(nil)
)
