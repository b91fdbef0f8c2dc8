package qbittorrentrpc

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"

	"github.com/haul-dl/haul/sdk/daemonhttp"
	"github.com/haul-dl/haul/sdk/errs"
)

// StatusError is an answer that says that a call failed.
type StatusError struct {
	// Status is that of HTTP.
	Status int
	// Message is the daemon's.
	Message string
}

// Error returns status and message.
func (e *StatusError) Error() string {
	return fmt.Sprintf("qBittorrent answers %d: %s", e.Status, e.Message)
}

func (c *Client) get(method string, query url.Values) build {
	return func(*Session) (*http.Request, error) {
		u := c.http.URL(apiPath + method)
		u.RawQuery = query.Encode()
		return http.NewRequest(http.MethodGet, u.String(), nil) //nolint:noctx // Client.send gives it one
	}
}

func (c *Client) post(method string, form url.Values) build {
	return c.postBody(method, "application/x-www-form-urlencoded", []byte(form.Encode()))
}

func (c *Client) postBody(method, contentType string, body []byte) build {
	return func(*Session) (*http.Request, error) {
		req, err := http.NewRequest(http.MethodPost, c.http.URL(apiPath+method).String(), bytes.NewReader(body)) //nolint:noctx // Client.send gives it one
		if err == nil {
			req.Header.Set("Content-Type", contentType)
		}
		return req, err
	}
}

// multipartForm puts fields, and a torrent file if there is one, into a body.
func multipartForm(fields map[string]string, torrent []byte) (contentType string, body []byte, err error) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for name, value := range fields {
		if err := w.WriteField(name, value); err != nil {
			return "", nil, err
		}
	}
	if torrent != nil {
		part, err := w.CreateFormFile("torrents", "haul.torrent")
		if err != nil {
			return "", nil, err
		}
		if _, err := part.Write(torrent); err != nil {
			return "", nil, err
		}
	}
	err = w.Close()
	return w.FormDataContentType(), b.Bytes(), err
}

// read makes a call whose answer is JSON.
func (c *Client) read(ctx context.Context, b build, to any) (*Session, error) {
	resp, s, err := c.do(ctx, b)
	if err != nil {
		return s, err
	}
	if err := c.succeeded(ctx, resp); err != nil {
		return s, err
	}
	if err := json.Unmarshal(resp.Body, to); err != nil {
		return s, errNotUnderstood(err)
	}
	return s, nil
}

func errNotUnderstood(err error) error {
	return errs.Wrap(err, errs.DownloaderError, "qBittorrent gives an answer that haul does not understand.").
		WithHint("This version of qBittorrent may be newer than haul: look for a newer haul.")
}

// change makes a call that changes something.
func (c *Client) change(ctx context.Context, method string, form url.Values) error {
	resp, _, err := c.do(ctx, c.post(method, form))
	if err != nil {
		return err
	}
	return c.succeeded(ctx, resp)
}

// succeeded turns an answer into a *StatusError, or into an error about the
// daemon where it is none that qBittorrent would give.
func (c *Client) succeeded(ctx context.Context, resp *daemonhttp.Response) error {
	foreign := resp.Status/100 == 3 || resp.Status >= http.StatusInternalServerError || resp.Status == http.StatusRequestEntityTooLarge
	switch {
	case foreign, isPage(resp):
		return c.http.Foreign(ctx, resp)
	case resp.Status/100 == 2:
		return nil
	}
	message := strings.ToValidUTF8(string(resp.Body[:min(len(resp.Body), 300)]), "")
	return &StatusError{Status: resp.Status, Message: strings.TrimSpace(message)}
}
