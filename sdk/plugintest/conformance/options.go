package conformance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/haul-dl/haul/sdk/downloader"
)

// Options say what is tried, and how. One of New and Path is needed, and WorkDir.
type Options struct {
	// New returns the plugin, to be tried in this process. Each call stands for
	// a new process of it, so what it returns was not configured yet; it is
	// called several times, and concurrently.
	New func() downloader.Plugin
	// Path is that of a plugin's executable, which is started as haul does.
	Path string
	// Env are variables, "NAME=value", that the process gets in addition.
	Env []string
	// Settings is a JSON object that matches the settings schema; empty is {}.
	// The daemon that they lead to must be free to write below WorkDir.
	Settings []byte
	// WorkDir is the absolute path of an existing directory that plugin, daemon
	// and this process share. What is made there is removed again.
	WorkDir string
	// DaemonDir is WorkDir as the daemon sees it; empty is the same.
	DaemonDir string
	// Only holds the cases to run, by name or group as in Matches; empty runs all.
	Only []string
	// Patience is how long the daemon may take for what takes it a second or
	// two in the ordinary course of things; 0 is 40 s.
	Patience time.Duration

	// What follows is for test beds; the cases that need it are skipped without.

	// RestartDaemon ends the daemon in an orderly way if it runs, starts it, and
	// returns when it answers.
	RestartDaemon func(ctx context.Context) error
	// KillDaemon ends the daemon as a crash does. RestartDaemon is needed too.
	KillDaemon func(ctx context.Context) error
	// PauseByHand and RemoveByHand do at the daemon, past the plugin, what its
	// own user interface offers for a job. RemoveByHand leaves the data.
	PauseByHand, RemoveByHand func(ctx context.Context, job HandJob) error
	// Magnets are links that peers serve. Each is used once; one with several
	// files tries their selection.
	Magnets []Magnet
}

// HandJob is a job for a hook that finds it at the daemon.
type HandJob struct {
	// Ref is what Add returned.
	Ref downloader.Ref
	// InfoHash is in lower-case hex.
	InfoHash string
	// Dir is the job's directory as the daemon sees it.
	Dir string
}

// Magnet is a link that peers serve.
type Magnet struct {
	// URI is the link.
	URI string
	// InfoHash is in lower-case hex.
	InfoHash string
	// Files are in the torrent's order.
	Files []MagnetFile
}

// MagnetFile is one file of a Magnet.
type MagnetFile struct {
	// Path is relative to the job's directory, with slashes.
	Path string
	// SHA256 is the digest of its content in hex.
	SHA256 string
}

const defaultPatience = 40 * time.Second

// check fills in defaults and refuses what cannot work.
func (o *Options) check() error {
	if (o.New == nil) == (o.Path == "") {
		return errors.New("either a plugin or the path of its executable is needed")
	}
	if o.Path != "" {
		path, err := filepath.Abs(o.Path)
		if err != nil {
			return fmt.Errorf("find the plugin: %w", err)
		}
		o.Path = path
	}
	if !filepath.IsAbs(o.WorkDir) {
		return fmt.Errorf("the work directory %q is not an absolute path", o.WorkDir)
	}
	if len(o.Settings) == 0 {
		o.Settings = []byte("{}")
	}
	var object map[string]json.RawMessage
	if err := json.Unmarshal(o.Settings, &object); err != nil || object == nil {
		return errors.New("the settings are not a JSON object")
	}
	if o.DaemonDir == "" {
		o.DaemonDir = o.WorkDir
	}
	if o.Patience == 0 {
		o.Patience = defaultPatience
	}
	return nil
}
