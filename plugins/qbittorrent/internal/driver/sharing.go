package driver

import (
	"context"
	"sync"
	"time"

	"github.com/haul-dl/haul/sdk/errs"
)

const sharingLasts = time.Minute

// sharing knows whether the daemon would remove a torrent, maybe with its data,
// when it reaches its share limit, before haul has seen that it is complete.
type sharing struct {
	mu   sync.Mutex // guards safe
	safe time.Time  // when it was last seen that it would not
}

// check fails where torrents would be removed. From 5.2 each torrent has an
// action of its own.
func (s *sharing) check(ctx context.Context, d *Driver) error {
	session, err := d.client.Open(ctx)
	if err != nil || session.API.HasOwnAction() {
		return err
	}
	s.mu.Lock()
	fresh := d.now().Sub(s.safe) < sharingLasts
	s.mu.Unlock()
	if fresh {
		return nil
	}
	p, err := d.client.Preferences(ctx)
	if err != nil {
		return err
	}
	if p.Removes() {
		return errs.New(errs.DownloaderError, "qBittorrent is set to remove torrents when they reach their share limit.").
			WithHint("In qBittorrent's options, under BitTorrent, Seeding Limits, choose to stop (pause) torrents instead; haul removes its own when it has their data.")
	}
	s.mu.Lock()
	s.safe = d.now()
	s.mu.Unlock()
	return nil
}
