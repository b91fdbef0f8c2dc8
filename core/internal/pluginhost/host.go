// Package pluginhost finds, verifies, starts, configures and supervises plugin
// processes. One configured downloader or storage is one process.
package pluginhost

import (
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/haul-dl/haul/sdk/downloader"
)

// Options configure a Host.
type Options struct {
	// Dirs are searched for plugins, in this order: DIR/haul-KIND-NAME and
	// DIR/NAME/VERSION/haul-KIND-NAME.
	Dirs []string
	// Pins holds the SHA-256 that the files of some plugins must have, in
	// lower-case hexadecimal digits: by NAME those of downloaders, by storage-NAME
	// those of storages.
	Pins map[string][]string
	// Watch makes the host look for plugins by itself when something changes in
	// Dirs, as Rescan does.
	Watch bool
	// OnPlugins is called when Plugins may answer otherwise than before, for
	// another reason than a call of Rescan. It must not block, and may be called
	// concurrently, but not before the first Rescan.
	OnPlugins func()
	// MemoryLimit is the resident memory in bytes at which a process is started
	// anew; 0 means none.
	MemoryLimit int64
	// RuntimeDir is where sockets go, a directory of haul's own; it is made with
	// mode 0700, and what an earlier host left in it is ended and removed.
	RuntimeDir string
	// StateDir has one directory for each downloader and storage, for its driver.
	StateDir string
	// OnChange is called, never concurrently and without a lock held, when the
	// status of an instance has changed. It must not block.
	OnChange func(id string)
	Logger   hclog.Logger
}

// Plugin is one file of a plugin that was found.
type Plugin struct {
	// Kind tells which fields of the description count: of a storage those that
	// storage.Description has, too.
	Kind Kind
	downloader.Description
	Path   string
	SHA256 string
	// Active marks the file that new processes of the plugin are started from.
	Active bool
	// Err tells why it cannot be used: errs.PluginUntrusted,
	// errs.PluginIncompatible, errs.PluginCrashed, errs.PluginHung.
	Err error
}

// Spec is one downloader to run.
type Spec struct {
	// ID is the downloader's id, Name what people call it.
	ID, Name string
	// Plugin is the plugin's name.
	Plugin    string
	Settings  []byte
	MaxActive int
}

// StorageSpec is one storage to run.
type StorageSpec struct {
	// ID is the storage's id, Name what people call it.
	ID, Name string
	// Plugin is the plugin's name.
	Plugin   string
	Settings []byte
}

func (s StorageSpec) spec() Spec {
	return Spec{ID: s.ID, Name: s.Name, Plugin: s.Plugin, Settings: s.Settings}
}

// State is how an instance fares.
type State string

// The states of an instance.
const (
	StateStopped    State = "stopped"
	StateStarting   State = "starting"
	StateRunning    State = "running"
	StateDegraded   State = "degraded"    // health checks fail
	StateBackingOff State = "backing_off" // waits to be started again
	StateFailed     State = "failed"      // gave up, until Rescan finds a new binary or somebody reopens it
	StateDraining   State = "draining"
)

// Status is how an instance fares, and why.
type Status struct {
	State State
	// Err is the last trouble: errs.PluginMissing, errs.PluginCrashed, …; nil while all is well.
	Err error
	// UpgradeErr is why a newer file of the plugin does not start, while the old
	// one goes on; nil otherwise.
	UpgradeErr error
	// PID is the running process, 0 when none.
	PID int
	// Version is that of the running plugin.
	Version string
	// Restarts counts the starts after the first.
	Restarts int
	// Since is when State began.
	Since time.Time
}
