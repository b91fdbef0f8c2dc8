package tasks

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"time"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/store"
	"github.com/haul-dl/haul/sdk/errs"
)

// Bounds of fetching torrent and metalink files.
const (
	fetchesAtOnce = 8
	fetchTries    = 3
	fetchTimeout  = 2 * time.Minute
	fetchPause    = 3 * time.Second // the next one is as long as both before
)

// resolveLoop fetches the torrents and metalinks that tasks are about, before
// they have a job: only then is it known whether there is a job already.
func (s *Service) resolveLoop(ctx context.Context) {
	var workers sync.WaitGroup
	defer workers.Wait()
	places := make(chan struct{}, fetchesAtOnce)
	for {
		select {
		case places <- struct{}{}:
		case <-ctx.Done():
			return
		}
		f := s.nextSource(ctx)
		if f == nil {
			return
		}
		workers.Go(func() {
			defer func() { <-places }()
			s.resolve(ctx, f)
		})
	}
}

// nextSource waits for a source to fetch; nil when ctx has ended.
func (s *Service) nextSource(ctx context.Context) *fetching {
	for {
		s.mu.Lock()
		f := s.waiting.sources.next()
		s.mu.Unlock()
		if f != nil {
			return f
		}
		select {
		case <-s.waiting.sources.added:
		case <-ctx.Done():
			return nil
		}
	}
}

// resolve makes one try for one task.
func (s *Service) resolve(ctx context.Context, f *fetching) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	t, err := s.store.Task(ctx, f.id)
	if err != nil {
		s.afterFetch(ctx, f, nil, err)
		return
	}
	node, online := s.nodeFor(t)
	s.mu.Lock()
	f.node, f.cancel = node, cancel
	dropped := f.dropped
	if !dropped && !online {
		s.waiting.sources.stall(f)
	}
	s.mu.Unlock()
	if dropped || !online {
		if _, online = s.nodeFor(t); online {
			s.Wake() // it came while nobody waited for it yet
		}
		return
	}
	fetched, err := s.registry.FetchSource(ctx, node, t.Source)
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		err = errs.Wrap(err, errs.SourceTimeout, "The source's server did not answer in time.")
	}
	var c *content
	if err == nil {
		c, err = s.readContent(cmp.Or(fetched.Kind, t.Source.Kind), fetched.Content)
	}
	s.afterFetch(ctx, f, &fetchResult{c, fetched}, err)
}

// fetchResult is what a source was found to be.
type fetchResult struct {
	content *content
	fetched *core.FetchedSource
}

// afterFetch decides how it goes on with a task.
func (s *Service) afterFetch(ctx context.Context, f *fetching, result *fetchResult, err error) {
	s.mu.Lock()
	switch {
	case f.dropped || errors.Is(ctx.Err(), context.Canceled):
		s.mu.Unlock()
		return
	case errs.Is(err, errs.NodeOffline):
		// It answered a moment ago: that is no try, and it may be back at once.
		f.waits = nodeOffline()
		s.waiting.later.put(f.id, s.now().Add(fetchPause))
		s.mu.Unlock()
		s.Wake()
		return
	case err != nil && errs.IsRetryable(err) && f.tries+1 < fetchTries:
		s.waiting.later.put(f.id, s.now().Add(f.pause(err)))
		s.mu.Unlock()
		s.Wake()
		return
	}
	s.mu.Unlock()
	var done *outcome
	failed := s.store.Update(context.WithoutCancel(ctx), func(tx *store.Tx) error {
		var e error
		done, e = s.storeFetched(tx, f.id, result, err)
		return e
	})
	if failed != nil {
		s.log.Error("store a fetched source", "task", f.id, "err", failed)
		s.mu.Lock()
		if !f.dropped {
			s.waiting.later.put(f.id, s.now().Add(admitRetry))
		}
		s.mu.Unlock()
		s.Wake()
		return
	}
	s.settleFetched(f, done)
}

// settleFetched moves a task on, unless somebody has changed it since it was stored.
func (s *Service) settleFetched(f *fetching, done *outcome) {
	s.mu.Lock()
	if !f.dropped && done != nil {
		s.waiting.put(done.task, s.now())
	} else if !f.dropped {
		s.waiting.sources.remove(f.id)
	}
	s.mu.Unlock()
	if done != nil && done.task.State != done.before {
		s.logMoved(done.task)
	}
	s.Wake()
}

// storeFetched stores what a source was found to be, or why not; nil where the
// task does not wait for that any more.
func (s *Service) storeFetched(tx *store.Tx, id core.TaskID, r *fetchResult, failed error) (*outcome, error) {
	t, err := tx.Task(id)
	if errs.Is(err, errs.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if t.State != core.StateQueued || t.DeletedAt != nil || !t.Source.MustFetch() {
		return nil, nil
	}
	done := &outcome{task: t, before: t.State}
	if failed == nil {
		if err := s.keepFetched(tx, t, r); err != nil {
			return nil, err
		}
		failed = choose(t, t.Selection, r.content.files)
	}
	if failed != nil {
		if err := s.failIn(tx, t, failed); err != nil {
			return nil, err
		}
	}
	return done, tx.PutTask(t)
}

// keepFetched stores what was fetched, also where nothing of it is wanted: its
// files have to be known to whoever selects others.
func (s *Service) keepFetched(tx *store.Tx, t *core.Task, r *fetchResult) error {
	r.content.fill(t)
	if name := r.content.name; name != "" && !t.Named {
		t.Name = name
	}
	t.Source.Fetched = true
	if err := tx.PutContent(t.ID, r.fetched.Content); err != nil {
		return err
	}
	return tx.AppendHistory(t, s.event("", "The file that describes the download was fetched."))
}

// nodeFor returns the node that fetches a task's source, and whether it is online.
func (s *Service) nodeFor(t *core.Task) (core.NodeID, bool) {
	node := t.WantedNode
	if d, err := s.registry.Downloader(string(t.WantedDownloader)); t.WantedDownloader != "" && err == nil {
		node = d.Node
	}
	if node != "" {
		return node, s.registry.Online(node)
	}
	online := s.registry.OnlineNodes()
	if len(online) == 0 {
		return "", false
	}
	return online[0], true
}
