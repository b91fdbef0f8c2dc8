package qbittorrentrpc

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/haul-dl/haul/sdk/errs"
)

const refreshTimeout = 60 * time.Second

// Snapshot is the daemon's list of torrents at one moment. It does not change.
type Snapshot struct {
	torrents map[string]*Torrent
}

// Find returns the torrent with one of the ids, nil where there is none. A
// torrent of both versions is found by the id of either.
func (s *Snapshot) Find(ids ...string) *Torrent {
	for _, id := range ids {
		if t := s.torrents[id]; t != nil {
			return t
		}
	}
	for _, t := range s.torrents {
		for _, id := range ids {
			if t.is(id) {
				return t
			}
		}
	}
	return nil
}

// is reports whether id is one of the torrent's ids.
func (t *Torrent) is(id string) bool {
	return t.ID == id || t.InfoHashV1 == id || len(t.InfoHashV2) == 64 && t.InfoHashV2[:40] == id
}

// Mirror keeps a copy of the daemon's list of torrents, by differences.
type Mirror struct {
	client *Client

	mu      sync.Mutex // guards what is below
	running bool
	next    *refresh // that of those who asked after the running one began

	// Only the running refresh uses what is below.
	session *Session
	rid     int
	now     *Snapshot
}

// refresh is one look at the daemon, for all who wait for it.
type refresh struct {
	done     chan struct{}
	snapshot *Snapshot // to be read after done
	err      error     // likewise
}

// NewMirror returns an empty copy.
func NewMirror(c *Client) *Mirror { return &Mirror{client: c} }

// Refresh returns a snapshot that is not older than the call. However many call
// it at once, the daemon is asked once for all of them.
func (m *Mirror) Refresh(ctx context.Context) (*Snapshot, error) {
	m.mu.Lock()
	if m.next == nil {
		m.next = &refresh{done: make(chan struct{})}
	}
	r := m.next
	if !m.running {
		m.running = true
		m.client.tasks.Go(m.run)
	}
	m.mu.Unlock()
	select {
	case <-r.done:
		return r.snapshot, r.err
	case <-ctx.Done():
		return nil, m.client.http.Explain(ctx, ctx.Err())
	}
}

// run looks at the daemon as long as somebody waits for it.
func (m *Mirror) run() {
	for {
		m.mu.Lock()
		r := m.next
		m.next = nil
		m.running = r != nil
		m.mu.Unlock()
		if r == nil {
			return
		}
		r.snapshot, r.err = m.fetch()
		close(r.done)
	}
}

// delta is an answer of sync/maindata.
type delta struct {
	RID      int                        `json:"rid"`
	Full     bool                       `json:"full_update"`
	Torrents map[string]json.RawMessage `json:"torrents"`
	Removed  []string                   `json:"torrents_removed"`
}

// fetch asks for what has changed. Where the answer is lost, the same is asked
// again, and answered again.
func (m *Mirror) fetch() (*Snapshot, error) {
	ctx, cancel := context.WithTimeout(m.client.ctx, refreshTimeout)
	defer cancel()
	var d delta
	s, err := m.client.read(ctx, func(s *Session) (*http.Request, error) {
		rid := 0
		if s == m.session && m.now != nil {
			rid = m.rid
		}
		return m.client.get("sync/maindata", url.Values{"rid": {strconv.Itoa(rid)}})(s)
	}, &d)
	if err != nil {
		return nil, err
	}
	if s != m.session || m.now == nil {
		d.Full = true
	}
	torrents, err := d.apply(m.now)
	if err != nil {
		return nil, err
	}
	m.session, m.rid = s, d.RID
	m.now = &Snapshot{torrents: torrents}
	return m.now, nil
}

// apply returns the list with the changes made; before stays as it is.
func (d *delta) apply(before *Snapshot) (map[string]*Torrent, error) {
	torrents := map[string]*Torrent{}
	if !d.Full {
		if len(d.Torrents)+len(d.Removed) == 0 {
			return before.torrents, nil
		}
		torrents = maps.Clone(before.torrents)
	}
	for id, raw := range d.Torrents {
		var t Torrent
		if old := torrents[id]; old != nil {
			t = *old
		}
		if err := json.Unmarshal(raw, &t); err != nil {
			return nil, errs.Wrap(err, errs.DownloaderError, "qBittorrent's list of torrents has something that haul does not understand.")
		}
		t.ID = id
		torrents[id] = &t
	}
	for _, id := range d.Removed {
		delete(torrents, id)
	}
	return torrents, nil
}
