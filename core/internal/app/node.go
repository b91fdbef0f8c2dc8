package app

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/delivery"
	"github.com/haul-dl/haul/core/internal/failpoint"
	"github.com/haul-dl/haul/core/internal/pluginhost"
	"github.com/haul-dl/haul/core/internal/secret"
	"github.com/haul-dl/haul/core/internal/store/bolt"
	"github.com/haul-dl/haul/core/internal/upload"
	"github.com/haul-dl/haul/core/internal/worker"
)

// startLocalNode starts the node runtime of this machine. It has a directory,
// a journal and a key of its own, as one on another machine has.
func (s *Server) startLocalNode(ctx context.Context) (core.Link, error) {
	dir := filepath.Join(s.config.Data, "node")
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("make the node's directory: %w", err)
	}
	log := s.log.Named("node")
	box, err := secret.Open(filepath.Join(dir, "secret.key"))
	if err != nil {
		return nil, err
	}
	journal, err := bolt.Open(filepath.Join(dir, "journal.db"), bolt.Options{Logger: log.Named("journal"), WatchBytes: 1}) // nobody watches it
	if err != nil {
		return nil, err
	}
	s.lifecycle.onStop("journal", func(context.Context) error { return journal.Close() })
	if err := os.MkdirAll(filepath.Join(s.config.Data, "plugins"), 0o750); err != nil {
		return nil, fmt.Errorf("make the directory of plugins: %w", err)
	}
	var node *worker.Node
	host, err := pluginhost.New(pluginhost.Options{
		Dirs: s.config.PluginDirs(), RuntimeDir: filepath.Join(dir, "run"), StateDir: filepath.Join(dir, "state"),
		Pins: s.config.PluginPins, MemoryLimit: int64(s.config.PluginMemoryLimit), Watch: true,
		OnChange: func(id string) { node.InstanceChanged(id) }, OnPlugins: func() { node.PluginsChanged() }, Logger: log,
	})
	if err != nil {
		return nil, err
	}
	s.lifecycle.onStop("plugins", host.Close)
	node, err = worker.New(worker.Options{
		Dir: dir, Downloads: s.config.Downloads, KV: journal, Box: box, Host: worker.FromPluginHost(host), Uploader: upload.New(log.Named("upload")),
		Deliverer: delivery.New(log.Named("delivery"), delivery.WithFailpoint(func(at string) { failpoint.HitOf("delivery", at) })),
		Logger:    log, Clock: time.Now, HTTPClient: worker.NewHTTPClient(), TorrentLimit: int64(s.config.TorrentLimit),
		MinFree: int64(s.config.MinFree), OrphanGrace: s.config.OrphanGrace, VerifyCopies: s.config.VerifyCopies,
		Registerer: s.metrics.Registry(),
	})
	if err != nil {
		return nil, err
	}
	if err := node.Start(ctx); err != nil {
		return nil, err
	}
	s.lifecycle.onStop("node", node.Stop)
	return node.Link(), nil
}
