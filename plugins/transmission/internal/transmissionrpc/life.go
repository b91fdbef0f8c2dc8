package transmissionrpc

import (
	"context"
	"time"
)

const (
	// upUnit is how exactly the daemon tells how long it has been up, and some.
	upUnit = 2 * time.Second
	// A daemon answers before it has loaded its torrents. Until it is young no
	// more, their number must have stood still for a while.
	young      = 10 * time.Second
	stillFor   = 500 * time.Millisecond
	countEvery = 50 * time.Millisecond
)

// stats are what the daemon says of its present life.
type stats struct {
	Torrents float64 `json:"torrentCount"`
	Current  struct {
		Seconds float64 `json:"secondsActive"`
	} `json:"current-stats"`
}

func (c *Client) stats(ctx context.Context, s *session) (stats, error) {
	var out stats
	raw, err := c.greet(ctx, s, "session-stats", nil)
	if err != nil {
		return out, err
	}
	return out, decode("session-stats", raw, &out)
}

// awaitLoaded waits until the daemon has loaded its torrents, as one that is
// missing would be taken for lost, and returns how long the daemon has been up.
func (c *Client) awaitLoaded(ctx context.Context, s *session) (up time.Duration, err error) {
	now, err := c.stats(ctx, s)
	since := c.opts.Now()
	for err == nil {
		up = time.Duration(now.Current.Seconds) * time.Second
		if up >= young || c.opts.Now().Sub(since) >= stillFor {
			return up, nil
		}
		select {
		case <-time.After(countEvery):
		case <-ctx.Done():
			return 0, c.Explain(ctx, ctx.Err())
		}
		before := now.Torrents
		if now, err = c.stats(ctx, s); now.Torrents != before {
			since = c.opts.Now()
		}
	}
	return 0, err
}

// lifeOf tells a daemon that was started again from one that has changed its
// session id, as each does once an hour: that one has been up since before the
// last connect. Where that was only just now, nobody can tell.
func (c *Client) lifeOf(now time.Time, up time.Duration) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	since := now.Sub(c.met)
	c.met = now
	if c.life == 0 || since < 2*upUnit || up+upUnit < since {
		c.life++
	}
	return c.life
}
