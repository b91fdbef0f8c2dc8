package pluginhost

import (
	"context"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/storage"
	"github.com/haul-dl/haul/sdk/storagewire"
	"github.com/haul-dl/haul/sdk/wire"
)

// Kind is what plugins drive.
type Kind string

// The kinds of plugins. Their executables are named haul-KIND-NAME.
const (
	KindDownloader Kind = "downloader"
	KindStorage    Kind = "storage"
)

// contract is one of those that haul has with plugins. All that a host does is
// the same for each of them but what is here.
type contract struct {
	kind      Kind
	handshake plugin.HandshakeConfig
	sets      func() map[int]plugin.PluginSet
	dispenses string
	// oldest and newest are the versions that this haul speaks.
	oldest, newest int
	// adopt returns the plugin that go-plugin has dispensed.
	adopt func(raw any) (peer, bool)
}

// peer is a plugin at the other end, of whichever contract.
type peer interface {
	// describe returns what the plugin says of itself, as far as its kind has it.
	describe(ctx context.Context) (downloader.Description, error)
	// configure returns the driver of the contract.
	configure(ctx context.Context, spec Spec, stateDir string, log hclog.Logger) (any, error)
	// Drain is that of both contracts.
	Drain(ctx context.Context, grace time.Duration) error
}

var downloaders = &contract{
	kind: KindDownloader, handshake: wire.Handshake, dispenses: wire.PluginName,
	sets:   func() map[int]plugin.PluginSet { return wire.VersionedPlugins(nil) },
	oldest: wire.OldestVersion, newest: wire.ProtocolVersion,
	adopt: func(raw any) (peer, bool) {
		c, ok := raw.(*wire.Client)
		return downloaderPeer{c}, ok
	},
}

var storages = &contract{
	kind: KindStorage, handshake: storagewire.Handshake, dispenses: storagewire.PluginName,
	sets:   func() map[int]plugin.PluginSet { return storagewire.VersionedPlugins(nil) },
	oldest: storagewire.ProtocolVersion, newest: storagewire.ProtocolVersion,
	adopt: func(raw any) (peer, bool) {
		c, ok := raw.(*storagewire.Client)
		return storagePeer{c}, ok
	},
}

// fileOf returns the name of the executable of a plugin.
func (c *contract) fileOf(name string) string { return prefixOf(c.kind) + name }

func prefixOf(k Kind) string { return "haul-" + string(k) + "-" }

// contractOf returns the contract of a kind; files of no other kind are found.
func contractOf(k Kind) *contract {
	if k == KindStorage {
		return storages
	}
	return downloaders
}

// key names a plugin. Two of different kinds may have the same name.
type key struct {
	kind Kind
	name string
}

// pin returns the name of a plugin in Options.Pins.
func (k key) pin() string {
	if k.kind == KindStorage {
		return string(KindStorage) + "-" + k.name
	}
	return k.name
}

type downloaderPeer struct{ *wire.Client }

func (p downloaderPeer) describe(ctx context.Context) (downloader.Description, error) {
	return p.Describe(ctx)
}

func (p downloaderPeer) configure(ctx context.Context, spec Spec, stateDir string, log hclog.Logger) (any, error) {
	return p.Configure(ctx, downloader.Config{
		DownloaderID: spec.ID, Settings: spec.Settings, StateDir: stateDir, MaxActive: spec.MaxActive, Logger: log,
	})
}

type storagePeer struct{ *storagewire.Client }

func (p storagePeer) describe(ctx context.Context) (downloader.Description, error) {
	d, err := p.Describe(ctx)
	return downloader.Description{
		Name: d.Name, Version: d.Version, DisplayName: d.DisplayName, SettingsSchema: d.SettingsSchema,
	}, err
}

func (p storagePeer) configure(ctx context.Context, spec Spec, stateDir string, log hclog.Logger) (any, error) {
	return p.Configure(ctx, storage.Config{StorageID: spec.ID, Settings: spec.Settings, StateDir: stateDir, Logger: log})
}
