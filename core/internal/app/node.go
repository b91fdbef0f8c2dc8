package app

import (
	"context"
	"os"
	"path/filepath"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/secret"
	"github.com/haul-dl/haul/core/internal/store"
	"github.com/haul-dl/haul/core/internal/store/bolt"
	"github.com/haul-dl/haul/core/internal/worker"
)

// openStore opens core's database. Closing it comes last of all.
func (s *Server) openStore(ctx context.Context) (*store.Store, error) {
	box, err := secret.Open(filepath.Join(s.config.Data, "secret.key"))
	if err != nil {
		return nil, err
	}
	db, err := bolt.Open(filepath.Join(s.config.Data, "haul.db"), bolt.Options{Logger: s.log.Named("store")})
	if err != nil {
		return nil, err
	}
	s.lifecycle.onStop("store", func(context.Context) error { return db.Close() })
	return store.New(ctx, db, store.Options{Box: box, Logger: s.log.Named("store")})
}

// startLocalNode starts the node runtime of this machine. It has a directory,
// a journal and a key of its own, as one on another machine has.
func (s *Server) startLocalNode(ctx context.Context) (core.Link, error) {
	dir := filepath.Join(s.config.Data, "node")
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, err
	}
	n, err := worker.Open(ctx, worker.Config{
		Dir: dir, PluginDirs: s.config.PluginDirs(), TorrentLimit: int64(s.config.TorrentLimit),
		Logger: s.log.Named("node"), Registerer: s.metrics.Registry(),
	})
	if err != nil {
		return nil, err
	}
	s.lifecycle.onStop("node", n.Stop)
	return n.Link(), nil
}
