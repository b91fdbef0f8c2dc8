package transmissionrpc

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/haul-dl/haul/sdk/daemonhttp"
	"github.com/haul-dl/haul/sdk/errs"
)

const sessionHeader = "X-Transmission-Session-Id"

// Error is a call that the daemon refuses.
type Error struct {
	Method string
	// Result is what the daemon says, such as "no method name".
	Result string
}

// Error returns the method and the daemon's words.
func (e *Error) Error() string { return e.Method + ": " + e.Result }

// staleError asks for another session id.
type staleError struct{ id string }

func (*staleError) Error() string { return "the session has ended" }

func encode(method string, args any) ([]byte, error) {
	body, err := json.Marshal(struct {
		Method    string `json:"method"`
		Arguments any    `json:"arguments,omitempty"`
	}{method, args})
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", method, err)
	}
	return body, nil
}

// roundTrip makes one request and returns the arguments of its answer.
func (c *Client) roundTrip(ctx context.Context, id, method string, body []byte) (json.RawMessage, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.opts.HTTP.URL("").String(), bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	if id != "" {
		req.Header.Set(sessionHeader, id)
	}
	if c.opts.Username != "" || c.opts.Password != "" {
		req.SetBasicAuth(c.opts.Username, c.opts.Password)
	}
	resp, err := c.opts.HTTP.Do(ctx, req)
	if err != nil {
		return nil, err
	}
	if date, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		c.skew.Store(int64(date.Sub(c.opts.Now())))
	}
	if resp.Status != http.StatusOK {
		return nil, c.refusal(ctx, resp)
	}
	var answer struct {
		Result *string `json:"result"`
		// Arguments are 0 rather than an object where 4.1.0 has none, and are
		// left alone until somebody wants them.
		Arguments json.RawMessage `json:"arguments"`
	}
	if err := json.Unmarshal(resp.Body, &answer); err != nil || answer.Result == nil {
		return nil, c.opts.HTTP.Foreign(ctx, resp)
	}
	if *answer.Result != "success" {
		return nil, &Error{Method: method, Result: *answer.Result}
	}
	return answer.Arguments, nil
}

// refusal explains an answer without a result.
func (c *Client) refusal(ctx context.Context, resp *daemonhttp.Response) error {
	id := resp.Header.Get(sessionHeader)
	switch {
	case resp.Status == http.StatusConflict && id != "":
		return &staleError{id}
	case resp.Status == http.StatusUnauthorized && (c.opts.Username != "" || c.opts.Password != ""):
		return errs.New(errs.DownloaderAuthFailed, "Transmission refuses the user name and the password.").
			WithHint("Correct them in the downloader's settings. haul tries again less and less often, as Transmission locks everybody out after 100 wrong tries.")
	case resp.Status == http.StatusUnauthorized && isTransmission(resp):
		return errs.New(errs.DownloaderAuthFailed, "Transmission wants a user name and a password.")
	case resp.Status == http.StatusForbidden && strings.Contains(string(resp.Body), "unsuccessful login"):
		return errs.New(errs.DownloaderAuthFailed, "Transmission lets nobody in any more, after too many wrong passwords.").
			WithHint("Start transmission-daemon again, after the password in the downloader's settings is right.")
	case resp.Status == http.StatusForbidden && isTransmission(resp):
		return errs.New(errs.DownloaderAuthFailed, "Transmission does not let this machine in: its address is not in the whitelist.").
			WithHint("Add this machine's address to rpc-whitelist in Transmission's settings.json, or switch rpc-whitelist-enabled off.")
	case resp.Status == http.StatusMisdirectedRequest:
		return errs.New(errs.DownloaderAuthFailed, "Transmission does not answer to the host name in its address.").
			WithHint("Add that name to rpc-host-whitelist in Transmission's settings.json, set a password there, or give the IP address.")
	}
	return c.opts.HTTP.Foreign(ctx, resp)
}

func isTransmission(resp *daemonhttp.Response) bool {
	return strings.Contains(resp.Header.Get("Server"), "Transmission") ||
		strings.Contains(resp.Header.Get("WWW-Authenticate"), "Transmission")
}

func decode(method string, raw json.RawMessage, out any) error {
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(raw, out); err != nil {
		return errs.Wrap(fmt.Errorf("decode %s: %w", method, err), errs.DownloaderError, "Transmission gave an answer that haul does not understand.")
	}
	return nil
}
