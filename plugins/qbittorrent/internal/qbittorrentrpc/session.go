package qbittorrentrpc

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/haul-dl/haul/sdk/daemonhttp"
)

const (
	loginTimeout  = 20 * time.Second
	logoutTimeout = 2 * time.Second
)

// Session lasts from one login to the next. What it says does not change.
type Session struct {
	// API is the version of the WebUI API, Version that of qBittorrent, such as
	// "5.1.0".
	API     APIVersion
	Version string

	greeted bool // set before the session is handed out

	mu      sync.Mutex        // guards cookies
	cookies map[string]string // the name of the session's is the daemon's choice
}

func (s *Session) addCookies(req *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, value := range s.cookies {
		req.AddCookie(&http.Cookie{Name: name, Value: value}) //nolint:gosec // what it misses is for answers
	}
}

// takeCookies keeps what the answer sets, and reports whether that is new.
func (s *Session) takeCookies(resp *daemonhttp.Response) (changed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, cookie := range (&http.Response{Header: resp.Header}).Cookies() {
		if s.cookies[cookie.Name] != cookie.Value {
			s.cookies[cookie.Name], changed = cookie.Value, true
		}
	}
	return changed
}

// flight is a login that many may wait for.
type flight struct {
	done    chan struct{}
	session *Session // to be read after done
	err     error    // likewise
}

// Open returns the session, and logs in where there is none: once, for all who
// wait. A login goes on when those who asked for it give up, since a wrong
// password counts at the daemon whoever hears of it.
func (c *Client) Open(ctx context.Context) (*Session, error) {
	c.mu.Lock()
	if s := c.session; s != nil {
		c.mu.Unlock()
		return s, nil
	}
	if err := c.refusal.standing(c.now()); err != nil {
		c.mu.Unlock()
		return nil, err
	}
	f := c.login
	if f == nil {
		f = &flight{done: make(chan struct{})}
		c.login = f
		c.tasks.Go(func() { c.fly(f) })
	}
	c.mu.Unlock()
	select {
	case <-f.done:
		return f.session, f.err
	case <-ctx.Done():
		return nil, c.http.Explain(ctx, ctx.Err())
	}
}

// Verify returns the session after it has been of use. It does not log in anew
// where the old session still holds: qBittorrent keeps few of them.
func (c *Client) Verify(ctx context.Context) (*Session, error) {
	resp, s, err := c.do(ctx, c.get("app/version", nil))
	if err != nil {
		return nil, err
	}
	return s, c.succeeded(ctx, resp)
}

// Renew ends the session, so that the next call begins another.
func (c *Client) Renew(ctx context.Context) {
	c.mu.Lock()
	s := c.session
	c.session = nil
	c.mu.Unlock()
	if s == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, logoutTimeout)
	defer cancel()
	// The daemon forgets a session by itself too, so it does not matter how this ends.
	_, _ = c.send(ctx, s, c.post("auth/logout", nil))
}

func (c *Client) fly(f *flight) {
	ctx, cancel := context.WithTimeout(c.ctx, loginTimeout)
	defer cancel()
	s, err := c.logIn(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil {
		c.session, c.refusal = s, refusal{}
	}
	f.session, f.err = s, err
	c.login = nil
	close(f.done)
}

// drop forgets a session that is worth nothing any more.
func (c *Client) drop(s *Session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.session == s {
		c.session = nil
	}
}

// remember keeps a refusal, so that nobody asks again too soon, and returns it.
func (c *Client) remember(err error, wrong bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refusal.add(err, wrong, c.now())
	return c.refusal.err
}
