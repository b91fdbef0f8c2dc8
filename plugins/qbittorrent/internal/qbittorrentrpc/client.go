// Package qbittorrentrpc speaks qBittorrent's WebUI API of 4.4 to 5.3: logins
// that never get haul banned, the calls that haul makes, and a copy of the list
// of torrents that is kept up to date by differences.
package qbittorrentrpc

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/haul-dl/haul/sdk/daemonhttp"
	"github.com/haul-dl/haul/sdk/errs"
)

// apiPath is where the API is below the WebUI's address.
const apiPath = "/api/v2/"

// Daemon is what messages and addresses need to know of qBittorrent.
func Daemon() daemonhttp.Daemon {
	return daemonhttp.Daemon{
		Name: "qBittorrent", Port: "8080", Example: "http://127.0.0.1:8080",
		StartHint: "Start qBittorrent, switch its Web UI on, and check the host and the port.",
	}
}

// Options configure a Client.
type Options struct {
	HTTP *daemonhttp.Client
	// Username and Password are those of the WebUI. Without both nobody logs in,
	// for a WebUI that lets this machine in without.
	Username, Password string
	// Check looks at a session before it is used; its error is the login's.
	Check func(s *Session) error
	// Now is the clock.
	Now func() time.Time
}

// Client makes calls to one qBittorrent. Its methods may be called concurrently.
// Errors about the whole daemon have the codes that downloader.Driver names; a
// *StatusError is about the call.
type Client struct {
	http               *daemonhttp.Client
	username, password string
	check              func(s *Session) error
	now                func() time.Time

	ctx   context.Context // ends with Close
	end   context.CancelFunc
	tasks sync.WaitGroup // logins and refreshes, which outlive those who asked

	mu      sync.Mutex // guards what is below
	session *Session
	login   *flight
	refusal refusal
}

// New returns a client, which connects at its first call.
func New(o Options) *Client {
	ctx, cancel := context.WithCancel(context.Background())
	return &Client{
		http: o.HTTP, username: o.Username, password: o.Password,
		check: o.Check, now: o.Now, ctx: ctx, end: cancel,
	}
}

// Close ends what is under way, the session and the connections.
func (c *Client) Close() {
	c.end()
	c.tasks.Wait()
	c.Renew(context.Background())
	c.http.Close()
}

// LocalAddress returns the IP address of this machine as seen by the daemon, or "".
func (c *Client) LocalAddress() string { return c.http.LocalAddress() }

// build makes a request for a session. It may be called twice.
type build func(s *Session) (*http.Request, error)

// do makes a request, and once more after a new login where the daemon has
// forgotten the old one: it does so when it starts again, and after a while.
func (c *Client) do(ctx context.Context, b build) (*daemonhttp.Response, *Session, error) {
	s, err := c.Open(ctx)
	if err != nil {
		return nil, nil, err
	}
	resp, err := c.send(ctx, s, b)
	if err != nil || resp.Status != http.StatusForbidden {
		return resp, s, err
	}
	c.drop(s)
	if s, err = c.Open(ctx); err != nil {
		return nil, nil, err
	}
	resp, err = c.send(ctx, s, b)
	if err == nil && resp.Status == http.StatusForbidden {
		c.drop(s)
		return nil, nil, c.remember(errForgets(), false)
	}
	return resp, s, err
}

func errForgets() error {
	return errs.New(errs.DownloaderAuthFailed, "qBittorrent accepts the login and refuses the next call.").
		WithHint("A proxy in between may drop cookies: let it pass Cookie and Set-Cookie.")
}

// send makes a request with the session's cookies.
func (c *Client) send(ctx context.Context, s *Session, b build) (*daemonhttp.Response, error) {
	req, err := b(s)
	if err != nil {
		return nil, errs.Wrap(err, errs.Internal, "The call to qBittorrent cannot be made.")
	}
	s.addCookies(req)
	// Every call may be repeated, so net/http may do that too where a kept
	// connection turns out to be closed. The header itself is not sent.
	req.Header["X-Idempotency-Key"] = nil
	resp, err := c.http.Do(ctx, req)
	if err != nil {
		return nil, err
	}
	if s.takeCookies(resp) && s.greeted {
		// Where no login is needed a daemon that has started again makes a new
		// session by itself; it may be another version by now.
		c.drop(s)
	}
	return resp, nil
}
