// Package driver runs haul's jobs at an aria2 daemon.
package driver

import (
	"context"

	"github.com/haul-dl/haul/plugins/aria2/internal/managed"
	"github.com/haul-dl/haul/sdk/downloader"
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
			downloader.CapabilityPause, downloader.CapabilitySelectFiles, downloader.CapabilitySetLimits,
		},
		SettingsSchema:  []byte(settingsSchema),
		OptionsSchema:   []byte(optionsSchema),
		ReservedOptions: reservedOptions(),
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
