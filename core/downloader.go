package core

import (
	"encoding/json"
	"time"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

// DefaultMaxActive is how many jobs a downloader runs at once unless told otherwise.
const DefaultMaxActive = 500

// DefaultPollInterval is how often a downloader is asked for progress, in seconds.
const DefaultPollInterval = 1

// Downloader is one configured backend on one node.
type Downloader struct {
	ID   DownloaderID `json:"id"`
	Name string       `json:"name"`
	Node NodeID       `json:"node"`
	// Plugin is the name of the plugin that drives it.
	Plugin  string `json:"plugin"`
	Enabled bool   `json:"enabled"`
	// Settings is a JSON object for the plugin; it may hold secrets. The store
	// keeps it encrypted.
	Settings json.RawMessage `json:"-"`
	// Options is a JSON object of options for every job there; a task's own win.
	Options json.RawMessage `json:"options,omitempty"`
	// PathMap says how the daemon calls the node's folders, where it is in a
	// container or on another machine; empty means that both call them the same.
	PathMap []PathMapping `json:"path_map,omitempty"`
	// MaxActive is the number of jobs that run at once.
	MaxActive int `json:"max_active"`
	// Weight is its share among downloaders that suit as well, from 1.
	Weight int `json:"weight"`
	// PollInterval is how often it is asked for progress, in seconds.
	PollInterval int `json:"poll_interval"`
	// Seed is for tasks whose owner and group say nothing; nil seeds only what
	// private trackers expect.
	Seed *SeedPolicy `json:"seed,omitempty"`
	// Revision grows with each change.
	Revision  int64     `json:"revision"`
	CreatedAt time.Time `json:"created_at"`
}

// PathMapping is one folder under the two names that it has. Both are absolute.
type PathMapping struct {
	Daemon string `json:"daemon"`
	Node   string `json:"node"`
}

// HealthState is how a downloader fares.
type HealthState string

// The states of health.
const (
	HealthUnknown  HealthState = "unknown"  // not looked at yet
	HealthStarting HealthState = "starting" // its plugin starts
	HealthOK       HealthState = "ok"
	HealthDegraded HealthState = "degraded" // the daemon is in trouble, see the code
	HealthFailed   HealthState = "failed"   // the plugin cannot be used, see the code
	HealthDisabled HealthState = "disabled"
)

// Health is how a downloader fares, and since when that is known.
type Health struct {
	State   HealthState
	Code    errs.Code
	Message string
	// Version is that of the daemon.
	Version   string
	CheckedAt time.Time
}

// DownloaderView is a downloader with what its node knows of it. Secrets in
// Settings are redacted.
type DownloaderView struct {
	Downloader
	NodeName string
	Health   Health
	Restarts int
	// PluginPID is 0 while no plugin process runs.
	PluginPID int
	// Active is the number of jobs that have a place now.
	Active int
}

// PluginView is a plugin as a node has found it. OptionsSchema has what haul
// itself adds to the plugin's own.
type PluginView struct {
	ObservedPlugin
	Node NodeID
	// NodeName is for people; empty where gone.
	NodeName string
	// Instances are the downloaders that use it.
	Instances []PluginInstance
}

// PluginInstance is one process of a plugin.
type PluginInstance struct {
	// Downloader or Storage is what it drives.
	Downloader DownloaderID
	Storage    StorageID
	Name       string
	State      HealthState
	PID        int
	Restarts   int
	Version    string
}

// Node is a machine that runs downloads.
type Node struct {
	ID        NodeID    `json:"id"`
	Name      string    `json:"name"`
	CreatedAt time.Time `json:"created_at"`
}

// RedactedSecret stands in for a secret that was given before.
const RedactedSecret = "<secret>"

// LocalNodeName names the node inside the server.
const LocalNodeName = "local"

// TemporaryPrefix begins the names of files that are on their way to their place.
const TemporaryPrefix = ".haul-"

// StorageKind is StorageLocal, or the name of the plugin that drives a storage.
type StorageKind string

// StorageLocal is a folder on the node.
const StorageLocal StorageKind = "local"

// LocalStorageName names the storage that the first start makes.
const LocalStorageName = "local"

// Storage is where finished files go. Each user has a home folder below its root.
type Storage struct {
	ID   StorageID   `json:"id"`
	Name string      `json:"name"`
	Kind StorageKind `json:"kind"`
	// Root is the absolute path of a StorageLocal.
	Root string `json:"root"`
	// Settings is a JSON object for the plugin; it may hold secrets. The store
	// keeps it encrypted.
	Settings json.RawMessage `json:"-"`
	// Revision grows with each change.
	Revision  int64     `json:"revision,omitempty"`
	CreatedAt time.Time `json:"created_at"`
}

// StorageView is a storage with what the nodes know of it. Secrets in Settings
// are redacted; of a StorageLocal they are {"path": Root}.
type StorageView struct {
	Storage
	Health Health
	// FreeBytes and TotalBytes are -1 where not known.
	FreeBytes, TotalBytes int64
}

// SourceKinds lists all kinds of sources.
var SourceKinds = []downloader.SourceKind{
	downloader.SourceMagnet, downloader.SourceTorrent, downloader.SourceHTTP,
	downloader.SourceFTP, downloader.SourceMetalink,
}
