// Package nodes keeps the registry of nodes and downloaders, and the session
// with each node: orders go out, reports come in.
package nodes

import (
	"context"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/store"
	"github.com/haul-dl/haul/sdk/errs"
)

// Observer learns what nodes report about jobs.
type Observer interface {
	// Observe takes in the jobs of a report. When it returns without an error,
	// everything that must outlive a crash is stored, and the node may forget
	// the returned jobs.
	Observe(ctx context.Context, node core.NodeID, jobs []core.ObservedJob) (forget []core.JobID, err error)
	// Wake says that jobs may now find a place that had none before.
	Wake()
}

// Options configure a Service.
type Options struct {
	Store  *store.Store
	Logger hclog.Logger
	Clock  core.Clock
	// Data is the server's directory, which no storage may lie in, but for the
	// one that the first start makes; empty allows all.
	Data string
	// AutoCreate makes one downloader of each plugin that needs no settings,
	// where none is configured.
	AutoCreate bool
}

// Service is the registry. It implements core.DownloaderService.
type Service struct {
	store      *store.Store
	log        hclog.Logger
	now        core.Clock
	autoCreate bool
	// data is Options.Data.
	data string

	mu          sync.RWMutex // guards all below
	nodes       map[core.NodeID]*node
	downloaders map[core.DownloaderID]*core.Downloader
	storages    map[core.StorageID]*core.Storage
	active      func() map[core.DownloaderID]int

	writing sync.Mutex // one change of the registry at a time; guards autoCreate
	cancel  context.CancelFunc
	running sync.WaitGroup
}

// New reads the registry from the store.
func New(ctx context.Context, o Options) (*Service, error) {
	s := &Service{
		store: o.Store, log: o.Logger, now: o.Clock, autoCreate: o.AutoCreate, data: o.Data,
		nodes:       map[core.NodeID]*node{},
		downloaders: map[core.DownloaderID]*core.Downloader{},
		storages:    map[core.StorageID]*core.Storage{},
		active:      func() map[core.DownloaderID]int { return nil },
	}
	downloaders, err := all(ctx, s.store.Downloaders)
	if err != nil {
		return nil, err
	}
	for i := range downloaders {
		s.downloaders[downloaders[i].ID] = &downloaders[i]
	}
	storages, err := all(ctx, s.store.Storages)
	if err != nil {
		return nil, err
	}
	for i := range storages {
		s.storages[storages[i].ID] = &storages[i]
	}
	return s, nil
}

// all reads every page of a list.
func all[T any](ctx context.Context, list func(ctx context.Context, limit int, cursor string) ([]T, string, error)) ([]T, error) {
	var out []T
	for cursor := ""; ; {
		items, next, err := list(ctx, 0, cursor)
		if err != nil {
			return nil, err
		}
		out = append(out, items...)
		if next == "" {
			return out, nil
		}
		cursor = next
	}
}

// CountActive sets what tells how many places are taken at each downloader.
// It is called before Start.
func (s *Service) CountActive(active func() map[core.DownloaderID]int) { s.active = active }

// AddNode makes a node known by its link. It is called before Start.
func (s *Service) AddNode(n core.Node, link core.Link) {
	s.nodes[n.ID] = newNode(n, link, s)
}

// Start opens a session with each node and keeps it open.
func (s *Service) Start(observer Observer) {
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	for _, n := range s.nodes {
		s.running.Go(func() { n.run(ctx, observer) })
	}
}

// Stop ends all sessions and waits for them.
func (s *Service) Stop() {
	if s.cancel != nil {
		s.cancel()
	}
	s.running.Wait()
}

// Dispatch sends the present wishes for some jobs to their node, soon. It does
// not block; a node that is away gets them when it is back.
func (s *Service) Dispatch(id core.NodeID, jobs ...core.JobID) {
	s.mu.RLock()
	n := s.nodes[id]
	s.mu.RUnlock()
	if n != nil {
		n.dispatch(jobs...)
	}
}

// Ready returns why the server cannot take tasks yet.
func (s *Service) Ready() []core.Waiting {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var out []core.Waiting
	for _, n := range s.nodes {
		if !n.online() {
			out = append(out, core.Waiting{Code: errs.NodeOffline, Message: "Node " + n.Name + " has not reported yet."})
		}
	}
	return out
}

// Online reports whether there is a session with a node.
func (s *Service) Online(id core.NodeID) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	n := s.nodes[id]
	return n != nil && n.online()
}

// Node returns a node by its id or name, or errs.NotFound.
func (s *Service) Node(idOrName string) (*core.Node, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, n := range s.nodes {
		if string(n.ID) == idOrName || n.Name == idOrName {
			node := n.Node
			return &node, nil
		}
	}
	return nil, errs.New(errs.NotFound, "There is no node %q.", idOrName)
}

// NodeName returns the name of a node, or its id where it is gone.
func (s *Service) NodeName(id core.NodeID) string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if n := s.nodes[id]; n != nil {
		return n.Name
	}
	return string(id)
}

// DownloaderName returns the name of a downloader, or its id where it is gone.
func (s *Service) DownloaderName(id core.DownloaderID) string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if d := s.downloaders[id]; d != nil {
		return d.Name
	}
	return string(id)
}

// Storage returns a storage by its id or name, or errs.NotFound.
func (s *Service) Storage(idOrName string) (*core.Storage, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, st := range s.storages {
		if string(st.ID) == idOrName || st.Name == idOrName {
			found := *st
			return &found, nil
		}
	}
	return nil, errs.New(errs.NotFound, "There is no storage %q.", idOrName)
}

// callTimeout bounds a call to a node; a test with a probe of the shared folder
// may take most of it.
const callTimeout = time.Minute
