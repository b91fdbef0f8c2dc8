package daemonhttp

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/haul-dl/haul/sdk/errs"
)

const (
	dialTimeout = 10 * time.Second
	// maxConnections is how many a client keeps: a slow call shall not hold up
	// the next look at progress.
	maxConnections = 2
	// maxBody is the largest answer that is read, in bytes.
	maxBody = 128 << 20
)

// Options configure a Client.
type Options struct {
	Daemon Daemon
	// URL is that of ParseAddress.
	URL *url.URL
	// CACertificate holds certificates in PEM that are trusted besides the
	// system's; it may be empty.
	CACertificate string
}

// Client makes requests to one daemon. Its methods may be called concurrently.
type Client struct {
	daemon Daemon
	url    *url.URL
	http   *http.Client
	most   int64 // bytes of an answer
	local  atomic.Pointer[string]
}

// Response is an answer, read to its end.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
	path   string
}

// New returns a client, which connects at its first request. It fails with
// errs.InvalidSettings for the field "ca_certificate".
func New(o Options) (*Client, error) {
	config, err := tlsConfig(o.CACertificate)
	if err != nil {
		return nil, err
	}
	c := &Client{daemon: o.Daemon, url: o.URL, most: maxBody}
	c.http = &http.Client{
		// No proxy, as daemons are at home; no compression, which costs the
		// daemon more than it saves.
		Transport: &http.Transport{
			DialContext:         c.dial,
			TLSClientConfig:     config,
			TLSHandshakeTimeout: dialTimeout,
			MaxConnsPerHost:     maxConnections,
			MaxIdleConnsPerHost: maxConnections,
			IdleConnTimeout:     90 * time.Second,
			DisableCompression:  true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return c, nil
}

// dial notes where this machine is on the connection.
func (c *Client) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := (&net.Dialer{Timeout: dialTimeout, KeepAlive: 15 * time.Second}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	if a, ok := conn.LocalAddr().(*net.TCPAddr); ok {
		ip := a.IP.String()
		c.local.Store(&ip)
	}
	return conn, nil
}

func tlsConfig(ca string) (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if ca == "" {
		return config, nil
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	if !roots.AppendCertsFromPEM([]byte(ca)) {
		return nil, errs.New(errs.InvalidSettings, "The CA certificate is not valid.").
			WithField("ca_certificate", "has no certificate in PEM").
			WithHint("Paste the file of the authority, which begins with -----BEGIN CERTIFICATE-----.")
	}
	config.RootCAs = roots
	return config, nil
}

// URL returns the address with more behind its path, such as "/api/v2/app/version".
func (c *Client) URL(more string) *url.URL {
	u := *c.url
	u.Path += more
	return &u
}

// HTTP returns the client beneath, for what Do does not do, such as a WebSocket.
func (c *Client) HTTP() *http.Client { return c.http }

// Close ends the connections that are idle.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// LocalAddress returns the IP address of this machine on the newest connection,
// or "" before the first.
func (c *Client) LocalAddress() string {
	if p := c.local.Load(); p != nil {
		return *p
	}
	return ""
}

// Do makes a request and reads the answer, whatever its status. A failure to do
// so is explained as Explain does.
func (c *Client) Do(ctx context.Context, req *http.Request) (*Response, error) {
	resp, err := c.http.Do(req.WithContext(ctx))
	if err != nil {
		return nil, c.Explain(ctx, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, c.most+1))
	if err != nil {
		return nil, c.Explain(ctx, err)
	}
	if int64(len(body)) > c.most {
		return nil, c.Explain(ctx, fmt.Errorf("the answer has more than %d bytes", c.most))
	}
	return &Response{Status: resp.StatusCode, Header: resp.Header, Body: body, path: req.URL.Path}, nil
}
