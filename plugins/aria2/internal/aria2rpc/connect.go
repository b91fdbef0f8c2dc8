package aria2rpc

import (
	"context"
	"errors"
	"time"

	"github.com/haul-dl/haul/sdk/errs"
)

// connected returns the connection, and makes it first where there is none.
// One connect runs at a time, for all callers; after a failure the next one
// has to wait, and callers get the failure until then.
func (c *Client) connected(ctx context.Context) (*Peer, error) {
	for {
		c.mu.Lock()
		switch {
		case c.closed:
			c.mu.Unlock()
			return nil, errs.Wrap(errClosed, errs.Canceled, "The downloader is being closed.")
		case c.peer != nil && c.peer.alive():
			peer := c.peer
			c.mu.Unlock()
			return peer, nil
		case c.failure != nil && time.Now().Before(c.notBefore):
			err := c.failure
			c.mu.Unlock()
			return nil, err
		}
		if c.connecting == nil {
			c.connecting = make(chan struct{})
			c.wg.Go(c.reconnect)
		}
		wait := c.connecting
		c.mu.Unlock()
		select {
		case <-wait:
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return nil, errs.Wrap(ctx.Err(), errs.DownloaderUnreachable, "aria2 could not be reached in time.")
			}
			return nil, errs.Wrap(ctx.Err(), errs.Canceled, "The call was given up.")
		}
	}
}

// reconnect makes a connection for all who wait.
func (c *Client) reconnect() {
	ctx, cancel := context.WithTimeout(c.ctx, c.opts.CallTimeout)
	defer cancel()
	peer, err := c.connect(ctx)
	if err == nil && c.opts.OnConnect != nil {
		if err = c.opts.OnConnect(ctx, peer); err != nil {
			peer.close()
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	close(c.connecting)
	c.connecting = nil
	if err != nil {
		c.failed(err)
		return
	}
	if c.closed {
		c.wg.Go(peer.close)
		return
	}
	c.opts.Logger.Debug("connected to aria2", "version", peer.Version, "websocket", peer.socket != nil)
	c.peer, c.failure, c.failures = peer, nil, 0
}

// failed puts off the next connect: twice as long each time, and much longer
// for a wrong secret, which does not heal by itself.
func (c *Client) failed(err error) {
	first, most := minBackoff, maxBackoff
	if errs.Is(err, errs.DownloaderAuthFailed) {
		first, most = minAuthBackoff, maxAuthBackoff
	}
	wait := min(first<<min(c.failures, 10), most)
	c.failures++
	c.failure, c.notBefore = err, time.Now().Add(wait)
}

// RetryNow lets the next call connect at once, for when the daemon is known to
// have been started again.
func (c *Client) RetryNow() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failures, c.notBefore = 0, time.Time{}
}

// Probe connects anew, whatever happened before, and lets go of the connection
// again: for tests of the settings.
func (c *Client) Probe(ctx context.Context) (*Peer, error) {
	ctx, cancel := context.WithTimeout(ctx, c.opts.CallTimeout)
	defer cancel()
	peer, err := c.connect(ctx)
	if err != nil {
		return nil, err
	}
	peer.close()
	return peer, nil
}

func (c *Client) connect(ctx context.Context) (*Peer, error) {
	ep, err := c.opts.Endpoint(ctx)
	if err != nil {
		return nil, err
	}
	peer, err := c.open(ctx, ep)
	if err != nil {
		return nil, connectFailure(ctx, err, ep)
	}
	if err := peer.hello(ctx); err != nil {
		peer.close()
		return nil, connectFailure(ctx, err, ep)
	}
	return peer, nil
}

// open tries the WebSocket first. A server that answers, but not with the
// upgrade, may be a proxy in front of aria2, or no aria2 at all: the first call
// over HTTP tells.
func (c *Client) open(ctx context.Context, ep Endpoint) (*Peer, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	sock, err := dialSocket(ctx, ep, c.dispatch)
	if err == nil {
		c.wg.Go(sock.read)
		return &Peer{endpoint: ep, via: sock, socket: sock}, nil
	}
	if !errors.Is(err, errNoUpgrade) {
		return nil, err
	}
	return &Peer{endpoint: ep, via: &poster{endpoint: ep}, until: time.Now().Add(retryUpgrade)}, nil
}

func connectFailure(ctx context.Context, err error, ep Endpoint) error {
	if e, ok := errors.AsType[*errs.Error](err); ok {
		return e
	}
	if e, ok := errors.AsType[*Error](err); ok && ctx.Err() == nil {
		return errs.Wrap(e, errs.DownloaderError, "aria2 at %s refuses a harmless call: %s.", ep.host(), e.Message)
	}
	return ep.HTTP.Explain(ctx, err)
}
