// Package app wires the server: it is the only place that knows all parts.
package app

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/haul-dl/haul/api/rest"
	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/config"
	"github.com/haul-dl/haul/core/internal/metrics"
	"github.com/haul-dl/haul/core/internal/nodes"
	"github.com/haul-dl/haul/core/internal/secret"
	"github.com/haul-dl/haul/core/internal/store"
	"github.com/haul-dl/haul/core/internal/store/bolt"
	"github.com/haul-dl/haul/core/internal/tasks"
	"github.com/haul-dl/haul/core/internal/users"
	"github.com/haul-dl/haul/sdk/errs"
)

// stopTimeout bounds the way down, so that an init system never has to kill.
const stopTimeout = 9 * time.Second

// readHeaderTimeout and idleTimeout bound what a slow client can hold.
const (
	readHeaderTimeout = 10 * time.Second
	idleTimeout       = 2 * time.Minute
)

// Server is a running haul.
type Server struct {
	config    *config.Config
	log       hclog.Logger
	lifecycle lifecycle

	users    *users.Service
	nodes    *nodes.Service
	tasks    *tasks.Service
	metrics  *metrics.Metrics
	listener net.Listener
	http     *http.Server

	// GeneratedPassword is the admin's, at the first start without one given.
	GeneratedPassword string
}

// New makes a server ready to start. When it fails it has undone everything.
func New(ctx context.Context, c *config.Config, log hclog.Logger) (_ *Server, err error) {
	s := &Server{config: c, log: log, lifecycle: lifecycle{log: log}}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.lifecycle.stop(ctx))
		}
	}()
	if err := os.MkdirAll(c.Data, 0o750); err != nil {
		return nil, errs.Wrap(err, errs.Unavailable, "The data directory %s cannot be made.", c.Data).
			WithHint("Give a directory that may be written with --data: %v.", err)
	}
	s.metrics = metrics.New()
	s.metrics.Build(Version)
	st, err := s.openStore(ctx)
	if err != nil {
		return nil, err
	}
	s.users = users.New(users.Options{Store: st, Logger: log.Named("users"), Clock: time.Now})
	local, err := bootstrap(ctx, st, filepath.Join(c.Data, "files"), time.Now())
	if err != nil {
		return nil, err
	}
	s.nodes, err = nodes.New(ctx, nodes.Options{Store: st, Logger: log.Named("nodes"), Clock: time.Now, Data: s.config.Data, AutoCreate: true})
	if err != nil {
		return nil, err
	}
	link, err := s.startLocalNode(ctx)
	if err != nil {
		return nil, err
	}
	s.nodes.AddNode(*local, link)
	s.tasks, err = tasks.New(ctx, tasks.Options{
		Store: st, Registry: s.nodes, Logger: log.Named("tasks"), Clock: time.Now,
		TorrentLimit: int64(c.TorrentLimit), OnTransition: s.metrics.TaskTransition,
		Deadlines: core.Deadlines{Metadata: c.MetadataTimeout, Stall: c.StallTimeout, Total: c.TotalTimeout},
		Hold:      c.HeldFor, RetryLimit: c.RetryLimit,
	})
	if err != nil {
		return nil, err
	}
	s.nodes.CountActive(s.tasks.ActiveJobs)
	err = s.metrics.Watch(metrics.Snapshots{Tasks: taskCounts(st), Downloaders: s.nodes.Views, Rates: s.tasks.Rates})
	if err != nil {
		return nil, err
	}
	if err := s.listen(ctx); err != nil {
		return nil, err
	}
	// Last of all: the password is shown only where nothing else failed, and a
	// later start does not make another one.
	if s.GeneratedPassword, err = s.users.Bootstrap(ctx, c.AdminPassword.Reveal()); err != nil {
		return nil, err
	}
	return s, nil
}

// openStore opens core's database. Closing it comes last of all.
func (s *Server) openStore(ctx context.Context) (*store.Store, error) {
	box, err := secret.Open(filepath.Join(s.config.Data, "secret.key"))
	if err != nil {
		return nil, err
	}
	log := s.log.Named("store")
	db, err := bolt.Open(filepath.Join(s.config.Data, "haul.db"), bolt.Options{Logger: log, OnCommit: s.metrics.StoreCommit})
	if err != nil {
		return nil, err
	}
	s.lifecycle.onStop("store", func(context.Context) error { return db.Close() })
	return store.New(ctx, db, store.Options{Box: box, Logger: log})
}

// listen binds the address, so that a port that is taken is an error of New.
func (s *Server) listen(ctx context.Context) error {
	handler, err := rest.New(rest.Options{
		Tasks: s.tasks, Users: s.users, Accounts: s.users, Downloaders: s.nodes, Storages: s.nodes, Ready: s, Metrics: s.metrics.Handler(),
		Registerer: s.metrics.Registry(), Logger: s.log.Named("rest"), TorrentLimit: int64(s.config.TorrentLimit), Version: Version,
	})
	if err != nil {
		return err
	}
	s.listener, err = new(net.ListenConfig).Listen(ctx, "tcp", s.config.Listen)
	if err != nil {
		return errs.Wrap(err, errs.Unavailable, "haul cannot listen at %s.", s.config.Listen).
			WithHint("Stop what listens there, or choose another address with --listen: %v.", err)
	}
	s.lifecycle.onStop("listener", func(context.Context) error {
		if err := s.listener.Close(); !errors.Is(err, net.ErrClosed) {
			return err
		}
		return nil
	})
	s.http = &http.Server{
		Handler: handler, ReadHeaderTimeout: readHeaderTimeout, IdleTimeout: idleTimeout,
		ErrorLog: s.log.Named("http").StandardLogger(&hclog.StandardLoggerOptions{ForceLevel: hclog.Debug}),
	}
	return nil
}

// URL is where the server listens.
func (s *Server) URL() string { return "http://" + s.listener.Addr().String() }

// Ready says why the server cannot take tasks yet.
func (s *Server) Ready(context.Context) []core.Waiting { return s.nodes.Ready() }

// Run serves until ctx ends, then stops cleanly.
func (s *Server) Run(ctx context.Context) error {
	s.tasks.Start()
	s.lifecycle.onStop("tasks", quiet(s.tasks.Stop))
	s.nodes.Start(s.tasks)
	s.lifecycle.onStop("nodes", quiet(s.nodes.Stop))
	served := make(chan error, 1)
	go func() { served <- s.http.Serve(s.listener) }()
	s.lifecycle.onStop("http", s.stopHTTP)
	var failed error
	select {
	case <-ctx.Done():
		s.log.Info("stopping")
	case failed = <-served:
	}
	stopCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	return errors.Join(failed, s.lifecycle.stop(stopCtx))
}

// httpGrace is how long requests under way may take to end.
const httpGrace = 3 * time.Second

func (s *Server) stopHTTP(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, httpGrace)
	defer cancel()
	if err := s.http.Shutdown(ctx); err != nil {
		return s.http.Close()
	}
	return nil
}

func taskCounts(st *store.Store) func(context.Context) (map[core.TaskState]int64, error) {
	return func(ctx context.Context) (map[core.TaskState]int64, error) {
		counts, err := st.TaskCounts(ctx)
		if err != nil {
			return nil, err
		}
		return counts.ByState, nil
	}
}
