package aria2rpc

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// newHTTPClient keeps one connection to the daemon. It uses no proxy, as
// daemons are at home, does not follow redirects, which no aria2 sends, and
// asks for no compression, which costs the daemon more than it saves.
func newHTTPClient() *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			DialContext:         (&net.Dialer{Timeout: dialTimeout, KeepAlive: 15 * time.Second}).DialContext,
			TLSHandshakeTimeout: dialTimeout,
			MaxIdleConnsPerHost: 1,
			IdleConnTimeout:     90 * time.Second,
			DisableCompression:  true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// poster makes calls by HTTP POST.
type poster struct {
	endpoint Endpoint
	client   *http.Client
}

func (p *poster) roundTrip(ctx context.Context, req request) (json.RawMessage, error) {
	req.ID = "1"
	data, err := json.Marshal(req)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", req.Method, err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, p.endpoint.URL.String(), bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	r.Header.Set("Content-Type", "application/json")
	resp, err := p.client.Do(r)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, fmt.Errorf("%w: %w", errLost, stripURL(err))
	}
	defer resp.Body.Close()
	return p.decode(ctx, resp)
}

func (p *poster) decode(ctx context.Context, resp *http.Response) (json.RawMessage, error) {
	body, err := io.ReadAll(io.LimitReader(resp.Body, readLimit))
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, fmt.Errorf("%w: %w", errLost, err)
	}
	var m message
	if err := json.Unmarshal(body, &m); err != nil || m.Version == "" {
		return nil, foreignServer(ctx, p.client, p.endpoint.URL, resp, body)
	}
	if m.Error != nil {
		return nil, m.Error
	}
	return m.Result, nil
}
