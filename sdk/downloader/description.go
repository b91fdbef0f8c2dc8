package downloader

// Capability names an optional part of the contract.
type Capability string

// The optional parts. A plugin declares exactly those that its driver has.
const (
	CapabilityTest        Capability = "test"         // Tester
	CapabilityWatch       Capability = "watch"        // Watcher
	CapabilityList        Capability = "list"         // Lister
	CapabilityPause       Capability = "pause"        // Pauser, AddRequest.Paused
	CapabilitySelectFiles Capability = "select_files" // FileSelector, AddRequest.Files
	CapabilitySetLimits   Capability = "set_limits"   // Limiter, AddRequest.Limits
)

// SourceKind is a kind of source that a plugin may take.
type SourceKind string

// The kinds of sources.
const (
	SourceMagnet   SourceKind = "magnet"   // URI is a magnet link
	SourceTorrent  SourceKind = "torrent"  // Content is a .torrent file
	SourceHTTP     SourceKind = "http"     // URI is an http or https URL of a file
	SourceFTP      SourceKind = "ftp"      // URI is an ftp or ftps URL of a file
	SourceMetalink SourceKind = "metalink" // Content is a metalink file
)

// Description is what a plugin says about itself.
type Description struct {
	// Name is unique among plugins: lower-case letters, digits, dashes.
	Name string
	// Version is the plugin's own, in semantic versioning without a "v".
	Version string
	// DisplayName is the daemon's name as people write it, such as "aria2".
	DisplayName string
	// Sources are the kinds that Add takes.
	Sources []SourceKind
	// Capabilities are the optional parts that the driver offers.
	Capabilities []Capability
	// SettingsSchema is a JSON Schema (draft 2020-12) of Config.Settings, an
	// object; "writeOnly": true marks a secret, and "x-haul-endpoint": true a
	// property that says where the secrets are sent, such as an address: when
	// that changes, haul asks for the secrets again.
	SettingsSchema []byte
	// OptionsSchema is a JSON Schema (draft 2020-12) of AddRequest.Options, an
	// object whose "additionalProperties" are false: what a user may set for a
	// job. Empty where there is nothing to set.
	OptionsSchema []byte
	// ReservedOptions are options of the daemon that nobody may set for a job,
	// because they set a path, a hook, a log, a session or a listener, or
	// because the driver needs them. See IsReserved for their spelling.
	ReservedOptions []string
	// Managed reports whether the plugin can run a daemon of its own on this
	// machine now, without any settings.
	Managed bool
	// ManagedHint says what to install where Managed is false and could be true.
	ManagedHint string
}
