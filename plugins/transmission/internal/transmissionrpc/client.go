// Package transmissionrpc speaks Transmission's RPC in the dialect that 3.00 to
// 4.1 understand alike: one session for all callers, taken anew when the daemon
// was started again, and no second try of credentials that were refused.
package transmissionrpc

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/haul-dl/haul/sdk/daemonhttp"
	"github.com/haul-dl/haul/sdk/errs"
)

const (
	callTimeout = 30 * time.Second
	// minRPC is that of Transmission 3.00: labels, and answers as tables.
	minRPC = 16
	// maxSessions is how often one call takes a new session.
	maxSessions = 3

	// unreachablePause is how long a daemon that did not answer is left alone.
	unreachablePause = 500 * time.Millisecond
	// Transmission 3.00 counts wrong credentials, and after 100 lets nobody in
	// until it is started again: at this pace that takes days.
	minAuthPause = 15 * time.Second
	maxAuthPause = time.Hour
)

// Options configure a Client.
type Options struct {
	// HTTP makes the connections; its URL is that of ParseAddress.
	HTTP *daemonhttp.Client
	// Username and Password may be empty.
	Username, Password string
	// Now is the clock; nil is the system's.
	Now    func() time.Time
	Logger hclog.Logger
}

// Server is what a daemon says of itself.
type Server struct {
	// Version is as the daemon writes it, such as "3.00" or "4.1.4".
	Version string
	// RPC is the version of its interface; 16 is Transmission 3.00, 17 is 4.0.
	RPC int
	// DownloadDir is where torrents go that name no folder of their own.
	DownloadDir string
	// Life is another one when the daemon was started again, as far as that can
	// be told; it is never 0.
	Life int
	// Started is when that life began, by the daemon's own clock.
	Started time.Time
}

// Client makes calls to one daemon. Its methods may be called concurrently.
type Client struct {
	opts    Options
	session atomic.Pointer[session]
	skew    atomic.Int64  // of the daemon's clock against ours, in nanoseconds
	gate    chan struct{} // held by who makes a session

	mu        sync.Mutex // guards what follows
	failure   error      // of the last try to make a session
	failures  int        // in a row, of refused credentials
	notBefore time.Time  // of the next try
	life      int        // of the daemon, and when it was met last
	met       time.Time
}

// session is what the daemon wants to see with each call.
type session struct {
	id     string
	server Server
}

// New returns a client, which connects at its first call.
func New(o Options) *Client {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Client{opts: o, gate: make(chan struct{}, 1)}
}

// Close lets the connections go.
func (c *Client) Close() { c.opts.HTTP.Close() }

// LocalAddress returns the IP address of this machine on the connection.
func (c *Client) LocalAddress() string { return c.opts.HTTP.LocalAddress() }

// Server returns what the daemon says of itself, and connects first where need
// be. It fails like Call.
func (c *Client) Server(ctx context.Context) (Server, error) {
	s, err := c.connected(ctx)
	if err != nil {
		return Server{}, err
	}
	return s.server, nil
}

// Probe connects anew: for tests of the settings. Only credentials that were
// refused are not tried again before their time. It fails like Call.
func (c *Client) Probe(ctx context.Context) (Server, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	c.session.Store(nil)
	c.mu.Lock()
	if !errs.Is(c.failure, errs.DownloaderAuthFailed) {
		c.notBefore = time.Time{}
	}
	c.mu.Unlock()
	return c.Server(ctx)
}

// Call calls a method and decodes the arguments of its answer into out, which
// may be nil.
//
// Errors: *Error where the daemon refuses the call, and of package errs
// DownloaderUnreachable, DownloaderTLS, DownloaderAuthFailed, NotADownloader,
// DownloaderTooOld and Canceled.
func (c *Client) Call(ctx context.Context, method string, args, out any) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	body, err := encode(method, args)
	if err != nil {
		return err
	}
	for range maxSessions {
		s, err := c.connected(ctx)
		if err != nil {
			return err
		}
		raw, err := c.roundTrip(ctx, s.id, method, body)
		if _, ok := errors.AsType[*staleError](err); ok {
			c.session.CompareAndSwap(s, nil) // it was started again
			continue
		}
		if err != nil {
			if errs.Is(err, errs.DownloaderAuthFailed) && c.session.CompareAndSwap(s, nil) {
				c.failed(err)
			}
			return err
		}
		return decode(method, raw, out)
	}
	return errNoSession()
}

// connected returns the session, and makes it first where there is none. One
// caller makes it for all.
func (c *Client) connected(ctx context.Context) (*session, error) {
	if s := c.session.Load(); s != nil {
		return s, nil
	}
	select {
	case c.gate <- struct{}{}:
		defer func() { <-c.gate }()
	case <-ctx.Done():
		return nil, c.opts.HTTP.Explain(ctx, ctx.Err())
	}
	if s := c.session.Load(); s != nil {
		return s, nil
	}
	if err := c.held(); err != nil {
		return nil, err
	}
	s, err := c.connect(ctx)
	if err != nil {
		c.failed(err)
		return nil, err
	}
	c.mu.Lock()
	c.failure, c.failures = nil, 0
	c.mu.Unlock()
	c.session.Store(s)
	c.opts.Logger.Debug("connected to Transmission", "version", s.server.Version, "rpc", s.server.RPC)
	return s, nil
}

// held returns the failure of the last try, until it is time for the next one.
func (c *Client) held() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failure == nil || !c.opts.Now().Before(c.notBefore) {
		return nil
	}
	return c.failure
}

// failed puts off the next try.
func (c *Client) failed(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	pause := unreachablePause
	switch {
	case errs.Is(err, errs.Canceled):
		return // that was the caller
	case errs.Is(err, errs.DownloaderAuthFailed):
		pause = min(minAuthPause<<min(c.failures, 10), maxAuthPause)
		c.failures++
	}
	c.failure, c.notBefore = err, c.opts.Now().Add(pause)
}

// connect takes a session id and asks who is there.
func (c *Client) connect(ctx context.Context) (*session, error) {
	began := c.opts.Now()
	s := &session{}
	raw, err := c.greet(ctx, s, "session-get", map[string][]string{"fields": {"version", "rpc-version", "download-dir"}})
	if err != nil {
		return nil, err
	}
	if s.server, err = readServer(raw); err != nil {
		return nil, err
	}
	up, err := c.awaitLoaded(ctx, s)
	if err != nil {
		return nil, err
	}
	s.server.Life = c.lifeOf(began, up)
	s.server.Started = c.opts.Now().Add(time.Duration(c.skew.Load()) - up)
	return s, nil
}

// greet makes a call with the session's id, which it takes anew where the daemon
// asks for that.
func (c *Client) greet(ctx context.Context, s *session, method string, args any) (json.RawMessage, error) {
	body, err := encode(method, args)
	if err != nil {
		return nil, err
	}
	for range maxSessions {
		raw, err := c.roundTrip(ctx, s.id, method, body)
		if stale, ok := errors.AsType[*staleError](err); ok {
			s.id = stale.id
			continue
		}
		if e, ok := errors.AsType[*Error](err); ok {
			return nil, errs.Wrap(e, errs.DownloaderError, "Transmission refuses a harmless call: %s.", e.Result)
		}
		return raw, err
	}
	return nil, errNoSession()
}

func readServer(raw []byte) (Server, error) {
	var answer struct {
		Version string  `json:"version"`
		RPC     float64 `json:"rpc-version"`
		Dir     string  `json:"download-dir"`
	}
	if err := decode("session-get", raw, &answer); err != nil {
		return Server{}, err
	}
	version, _, _ := strings.Cut(answer.Version, " ") // "3.00 (bb6b5a062e)"
	s := Server{Version: version, RPC: int(answer.RPC), DownloadDir: answer.Dir}
	if s.RPC < minRPC {
		return s, errs.New(errs.DownloaderTooOld, "This is Transmission %s; haul needs 3.00 or newer.", version)
	}
	return s, nil
}

func errNoSession() error {
	return errs.New(errs.NotADownloader, "Transmission wants a new session for every request.").
		WithHint("Is there a proxy in between that spreads requests over several Transmissions, or drops the header X-Transmission-Session-Id?")
}

// Explain puts the end of a caller's context into the words of Call.
func (c *Client) Explain(ctx context.Context, err error) error { return c.opts.HTTP.Explain(ctx, err) }
