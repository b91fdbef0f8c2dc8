package driver

import (
	"context"
	"sync"
	"time"

	"github.com/haul-dl/haul/plugins/qbittorrent/internal/qbittorrentrpc"
)

// orderEvery is how long an order is given to take effect: a new state shows up
// to 1.5 s after what made it, and must not be acted on before.
const orderEvery = 3 * time.Second

// order is what a torrent was told to do.
type order int

const (
	orderStop order = iota + 1
	orderForce
	orderUnforce
	orderPause  // by haul
	orderResume // by haul
)

// keepOrder sees to it that torrents do what the contract says where the daemon
// by itself does not: one that must not seed is stopped at once, one that the
// daemon's queue holds back is started past it, as haul has a limit of its own;
// and one that seeds goes back to the queue, since limits of seeding do
// not count for forced ones. What fails is tried again at the next Check.
func (d *Driver) keepOrder(ctx context.Context, jobs []job) {
	var stop, force, unforce []string
	for _, j := range jobs {
		if !d.isOurs(j) || !j.handle.holds(j.torrent) {
			continue
		}
		t := j.torrent
		switch {
		case seeds(t) && (mustNotSeed(t) || isIdle(t, d.now())):
			stop = append(stop, t.ID)
		case isUp(t.State) && !isStoppedUp(t.State) && t.ForceStart: // else this would start it
			unforce = append(unforce, t.ID)
		case t.State == "queuedDL" && d.orders.waits(t.ID, d.now()):
			force = append(force, t.ID)
		}
		if t.State != "queuedDL" {
			d.orders.moves(t.ID)
		}
	}
	d.give(ctx, orderStop, stop, d.client.Stop)
	d.give(ctx, orderUnforce, unforce, func(ctx context.Context, ids ...string) error {
		return d.client.ForceStart(ctx, false, ids...)
	})
	d.give(ctx, orderForce, force, func(ctx context.Context, ids ...string) error {
		return d.client.ForceStart(ctx, true, ids...)
	})
}

// seeds reports whether a torrent is loaded and not stopped yet.
func seeds(t *qbittorrentrpc.Torrent) bool {
	return isUp(t.State) && !isStoppedUp(t.State) && !nothingWanted(t) && isLoaded(t)
}

// give gives an order to those torrents that have not just had it.
func (d *Driver) give(ctx context.Context, what order, ids []string, call func(context.Context, ...string) error) {
	ids = d.orders.due(what, ids, d.now())
	if len(ids) == 0 {
		return
	}
	if err := call(ctx, ids...); err != nil {
		d.logger.Debug("qBittorrent does not take an order", "order", what, "err", err)
	}
}

// orderBook knows when which order was given last.
type orderBook struct {
	mu     sync.Mutex // guards what is below
	given  map[string]given
	queued map[string]time.Time // since when a torrent waits in the daemon's queue
}

type given struct {
	order order
	at    time.Time
}

func newOrderBook() *orderBook {
	return &orderBook{given: map[string]given{}, queued: map[string]time.Time{}}
}

// waits reports whether a torrent has been queued for so long that it is not
// just what qBittorrent says of each new one. Forcing one whose metadata came
// meanwhile would start it before its files are selected.
func (b *orderBook) waits(id string, now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	since, ok := b.queued[id]
	if !ok {
		b.queued[id] = now
	}
	return ok && now.Sub(since) >= orderEvery
}

// moves notes that a torrent is not queued.
func (b *orderBook) moves(id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.queued, id)
}

// due returns those torrents that need the order, and notes that they get it.
func (b *orderBook) due(what order, ids []string, now time.Time) []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []string
	for _, id := range ids {
		g, ok := b.given[id]
		if ok && now.Sub(g.at) < orderEvery && (what != orderStop || g.order == orderStop || g.order == orderResume) {
			continue
		}
		b.given[id] = given{what, now}
		out = append(out, id)
	}
	return out
}

// note remembers an order that was given otherwise.
func (b *orderBook) note(what order, id string, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.given[id] = given{what, now}
}

func (b *orderBook) keep(has func(id string) bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for id := range b.given {
		if !has(id) {
			delete(b.given, id)
		}
	}
	for id := range b.queued {
		if !has(id) {
			delete(b.queued, id)
		}
	}
}
