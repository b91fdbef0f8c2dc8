package driver

import (
	"context"
	"sync"
	"time"

	"github.com/haul-dl/haul/plugins/aria2/internal/aria2rpc"
	"github.com/haul-dl/haul/sdk/downloader"
)

// A look after an event saves the daemon's session, which costs it some
// milliseconds when it has many downloads. So after a look that took t no other
// begins for idleShare times t, at most maxIdle, and what happens meanwhile goes
// into one.
const (
	idleShare = 9
	maxIdle   = 50 * time.Millisecond
)

// Watch implements downloader.Watcher. A status is pushed a few milliseconds
// after aria2's event. It fails with errs.NotOffered where no WebSocket is.
func (d *Driver) Watch(ctx context.Context, fn func([]downloader.Status)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	q := newEvents()
	d.watchers.add(q)
	defer d.watchers.remove(q)

	lost := make(chan error, 1)
	var listening sync.WaitGroup
	defer listening.Wait()
	defer cancel()
	listening.Go(func() { lost <- d.client.Listen(ctx, func() {}, q.put) })
	for {
		select {
		case err := <-lost:
			return err
		case <-q.wake:
		}
		began := time.Now()
		statuses, err := d.happened(ctx, q.take())
		if err != nil {
			return err
		}
		if len(statuses) == 0 {
			continue
		}
		idle := time.After(min(idleShare*time.Since(began), maxIdle))
		fn(statuses)
		select {
		case err := <-lost:
			return err
		case <-idle:
		}
	}
}

// happened returns the statuses of the jobs that events are about. What has
// ended comes with its details at once, so that usually one request is enough.
func (d *Driver) happened(ctx context.Context, events map[string]string) ([]downloader.Status, error) {
	var plain, ended []string
	for gid, kind := range events {
		gids := d.jobs.family(gid, isEnd(kind))
		if isEnd(kind) {
			ended = append(ended, gids...)
		} else {
			plain = append(plain, gids...)
		}
	}
	snap := snapshot{}
	if err := d.lookBoth(ctx, snap, ended, plain); err != nil {
		return nil, err
	}
	if err := d.lookBoth(ctx, snap, nil, d.missingKin(snap)); err != nil {
		return nil, err
	}
	jobs := d.jobs.owners(snap)
	if len(jobs) == 0 {
		return nil, nil
	}
	return d.report(ctx, jobs, snap)
}

// lookBoth asks for the details of some downloads and less about others.
func (d *Driver) lookBoth(ctx context.Context, snap snapshot, detailed, plain []string) error {
	if len(detailed) == 0 {
		return d.look(ctx, snap, plain...)
	}
	calls := append(tellStatus(detailKeys, detailed), tellStatus(bulkKeys, plain)...)
	results, err := d.changes.Do(ctx, calls...)
	if err != nil {
		return err
	}
	if err := snap.take(results[len(detailed):], task{}); err != nil {
		return err
	}
	return snap.take(results[:len(detailed)], task{detailed: true, saved: true})
}

// missingKin returns those who follow, and are followed by, what is in a
// snapshot of single downloads, and learns whose followers there are.
func (d *Driver) missingKin(snap snapshot) []string {
	var out []string
	for gid, t := range snap {
		if len(t.FollowedBy) > 0 && snap[t.FollowedBy[0]] == nil {
			out = append(out, t.FollowedBy[0])
		}
		if t.Following != "" && d.jobs.adopt(gid, t.Following) && snap[t.Following] == nil {
			out = append(out, t.Following)
		}
	}
	return out
}

func isEnd(kind string) bool {
	switch kind {
	case aria2rpc.EventComplete, aria2rpc.EventBtComplete, aria2rpc.EventError:
		return true
	}
	return false
}
