// Package driver runs haul's jobs at a qBittorrent.
package driver

import (
	"context"
	"time"

	"github.com/haul-dl/haul/sdk/downloader"
)

const version = "0.1.0"

// Plugin is the qBittorrent plugin.
type Plugin struct{}

// New returns the plugin.
func New() Plugin { return Plugin{} }

// Describe implements downloader.Plugin.
func (Plugin) Describe(context.Context) (downloader.Description, error) {
	return downloader.Description{
		Name:        "qbittorrent",
		Version:     version,
		DisplayName: "qBittorrent",
		Sources:     []downloader.SourceKind{downloader.SourceMagnet, downloader.SourceTorrent},
		Capabilities: []downloader.Capability{
			downloader.CapabilityTest, downloader.CapabilityList, downloader.CapabilityPause,
			downloader.CapabilitySelectFiles, downloader.CapabilitySetLimits,
		},
		SettingsSchema:  []byte(settingsSchema),
		OptionsSchema:   []byte(optionsSchema),
		ReservedOptions: reservedOptions(),
	}, nil
}

// Configure implements downloader.Plugin.
func (Plugin) Configure(_ context.Context, cfg downloader.Config) (downloader.Driver, error) {
	s, err := parseSettings(cfg.Settings)
	if err != nil {
		return nil, err
	}
	return open(cfg, s, time.Now)
}
