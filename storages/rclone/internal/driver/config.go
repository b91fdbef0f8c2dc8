package driver

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/hashicorp/go-hclog"
	"github.com/rclone/rclone/fs/config"
)

// refreshedFile keeps what backends change in their options, such as the access
// tokens that they refresh, in the driver's own folder.
const refreshedFile = "refreshed.json"

// refreshed is a value that a backend has set.
type refreshed struct {
	// Was tells, by its SHA-256, the configured value that it replaces: once an
	// admin gives another one, that one counts.
	Was   string `json:"was"`
	Value string `json:"value"`
}

// rcloneConfig is rclone's configuration in memory. The file that it may come
// from is never written.
type rcloneConfig struct {
	given  sections
	path   string
	logger hclog.Logger

	mu    sync.Mutex // guards what follows
	fresh map[string]map[string]refreshed
	used  map[string]bool // types of the remotes that were opened
}

func openConfig(given sections, stateDir string, logger hclog.Logger) (*rcloneConfig, error) {
	c := &rcloneConfig{
		given:  given,
		path:   filepath.Join(stateDir, refreshedFile),
		logger: logger,
		fresh:  map[string]map[string]refreshed{},
		used:   map[string]bool{},
	}
	raw, err := os.ReadFile(c.path)
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(raw, &c.fresh); err != nil {
		logger.Warn("What was refreshed before is lost: its file is damaged", "err", err)
		c.fresh = map[string]map[string]refreshed{}
	}
	return c, nil
}

func digest(value string) string {
	sum := sha256.Sum256([]byte(value))
	return hex.EncodeToString(sum[:])
}

// GetSectionList implements config.Storage.
func (c *rcloneConfig) GetSectionList() []string { return slices.Sorted(maps.Keys(c.given)) }

// HasSection implements config.Storage.
func (c *rcloneConfig) HasSection(section string) bool { return c.given[section] != nil }

// DeleteSection implements config.Storage: the configuration is only read.
func (c *rcloneConfig) DeleteSection(string) {}

// GetKeyList implements config.Storage.
func (c *rcloneConfig) GetKeyList(section string) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	keys := maps.Clone(c.given[section])
	if keys == nil {
		return nil
	}
	for key := range c.fresh[section] {
		keys[key] = ""
	}
	return slices.Sorted(maps.Keys(keys))
}

// GetValue implements config.Storage.
func (c *rcloneConfig) GetValue(section, key string) (string, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	given, ok := c.given[section][key]
	if key == "type" {
		c.used[given] = true
		return given, ok
	}
	if f, found := c.fresh[section][key]; found && f.Was == digest(given) {
		return f.Value, true
	}
	if !ok && key == "no_check_bucket" && c.given[section]["type"] == "s3" {
		return "true", true // a bucket that is misspelt shall not be made
	}
	return given, ok
}

// SetValue implements config.Storage.
func (c *rcloneConfig) SetValue(section, key, value string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fresh[section] == nil {
		c.fresh[section] = map[string]refreshed{}
	}
	c.fresh[section][key] = refreshed{Was: digest(c.given[section][key]), Value: value}
}

// DeleteKey implements config.Storage.
func (c *rcloneConfig) DeleteKey(section, key string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, found := c.fresh[section][key]
	delete(c.fresh[section], key)
	return found
}

// Load implements config.Storage; there is nothing to load.
func (c *rcloneConfig) Load() error { return nil }

// Serialize implements config.Storage. Nobody may print the configuration.
func (c *rcloneConfig) Serialize() (string, error) {
	return "", errors.New("the configuration is not shown")
}

// Save implements config.Storage: it keeps what was refreshed.
func (c *rcloneConfig) Save() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	raw, err := json.Marshal(c.fresh)
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(c.path), refreshedFile+".*") // with mode 0600
	if err != nil {
		return err
	}
	_, err = tmp.Write(raw)
	if err = errors.Join(err, tmp.Sync(), tmp.Close()); err == nil {
		err = os.Rename(tmp.Name(), c.path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(tmp.Name()))
	}
	return nil
}

// uses reports whether a remote of the type was opened, also inside of another.
func (c *rcloneConfig) uses(kind string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.used[kind]
}

var _ config.Storage = (*rcloneConfig)(nil)
