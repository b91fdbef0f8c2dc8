package driver

import (
	"context"
	"sync"
	"time"
)

// renameLookEvery is how often links without metadata are looked at.
const renameLookEvery = 5 * time.Second

// renames knows when it was last looked for torrents that have got another id.
// That of a magnet link which names only the first info hash of a torrent of
// both versions changes when the metadata comes, and what qBittorrent (5.1 and
// 5.3) tells a session leaves that out for as long as the session lasts.
type renames struct {
	mu     sync.Mutex // guards looked
	looked time.Time
}

// due reports whether it is time for a look.
func (r *renames) due(now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now.Sub(r.looked) < renameLookEvery {
		return false
	}
	r.looked = now
	return true
}

// lostName reports whether one of the jobs that wait for metadata is not called
// any more what it is called in the copy of the list.
func (d *Driver) lostName(ctx context.Context, jobs []job) (bool, error) {
	var ids []string
	for _, j := range jobs {
		if d.isOurs(j) && !j.torrent.HasMetadata() && j.handle.V2 == "" {
			ids = append(ids, j.torrent.ID)
		}
	}
	if len(ids) == 0 || !d.renames.due(d.now()) {
		return false, nil
	}
	found, err := d.client.Torrents(ctx, ids...)
	return len(found) < len(ids), err
}
