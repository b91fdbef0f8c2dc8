package config

import (
	"strings"

	"github.com/spf13/pflag"
)

// The keys of the file. The flag of log_level is --log-level, its environment
// variable HAUL_LOG_LEVEL; so for all of them.
const (
	keyData          = "data"
	keyDownloads     = "downloads"
	keyListen        = "listen"
	keyPlugins       = "plugins"
	keyPluginPins    = "plugin_pins"
	keyPluginMemory  = "plugin_memory_limit"
	keyLogLevel      = "log_level"
	keyLogFormat     = "log_format"
	keyTorrentLimit  = "torrent_limit"
	keyAdminPassword = "admin_password"
)

// The file itself is named by a flag or a variable, and not by a key.
const (
	flagConfig = "config"
	envConfig  = "HAUL_CONFIG"
)

type kind int

const (
	kindText kind = iota
	kindSize
	kindList
	kindPins // of the file a mapping, elsewhere a list of NAME=SHA256
)

// setting is one thing that can be configured.
type setting struct {
	key    string
	kind   kind
	secret bool // has no flag, since other users see arguments
	value  string
	usage  string
	set    func(c *Config, values []string) error
	get    func(c *Config) []string
}

func (s *setting) flag() string { return strings.ReplaceAll(s.key, "_", "-") }
func (s *setting) env() string  { return "HAUL_" + strings.ToUpper(s.key) }

// isList reports whether it has any number of values.
func (s *setting) isList() bool { return s.kind == kindList || s.kind == kindPins }

// settings is the table of everything that can be configured, in the order in
// which it is printed. value is what flags show as the default.
func settings() []setting {
	return []setting{
		text(keyData, "", "`DIR` for everything that the server keeps (default /var/lib/haul for root, else $XDG_DATA_HOME/haul)",
			func(c *Config) *string { return &c.Data }),
		text(keyDownloads, "", "`DIR` of what is being downloaded, which daemons share (default node/jobs in the data directory)",
			func(c *Config) *string { return &c.Downloads }),
		text(keyListen, DefaultListen, "`ADDR` of the API, host:port",
			func(c *Config) *string { return &c.Listen }),
		{
			key: keyPlugins, kind: kindList, usage: "further `DIR` with plugins; may be repeated",
			set: func(c *Config, v []string) error { c.Plugins = v; return nil },
			get: func(c *Config) []string { return c.Plugins },
		},
		{
			key: keyPluginPins, kind: kindPins, usage: "`NAME=SHA256` that a plugin's file must have; may be repeated",
			set: func(c *Config, v []string) (err error) {
				c.PluginPins, err = parsePins(v)
				return err
			},
			get: func(c *Config) []string { return c.PluginPins.pairs() },
		},
		{
			key: keyPluginMemory, kind: kindSize, value: DefaultPluginMemoryLimit.String(),
			usage: "`SIZE` of memory at which a plugin is started anew; 0 for no limit",
			set: func(c *Config, v []string) (err error) {
				c.PluginMemoryLimit, err = ParseSize(v[0])
				return err
			},
			get: func(c *Config) []string { return []string{c.PluginMemoryLimit.String()} },
		},
		text(keyLogLevel, "info", "least `LEVEL` that is logged: "+list(LogLevels),
			func(c *Config) *string { return &c.LogLevel }),
		text(keyLogFormat, "text", "`FORMAT` of the log: "+list(LogFormats),
			func(c *Config) *string { return &c.LogFormat }),
		{
			key: keyTorrentLimit, kind: kindSize, value: DefaultTorrentLimit.String(),
			usage: "`SIZE` of the largest torrent file that is taken",
			set: func(c *Config, v []string) (err error) {
				c.TorrentLimit, err = ParseSize(v[0])
				return err
			},
			get: func(c *Config) []string { return []string{c.TorrentLimit.String()} },
		},
		{
			key: keyAdminPassword, secret: true,
			set: func(c *Config, v []string) error { c.AdminPassword = NewSecret(v[0]); return nil },
			get: func(c *Config) []string { return []string{c.AdminPassword.String()} },
		},
	}
}

func text(key, value, usage string, field func(*Config) *string) setting {
	return setting{
		key: key, value: value, usage: usage,
		set: func(c *Config, v []string) error { *field(c) = v[0]; return nil },
		get: func(c *Config) []string { return []string{*field(c)} },
	}
}

func list(words []string) string { return strings.Join(words, ", ") }

// AddFlags registers the flags of every setting.
func AddFlags(f *pflag.FlagSet) {
	f.String(flagConfig, "", "YAML `FILE` with the configuration")
	for _, s := range settings() {
		switch {
		case s.secret:
		case s.isList():
			f.StringArray(s.flag(), nil, s.usage)
		default:
			f.String(s.flag(), s.value, s.usage)
		}
	}
}
