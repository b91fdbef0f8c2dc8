package aria2rpc

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/haul-dl/haul/sdk/errs"
)

const (
	dialTimeout = 10 * time.Second
	// DefaultCallTimeout is long enough for a daemon that verifies a torrent,
	// during which aria2 answers late.
	DefaultCallTimeout = 30 * time.Second
	// defaultRequestLimit is aria2's own, where the daemon did not tell.
	defaultRequestLimit = 2 << 20

	minBackoff = 100 * time.Millisecond
	maxBackoff = 5 * time.Second
	// Every wrong secret keeps aria2 busy for two seconds.
	minAuthBackoff = 5 * time.Second
	maxAuthBackoff = time.Minute

	// retryUpgrade is how long a daemon that refused the WebSocket is spoken
	// to by HTTP alone.
	retryUpgrade = time.Minute
)

var errClosed = errors.New("the client is closed")

// Options configure a Client.
type Options struct {
	// Endpoint returns where the daemon is. It is called at each connect and
	// may wait until ctx ends for a daemon that is about to come.
	Endpoint func(ctx context.Context) (Endpoint, error)
	// OnConnect is called after each connect, before any other call is let
	// through. An error refuses the daemon.
	OnConnect func(ctx context.Context, p *Peer) error
	// CallTimeout bounds each call; 0 means DefaultCallTimeout.
	CallTimeout time.Duration
	Logger      hclog.Logger
}

// Client holds one connection to a daemon: a WebSocket, or a kept HTTP
// connection where the server in between refuses the upgrade. It connects when
// first used and again when the connection is lost. Calls are repeated once
// when the connection is lost before the answer, so make only such calls as may
// be repeated. All methods may be called concurrently.
type Client struct {
	opts   Options
	ctx    context.Context // ends at Close
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu         sync.Mutex // guards what follows
	closed     bool
	peer       *Peer
	connecting chan struct{} // closed when the connect under way is over
	failure    error         // of the last connect
	failures   int           // in a row
	notBefore  time.Time     // of the next connect
	listeners  map[*listener]struct{}
}

type listener struct{ fn func(Event) }

// New returns a client that is not connected yet. Close it in the end.
func New(opts Options) *Client {
	if opts.CallTimeout == 0 {
		opts.CallTimeout = DefaultCallTimeout
	}
	ctx, cancel := context.WithCancel(context.Background())
	return &Client{
		opts: opts, ctx: ctx, cancel: cancel,
		listeners: map[*listener]struct{}{},
	}
}

// Close ends the connection and all calls under way. What the endpoint's client
// keeps open is for the owner of that to close.
func (c *Client) Close() {
	c.mu.Lock()
	c.closed = true
	peer := c.peer
	c.peer = nil
	c.mu.Unlock()
	c.cancel()
	if peer != nil {
		peer.close()
	}
	c.wg.Wait()
}

// Do makes all calls in one request. The error is about the daemon as a whole
// (errs.DownloaderUnreachable, errs.DownloaderAuthFailed, errs.NotADownloader,
// errs.DownloaderTooOld) or about the caller's ctx (errs.Canceled).
func (c *Client) Do(ctx context.Context, calls ...Call) ([]Result, error) {
	if len(calls) == 0 {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, c.opts.CallTimeout)
	defer cancel()
	for attempt := 0; ; attempt++ {
		peer, err := c.connected(ctx)
		if err != nil {
			return nil, err
		}
		res, err := peer.do(ctx, calls)
		if err == nil {
			return res, nil
		}
		c.drop(peer, err)
		if attempt == 0 && errors.Is(err, errLost) && ctx.Err() == nil {
			continue
		}
		return nil, callError(ctx, err, peer.endpoint.host())
	}
}

// callError says what a failed request means for the caller.
func callError(ctx context.Context, err error, host string) error {
	if e, ok := errors.AsType[*errs.Error](err); ok {
		return e
	}
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return errs.Wrap(err, errs.Canceled, "The call was given up.")
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return errs.Wrap(err, errs.DownloaderUnreachable, "aria2 at %s did not answer in time.", host)
	case errors.Is(err, errLost), errors.Is(err, errClosed):
		return errs.Wrap(err, errs.DownloaderUnreachable, "aria2 at %s closed the connection.", host)
	}
	return errs.Wrap(err, errs.DownloaderError, "aria2 at %s gave an answer that makes no sense.", host)
}

// Listen calls fn with each event, in the reader's goroutine, so fn must not
// block. It connects first where need be, calls ready when connected, and
// returns when the connection is lost or ctx ends. It fails with
// errs.NotOffered where there is no WebSocket.
func (c *Client) Listen(ctx context.Context, ready func(), fn func(Event)) error {
	peer, err := c.connected(ctx)
	if err != nil {
		return err
	}
	if peer.socket == nil {
		return errs.New(errs.NotOffered, "The server in front of aria2 lets no WebSocket through.")
	}
	l := &listener{fn: fn}
	c.mu.Lock()
	c.listeners[l] = struct{}{}
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		delete(c.listeners, l)
		c.mu.Unlock()
	}()
	ready()
	select {
	case <-ctx.Done():
		return errs.Wrap(ctx.Err(), errs.Canceled, "The watch was given up.")
	case <-peer.socket.done:
		return callError(ctx, peer.socket.failure(), peer.endpoint.host())
	}
}

func (c *Client) dispatch(e Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for l := range c.listeners {
		l.fn(e)
	}
}

// RequestLimit is the size of the biggest request that the daemon takes.
func (c *Client) RequestLimit() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.peer == nil {
		return defaultRequestLimit
	}
	return c.peer.requestLimit()
}

// drop lets go of a connection that failed with err, unless the failure was
// only that of one request.
func (c *Client) drop(peer *Peer, err error) {
	lost := errors.Is(err, errLost) || !peer.alive()
	if e, ok := errors.AsType[*errs.Error](err); ok {
		lost = lost || e.Code == errs.DownloaderAuthFailed || e.Code == errs.NotADownloader
	}
	if !lost {
		return
	}
	c.mu.Lock()
	if c.peer == peer {
		c.peer = nil
	}
	c.mu.Unlock()
	peer.close()
}

// Peer is a daemon at the other end of one connection.
type Peer struct {
	// Version is aria2's, such as "1.36.0".
	Version string
	// Options are the global ones, as they were at the connect.
	Options map[string]string

	endpoint Endpoint
	via      interface {
		roundTrip(ctx context.Context, req request) (json.RawMessage, error)
	}
	socket *socket // nil over HTTP
	until  time.Time
}

// LocalAddress returns the IP address of this machine on the connection.
func (p *Peer) LocalAddress() string { return p.endpoint.HTTP.LocalAddress() }

// Do makes all calls in one request on this connection.
func (p *Peer) Do(ctx context.Context, calls ...Call) ([]Result, error) {
	res, err := p.do(ctx, calls)
	if err != nil {
		return nil, callError(ctx, err, p.endpoint.host())
	}
	return res, nil
}

func (p *Peer) do(ctx context.Context, calls []Call) ([]Result, error) {
	req, err := multicall(p.endpoint.Secret, calls)
	if err != nil {
		return nil, err
	}
	raw, err := p.via.roundTrip(ctx, req)
	if err != nil {
		return nil, err
	}
	res, err := results(raw, len(calls))
	if err != nil {
		return nil, err
	}
	for _, r := range res {
		if e, ok := errors.AsType[*Error](r.Err); ok && e.unauthorized() {
			return nil, authFailed(e)
		}
	}
	return res, nil
}

// hello learns what every connection needs to know, which also proves that the
// other end is aria2 and takes the secret.
func (p *Peer) hello(ctx context.Context) error {
	res, err := p.do(ctx, []Call{NewCall("aria2.getVersion"), NewCall("aria2.getGlobalOption")})
	if err != nil {
		return err
	}
	var v struct {
		Version string `json:"version"`
	}
	if err := res[0].Decode(&v); err != nil {
		return err
	}
	p.Version = v.Version
	return res[1].Decode(&p.Options)
}

func (p *Peer) requestLimit() int {
	if n, err := strconv.Atoi(p.Options["rpc-max-request-size"]); err == nil && n > 0 {
		return n
	}
	return defaultRequestLimit
}

func (p *Peer) alive() bool {
	if p.socket != nil {
		return p.socket.alive()
	}
	return time.Now().Before(p.until)
}

func (p *Peer) close() {
	if p.socket != nil {
		p.socket.close()
	}
}
