// Package config reads the server's configuration: defaults, then a YAML file,
// then the environment, then flags. Each later one wins over the ones before.
package config

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/haul-dl/haul/sdk/errs"
)

// DefaultListen is where the server listens unless told otherwise: at this
// machine alone, since it speaks plain HTTP.
const DefaultListen = "127.0.0.1:7420"

// DefaultTorrentLimit is the size of the largest torrent file that is taken.
const DefaultTorrentLimit Size = 10 << 20

// DefaultPluginMemoryLimit is far above what a plugin needs for 10,000 jobs.
const DefaultPluginMemoryLimit Size = 1 << 30

// The defaults of what bounds a task's life.
const (
	DefaultMetadataTimeout      = 30 * time.Minute
	DefaultStallTimeout         = 24 * time.Hour
	DefaultRetryLimit           = 3
	DefaultHeldFor              = 7 * day
	DefaultMinFree         Size = 1 << 30
	DefaultOrphanGrace          = 24 * time.Hour
)

// maxRetryLimit keeps a broken source from being asked for ever.
const maxRetryLimit = 100

// minPluginMemoryLimit is what the smallest plugins need.
const minPluginMemoryLimit Size = 64 << 20

// Bounds of Config.TorrentLimit. A torrent file is one value in the store,
// which takes 32 MiB at most.
const (
	minTorrentLimit Size = 1 << 10
	maxTorrentLimit Size = 24 << 20
)

// LogLevels and LogFormats are what Config.LogLevel and Config.LogFormat may be.
var (
	LogLevels  = []string{"trace", "debug", "info", "warn", "error"}
	LogFormats = []string{"text", "json"}
)

// Config is the server's configuration. The keys of the file and the names of
// flags and environment variables stand in the table of settings.
type Config struct {
	// Data is the directory of everything that the server keeps, absolute.
	Data string
	// Downloads is the directory of what is being downloaded, absolute.
	Downloads string
	// Listen is the address of the API, host:port.
	Listen string
	// Plugins are further directories with plugins, absolute.
	Plugins []string
	// PluginPins are the files that plugins may have; one without a pin may have any.
	PluginPins Pins
	// PluginMemoryLimit is the resident memory at which a plugin's process is
	// started anew; 0 means none.
	PluginMemoryLimit Size
	// LogLevel is one of LogLevels, LogFormat one of LogFormats.
	LogLevel  string
	LogFormat string
	// TorrentLimit is the size of the largest torrent file that is taken.
	TorrentLimit Size
	// MetadataTimeout, StallTimeout and TotalTimeout end downloads that get
	// nowhere; 0 is never.
	MetadataTimeout time.Duration
	StallTimeout    time.Duration
	TotalTimeout    time.Duration
	// RetryLimit is how often haul tries again by itself after a failure that may pass.
	RetryLimit int
	// HeldFor is how long data is kept that cannot be delivered; 0 is for ever.
	HeldFor time.Duration
	// MinFree is what downloads leave free on their disk, where that is less
	// than 5 % of it.
	MinFree Size
	// OrphanGrace is how long data without a task is kept.
	OrphanGrace time.Duration
	// VerifyCopies has every copied file read again and compared.
	VerifyCopies bool
	// AdminPassword is that of the user that the first start makes; empty
	// generates one. Later starts do not look at it.
	AdminPassword Secret

	file       string            // that was read; empty for none
	executable string            // of this process; empty where unknown
	origins    map[string]string // of each key's value, for people
}

// Sources are where the configuration comes from.
type Sources struct {
	// Flags were registered by AddFlags and parsed.
	Flags *pflag.FlagSet
	// LookupEnv and ReadFile are os.LookupEnv and os.ReadFile.
	LookupEnv func(string) (string, bool)
	ReadFile  func(string) ([]byte, error)
}

// Load reads and checks the configuration. An error is errs.InvalidRequest and
// names every mistake with the place that it is in.
func Load(src Sources) (*Config, error) {
	l := &loader{Sources: src, config: &Config{origins: map[string]string{}}}
	if path, err := os.Executable(); err == nil {
		l.config.executable = path
	}
	l.defaults()
	l.readFile()
	l.readEnvironment()
	l.readFlags()
	if len(l.mistakes) == 0 {
		l.absolutePaths()
		l.mistakes = l.config.mistakes()
	}
	if len(l.mistakes) > 0 {
		return nil, invalid(l.mistakes)
	}
	return l.config, nil
}

// Validate returns nil or errs.InvalidRequest, which names every key whose
// value cannot be.
func (c *Config) Validate() error {
	if m := c.mistakes(); len(m) > 0 {
		return invalid(m)
	}
	return nil
}

func (c *Config) mistakes() []mistake {
	var out []mistake
	wrong := func(key, message string) {
		out = append(out, mistake{where: c.origins[key], key: key, message: message})
	}
	if c.Data == "" {
		wrong(keyData, "is needed: give a directory by --data or HAUL_DATA")
	}
	if why := checkAddress(c.Listen); why != "" {
		wrong(keyListen, why)
	}
	if slices.Contains(c.Plugins, "") {
		wrong(keyPlugins, "has an empty entry")
	}
	if m := c.PluginMemoryLimit; m != 0 && m < minPluginMemoryLimit {
		wrong(keyPluginMemory, "must be at least "+minPluginMemoryLimit.String()+", or 0 for no limit, not "+m.String())
	}
	if !slices.Contains(LogLevels, c.LogLevel) {
		wrong(keyLogLevel, "must be one of "+list(LogLevels)+", not "+strconv.Quote(c.LogLevel))
	}
	if !slices.Contains(LogFormats, c.LogFormat) {
		wrong(keyLogFormat, "must be one of "+list(LogFormats)+", not "+strconv.Quote(c.LogFormat))
	}
	if c.TorrentLimit < minTorrentLimit || c.TorrentLimit > maxTorrentLimit {
		wrong(keyTorrentLimit, "must be "+minTorrentLimit.String()+" to "+maxTorrentLimit.String()+", not "+c.TorrentLimit.String())
	}
	if c.RetryLimit < 0 || c.RetryLimit > maxRetryLimit {
		wrong(keyRetryLimit, fmt.Sprintf("must be 0 to %d, not %d", maxRetryLimit, c.RetryLimit))
	}
	if c.AdminPassword.Reveal() == redacted {
		wrong(keyAdminPassword, "is the mark that stands for a secret, not a password")
	}
	return out
}

func checkAddress(address string) string {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return "must be host:port, such as " + DefaultListen + ", not " + strconv.Quote(address)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return "must end with a port from 0 to 65535, not " + strconv.Quote(port)
	}
	return ""
}

// PluginDirs are the directories that plugins are looked for in, in order:
// plugins/ beside the executable, plugins/ in the data directory, and each
// directory of Plugins.
func (c *Config) PluginDirs() []string {
	var dirs []string
	if c.executable != "" {
		dirs = append(dirs, filepath.Join(filepath.Dir(c.executable), "plugins"))
	}
	dirs = append(dirs, filepath.Join(c.Data, "plugins"))
	for _, dir := range c.Plugins {
		if !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	return dirs
}

// mistake is one thing that is wrong, and where it was found.
type mistake struct {
	where, key, message string
}

func (m mistake) String() string {
	s := m.message
	if m.key != "" {
		s = m.key + " " + s
	}
	if m.where != "" {
		s = m.where + ": " + s
	}
	return s
}

func invalid(mistakes []mistake) error {
	texts := make([]string, 0, len(mistakes))
	for _, m := range mistakes {
		texts = append(texts, m.String())
	}
	err := errs.New(errs.InvalidRequest, "The configuration is not valid: %s.", strings.Join(texts, "; ")).WithHint("docs/configuration.md explains every key; haul serve --help lists the flags.")
	for _, m := range mistakes {
		err = err.WithField(m.key, m.message)
	}
	return err
}
