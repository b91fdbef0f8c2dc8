package nodes

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/failpoint"
	"github.com/haul-dl/haul/sdk/errs"
)

// reconnectFirst and reconnectLast bound the pause before the next try to reach a node.
const (
	reconnectFirst = time.Second
	reconnectLast  = time.Minute
)

// node is one node with what it last reported.
type node struct {
	core.Node
	link    core.Link
	service *Service

	mu          sync.Mutex // guards all below
	session     core.Session
	reported    bool // the first report of the session is in
	downloaders map[core.DownloaderID]core.ObservedDownloader
	plugins     []*knownPlugin
	storages    map[core.StorageID]core.ObservedStorage

	dirtyJobs        map[core.JobID]struct{}
	dirtyDownloaders map[core.DownloaderID]struct{}
	storagesDirty    bool
	forget           map[core.JobID]struct{}
	changed          chan struct{} // holds one token while something is dirty
}

func newNode(n core.Node, link core.Link, s *Service) *node {
	return &node{
		Node: n, link: link, service: s,
		downloaders:      map[core.DownloaderID]core.ObservedDownloader{},
		dirtyJobs:        map[core.JobID]struct{}{},
		dirtyDownloaders: map[core.DownloaderID]struct{}{},
		forget:           map[core.JobID]struct{}{},
		changed:          make(chan struct{}, 1),
	}
}

// run keeps a session open until ctx ends.
func (n *node) run(ctx context.Context, observer Observer) {
	log := n.service.log.With("node", n.Name)
	for pause := reconnectFirst; ctx.Err() == nil; pause = min(2*pause, reconnectLast) {
		began := n.service.now()
		err := n.runSession(ctx, observer)
		if ctx.Err() != nil {
			return
		}
		log.Warn("session with the node ended", "err", err)
		if n.service.now().Sub(began) > reconnectLast {
			pause = reconnectFirst
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

// runSession lives through one session and returns why it ended.
func (n *node) runSession(ctx context.Context, observer Observer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	session, err := n.link.Connect(ctx)
	if err != nil {
		return err
	}
	n.begin(session)
	defer n.end(session)
	orders, err := n.fullOrders(ctx, session)
	if err != nil {
		return err
	}
	if err := session.Send(ctx, orders); err != nil {
		return err
	}
	failpoint.Hit("nodes.after-full-orders")
	ended := make(chan error, 1)
	var sender sync.WaitGroup
	sender.Go(func() {
		err := n.sendLoop(ctx, session)
		cancel()
		ended <- err
	})
	receiveErr := n.receiveLoop(ctx, session, observer)
	cancel()
	sender.Wait()
	return errors.Join(receiveErr, <-ended)
}

func (n *node) begin(s core.Session) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.session, n.reported = s, false
	clear(n.dirtyJobs)
	clear(n.dirtyDownloaders)
	clear(n.forget)
	n.storagesDirty = false
}

func (n *node) end(s core.Session) {
	n.mu.Lock()
	n.session, n.reported = nil, false
	n.mu.Unlock()
	if err := s.Close(); err != nil {
		n.service.log.Debug("close the session", "node", n.Name, "err", err)
	}
}

func (n *node) online() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.reported
}

func (n *node) current() (core.Session, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.session == nil {
		return nil, errs.New(errs.NodeOffline, "Node %q is offline.", n.Name)
	}
	return n.session, nil
}

func (n *node) wake() {
	select {
	case n.changed <- struct{}{}:
	default:
	}
}

func (n *node) dispatch(jobs ...core.JobID) {
	n.mu.Lock()
	for _, id := range jobs {
		n.dirtyJobs[id] = struct{}{}
	}
	n.mu.Unlock()
	n.wake()
}

func (n *node) dispatchDownloader(id core.DownloaderID) {
	n.mu.Lock()
	n.dirtyDownloaders[id] = struct{}{}
	n.mu.Unlock()
	n.wake()
}

// dispatchStorages sends what is wanted of storages, soon.
func (n *node) dispatchStorages() {
	n.mu.Lock()
	n.storagesDirty = true
	n.mu.Unlock()
	n.wake()
}

func (n *node) mayForget(jobs []core.JobID) {
	if len(jobs) == 0 {
		return
	}
	n.mu.Lock()
	for _, id := range jobs {
		n.forget[id] = struct{}{}
	}
	n.mu.Unlock()
	n.wake()
}

// sendLoop sends what has become dirty, as it is then.
func (n *node) sendLoop(ctx context.Context, session core.Session) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-n.changed:
		}
		orders, err := n.changedOrders(ctx, session)
		if err != nil {
			return err
		}
		failpoint.Hit("nodes.before-send")
		if err := session.Send(ctx, orders); err != nil {
			return err
		}
		failpoint.Hit("nodes.after-send")
	}
}

// receiveLoop takes in reports.
func (n *node) receiveLoop(ctx context.Context, session core.Session, observer Observer) error {
	for {
		report, err := session.Receive(ctx)
		if err != nil {
			return err
		}
		if n.takeIn(report) {
			n.service.autoCreateDownloaders(ctx, n)
			observer.Wake()
		}
		if len(report.Jobs) == 0 {
			continue
		}
		failpoint.Hit("nodes.before-observe")
		forget, err := observer.Observe(ctx, n.ID, report.Jobs)
		if err != nil {
			return err
		}
		failpoint.Hit("nodes.after-observe")
		n.mayForget(forget)
	}
}

// takeIn notes what the report says beyond jobs, and reports whether that may
// open places for queued tasks.
func (n *node) takeIn(r *core.Report) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	first := !n.reported
	n.reported = true
	if r.Plugins != nil {
		n.plugins = newPlugins(n.plugins, r.Plugins, n.service.now())
	}
	if r.Downloaders != nil {
		n.downloaders = make(map[core.DownloaderID]core.ObservedDownloader, len(r.Downloaders))
		for _, d := range r.Downloaders {
			n.downloaders[d.ID] = d
		}
	}
	if r.Storages != nil {
		n.storages = make(map[core.StorageID]core.ObservedStorage, len(r.Storages))
		for _, st := range r.Storages {
			n.storages[st.ID] = st
		}
	}
	return first || r.Plugins != nil || r.Downloaders != nil
}

func (n *node) observedDownloader(id core.DownloaderID) core.ObservedDownloader {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.downloaders[id]
}
