// Package fetchd is a client of the daemon fetchd: one method for each request
// that the driver needs, and the daemon's errors in haul's words. It knows
// nothing of jobs.
package fetchd

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"

	"github.com/haul-dl/haul/sdk/daemonhttp"
	"github.com/haul-dl/haul/sdk/errs"
)

// daemon is what addresses and messages need to know.
var daemon = daemonhttp.Daemon{
	Name:      "fetchd",
	Port:      "7700",
	Example:   "http://127.0.0.1:7700",
	StartHint: "Start it with: fetchd -listen 127.0.0.1:7700",
}

// Options configure a Client.
type Options struct {
	// Address is as people write it: "nas", "nas:7700", "https://nas/fetchd".
	Address string
	// Token is fetchd's.
	Token string
	// CACertificate is in PEM, and may be empty.
	CACertificate string
}

// Client makes requests to one fetchd. Its methods may be called concurrently.
type Client struct {
	http  *daemonhttp.Client
	token string
}

// New returns a client, which connects at its first request. It fails with
// errs.InvalidSettings and the field that is wrong.
func New(o Options) (*Client, error) {
	u, err := daemon.ParseAddress(o.Address)
	if err != nil {
		return nil, err
	}
	c, err := daemonhttp.New(daemonhttp.Options{Daemon: daemon, URL: u, CACertificate: o.CACertificate})
	if err != nil {
		return nil, err
	}
	return &Client{http: c, token: o.Token}, nil
}

// Close ends the connections.
func (c *Client) Close() { c.http.Close() }

// LocalAddress is this machine's on the connection to the daemon.
func (c *Client) LocalAddress() string { return c.http.LocalAddress() }

// Version asks for the daemon's version. It needs no token.
func (c *Client) Version(ctx context.Context) (string, error) {
	var out struct{ Daemon, Version string }
	resp, err := c.send(ctx, http.MethodGet, "/api/version", nil, nil)
	if err != nil {
		return "", err
	}
	if json.Unmarshal(resp.Body, &out) != nil || out.Daemon != "fetchd" {
		return "", c.http.Foreign(ctx, resp)
	}
	return out.Version, nil
}

// SetMaxRunning says how many downloads may run at once.
func (c *Client) SetMaxRunning(ctx context.Context, n int) error {
	return c.call(ctx, http.MethodPut, "/api/settings", nil, map[string]int{"max_running": n}, nil)
}

// Downloads returns all downloads, or those with a tag.
func (c *Client) Downloads(ctx context.Context, tag string) ([]Download, error) {
	var query url.Values
	if tag != "" {
		query = url.Values{"tag": {tag}}
	}
	var out struct{ Downloads []Download }
	err := c.call(ctx, http.MethodGet, "/api/downloads", query, nil, &out)
	return out.Downloads, err
}

// Add starts a download, and returns it with its id.
func (c *Client) Add(ctx context.Context, n NewDownload) (Download, error) {
	var out Download
	err := c.call(ctx, http.MethodPost, "/api/downloads", nil, n, &out)
	return out, err
}

// Stop lets a download rest.
func (c *Client) Stop(ctx context.Context, id int) error {
	return c.call(ctx, http.MethodPost, path(id)+"/stop", nil, nil, nil)
}

// Start lets it go on.
func (c *Client) Start(ctx context.Context, id int) error {
	return c.call(ctx, http.MethodPost, path(id)+"/start", nil, nil, nil)
}

// SetLimit sets a download's rate in bytes per second; 0 is no limit.
func (c *Client) SetLimit(ctx context.Context, id int, limit int64) error {
	return c.call(ctx, http.MethodPatch, path(id), nil, map[string]int64{"limit": limit}, nil)
}

// Remove forgets a download, and deletes its file if files is set.
func (c *Client) Remove(ctx context.Context, id int, files bool) error {
	return c.call(ctx, http.MethodDelete, path(id), url.Values{"files": {strconv.FormatBool(files)}}, nil, nil)
}

func path(id int) string { return "/api/downloads/" + strconv.Itoa(id) }

// call makes a request, and decodes its answer into out unless that is nil.
func (c *Client) call(ctx context.Context, method, path string, query url.Values, body, out any) error {
	resp, err := c.send(ctx, method, path, query, body)
	if err != nil {
		return err
	}
	if resp.Status/100 != 2 {
		return c.refusal(ctx, resp)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(resp.Body, out); err != nil {
		return c.http.Foreign(ctx, resp)
	}
	return nil
}

func (c *Client) send(ctx context.Context, method, path string, query url.Values, body any) (*daemonhttp.Response, error) {
	raw, err := json.Marshal(body)
	if err != nil {
		return nil, errs.Wrap(err, errs.Internal, "The request cannot be written.")
	}
	u := c.http.URL(path)
	u.RawQuery = query.Encode()
	req, err := http.NewRequestWithContext(ctx, method, u.String(), bytes.NewReader(raw))
	if err != nil {
		return nil, errs.Wrap(err, errs.Internal, "The request cannot be written.")
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+c.token)
	return c.http.Do(ctx, req)
}

// refusal puts an answer that is no success into haul's words.
func (c *Client) refusal(ctx context.Context, resp *daemonhttp.Response) error {
	var e struct{ Error, Text string }
	if json.Unmarshal(resp.Body, &e) != nil || e.Error == "" {
		return c.http.Foreign(ctx, resp) // fetchd itself always says what is wrong
	}
	switch e.Error {
	case "unauthorized":
		return errs.New(errs.DownloaderAuthFailed, "fetchd refuses the token.")
	case "unknown_download":
		return errs.New(errs.JobNotFound, "fetchd does not have that download.")
	case "bad_url":
		return errs.New(errs.InvalidSource, "fetchd does not take that URL.")
	case "bad_path":
		return errs.New(errs.PathNotShared, "fetchd does not take the directory or the file's name.")
	}
	return errs.New(errs.DownloaderError, "fetchd says: %s.", e.Text)
}
