package driver

import (
	"context"
	"fmt"
	"log/slog" //nolint:depguard // rclone logs to one of its handlers
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/rclone/rclone/fs"
	"github.com/rclone/rclone/fs/config"
)

const (
	connectTimeout  = 15 * time.Second
	lowLevelRetries = 2
	// idleTimeout is how long a server may be silent, such as one that puts the
	// parts of a large file together.
	idleTimeout = 5 * time.Minute
)

// prepareProcess sets what rclone keeps per process.
func prepareProcess(conf *rcloneConfig, stateDir string, log slog.Handler) error {
	ignoreEnvironment()
	tmp := filepath.Join(stateDir, "tmp")
	if err := os.RemoveAll(tmp); err != nil { // what a backend spooled before a crash
		return err
	}
	if err := os.MkdirAll(tmp, 0o700); err != nil {
		return err
	}
	for _, set := range []error{
		config.SetTempDir(tmp),
		config.SetCacheDir(filepath.Join(stateDir, "cache")),
		config.SetConfigPath(filepath.Join(stateDir, "rclone.conf")), // only its folder's name is used
	} {
		if set != nil {
			return fmt.Errorf("set rclone's folders: %w", set)
		}
	}
	config.SetData(conf)
	fs.SetLogger(log)
	limit(fs.GetConfig(context.Background()))
	return nil
}

// ignoreEnvironment forgets rclone's variables, which could redirect a remote.
func ignoreEnvironment() {
	for _, entry := range os.Environ() {
		name, _, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(name, "RCLONE_") || strings.HasPrefix(name, "_RCLONE_") {
			_ = os.Unsetenv(name) // fails for names that are none
		}
	}
}

// limit bounds what rclone tries by itself: haul tries again, with pauses that
// grow, and tells its users meanwhile.
func limit(ci *fs.ConfigInfo) {
	ci.AskPassword = false
	ci.LowLevelRetries = lowLevelRetries
	ci.ConnectTimeout = fs.Duration(connectTimeout)
	ci.Timeout = fs.Duration(idleTimeout)
	ci.LogLevel = fs.LogLevelInfo
	ci.Dump = 0
}
