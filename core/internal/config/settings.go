package config

import (
	"fmt"
	"strconv"
	"strings"
	"time"

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
	keyMetadata      = "metadata_timeout"
	keyStall         = "stall_timeout"
	keyTotal         = "total_timeout"
	keyRetryLimit    = "retry_limit"
	keyHeldFor       = "held_for"
	keyMinFree       = "min_free"
	keyOrphanGrace   = "orphan_grace"
	keyVerifyCopies  = "verify_copies"
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
	kindDuration
	kindNumber
	kindSwitch // true or false
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
		size(keyPluginMemory, DefaultPluginMemoryLimit, "`SIZE` of memory at which a plugin is started anew; 0 for no limit",
			func(c *Config) *Size { return &c.PluginMemoryLimit }),
		text(keyLogLevel, "info", "least `LEVEL` that is logged: "+list(LogLevels),
			func(c *Config) *string { return &c.LogLevel }),
		text(keyLogFormat, "text", "`FORMAT` of the log: "+list(LogFormats),
			func(c *Config) *string { return &c.LogFormat }),
		size(keyTorrentLimit, DefaultTorrentLimit, "`SIZE` of the largest torrent file that is taken",
			func(c *Config) *Size { return &c.TorrentLimit }),
		duration(keyMetadata, DefaultMetadataTimeout, "`TIME` that a magnet link gets to find its metadata; 0 for ever",
			func(c *Config) *time.Duration { return &c.MetadataTimeout }),
		duration(keyStall, DefaultStallTimeout, "`TIME` without a byte after which a download fails; 0 for never",
			func(c *Config) *time.Duration { return &c.StallTimeout }),
		duration(keyTotal, 0, "`TIME` that a download may take in all; 0 for ever",
			func(c *Config) *time.Duration { return &c.TotalTimeout }),
		{
			key: keyRetryLimit, kind: kindNumber, value: strconv.Itoa(DefaultRetryLimit),
			usage: "`COUNT` of further tries after a failure that may pass",
			set: func(c *Config, v []string) (err error) {
				c.RetryLimit, err = parseCount(v[0])
				return err
			},
			get: func(c *Config) []string { return []string{strconv.Itoa(c.RetryLimit)} },
		},
		duration(keyHeldFor, DefaultHeldFor, "`TIME` that data is kept which cannot be delivered; 0 for ever",
			func(c *Config) *time.Duration { return &c.HeldFor }),
		size(keyMinFree, DefaultMinFree, "`SIZE` that downloads leave free on the disk, at most 5 % of it",
			func(c *Config) *Size { return &c.MinFree }),
		duration(keyOrphanGrace, DefaultOrphanGrace, "`TIME` that data without a task is kept",
			func(c *Config) *time.Duration { return &c.OrphanGrace }),
		{
			key: keyVerifyCopies, kind: kindSwitch, value: strconv.FormatBool(false),
			usage: "read every copied file again and compare it",
			set: func(c *Config, v []string) (err error) {
				c.VerifyCopies, err = parseSwitch(v[0])
				return err
			},
			get: func(c *Config) []string { return []string{strconv.FormatBool(c.VerifyCopies)} },
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

func size(key string, value Size, usage string, field func(*Config) *Size) setting {
	return setting{
		key: key, kind: kindSize, value: value.String(), usage: usage,
		set: func(c *Config, v []string) (err error) {
			*field(c), err = ParseSize(v[0])
			return err
		},
		get: func(c *Config) []string { return []string{field(c).String()} },
	}
}

func duration(key string, value time.Duration, usage string, field func(*Config) *time.Duration) setting {
	return setting{
		key: key, kind: kindDuration, value: formatDuration(value), usage: usage,
		set: func(c *Config, v []string) (err error) {
			*field(c), err = ParseDuration(v[0])
			return err
		},
		get: func(c *Config) []string { return []string{formatDuration(*field(c))} },
	}
}

func parseCount(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0, fmt.Errorf("must be a number, not %q", s)
	}
	return n, nil
}

func parseSwitch(s string) (bool, error) {
	switch s {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, fmt.Errorf("must be true or false, not %q", s)
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
		case s.kind == kindSwitch:
			f.Bool(s.flag(), s.value == strconv.FormatBool(true), s.usage)
		default:
			f.String(s.flag(), s.value, s.usage)
		}
	}
}
