package worker

import (
	"context"
	"sync"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/sdk/errs"
)

// Link returns the node's link for a core in the same process.
func (n *Node) Link() core.Link { return link{n} }

type link struct{ node *Node }

// Connect implements core.Link.
func (l link) Connect(ctx context.Context) (core.Session, error) {
	s := &session{
		node: l.node, changed: make(chan struct{}, 1), closed: make(chan struct{}),
		jobs: map[core.JobID]core.ObservedJob{},
	}
	select {
	case l.node.events <- connected{s}:
		return s, nil
	case <-l.node.quit:
		return nil, errStopped()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// session keeps what is to be reported until somebody asks.
type session struct {
	node    *Node
	changed chan struct{} // holds one token while there is something to report
	closed  chan struct{}
	once    sync.Once

	mu          sync.Mutex // guards all below
	full        bool
	something   bool
	jobs        map[core.JobID]core.ObservedJob
	downloaders []core.ObservedDownloader
	plugins     []core.ObservedPlugin
	storages    []core.ObservedStorage
}

var _ core.Session = (*session)(nil)

// Send implements core.Session.
func (s *session) Send(ctx context.Context, o *core.Orders) error {
	if s.isClosed() {
		return errEnded()
	}
	reply := make(chan error, 1)
	return s.node.ask(ctx, ordered{o, reply}, reply)
}

// Receive implements core.Session.
func (s *session) Receive(ctx context.Context) (*core.Report, error) {
	for {
		select {
		case <-s.changed:
			if s.isClosed() {
				return nil, errEnded()
			}
			if r := s.take(); r != nil {
				return r, nil
			}
		case <-s.closed:
			return nil, errEnded()
		case <-s.node.ended: // perhaps before it has seen this session
			return nil, errStopped()
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// fold adds a report to what waits; the newest state of each job wins.
func (s *session) fold(r *core.Report) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.full = s.full || r.Full
	s.something = true
	for _, j := range r.Jobs {
		s.jobs[j.ID] = j
	}
	if r.Downloaders != nil {
		s.downloaders = r.Downloaders
	}
	if r.Plugins != nil {
		s.plugins = r.Plugins
	}
	if r.Storages != nil {
		s.storages = r.Storages
	}
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

func (s *session) take() *core.Report {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.something {
		return nil
	}
	r := &core.Report{
		Full: s.full, Downloaders: s.downloaders, Plugins: s.plugins, Storages: s.storages,
		Jobs: make([]core.ObservedJob, 0, len(s.jobs)),
	}
	for _, j := range s.jobs {
		r.Jobs = append(r.Jobs, j)
	}
	clear(s.jobs)
	s.full, s.something, s.downloaders, s.plugins, s.storages = false, false, nil, nil, nil
	return r
}

// RescanPlugins implements core.Session.
func (s *session) RescanPlugins(ctx context.Context) ([]core.ObservedPlugin, error) {
	if err := s.node.host.Rescan(ctx); err != nil {
		return nil, err
	}
	s.node.post(pluginsScanned{})
	return s.node.observedPlugins(), nil
}

// Close implements core.Session.
func (s *session) Close() error {
	s.once.Do(func() { close(s.closed) })
	return nil
}

func (s *session) isClosed() bool {
	select {
	case <-s.closed:
		return true
	default:
		return false
	}
}

func errEnded() error { return errs.New(errs.NodeOffline, "The session with the node has ended.") }

// onConnected begins a session with everything.
func (n *Node) onConnected(s *session) {
	n.endSession()
	n.session = s
	r := &core.Report{
		Full: true, Jobs: make([]core.ObservedJob, 0, len(n.jobs)),
		Downloaders: n.observedDownloaders(), Plugins: n.observedPlugins(), Storages: n.observedStorages(),
	}
	for _, j := range n.jobs {
		if !j.changed {
			r.Jobs = append(r.Jobs, n.report(j))
		}
	}
	s.fold(r)
}

func (n *Node) endSession() {
	if n.session != nil {
		n.session.Close() //nolint:errcheck // it returns none
		n.session = nil
	}
}
