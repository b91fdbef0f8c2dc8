package qbittorrentrpc

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/haul-dl/haul/sdk/daemonhttp"
	"github.com/haul-dl/haul/sdk/errs"
)

// logIn opens a session: it logs in where there are credentials, and asks for
// the versions.
func (c *Client) logIn(ctx context.Context) (*Session, error) {
	s := &Session{cookies: map[string]string{}}
	if c.username != "" || c.password != "" {
		if err := c.presentPassword(ctx, s); err != nil {
			return nil, err
		}
	}
	if err := c.greet(ctx, s); err != nil {
		return nil, err
	}
	s.greeted = true
	return s, nil
}

func (c *Client) presentPassword(ctx context.Context, s *Session) error {
	form := url.Values{"username": {c.username}, "password": {c.password}}
	resp, err := c.send(ctx, s, c.post("auth/login", form))
	if err != nil {
		return err
	}
	body := strings.TrimSpace(string(resp.Body))
	switch {
	case resp.Status == http.StatusNoContent && body == "", resp.Status == http.StatusOK && body == "Ok.":
		return nil
	case resp.Status == http.StatusOK && body == "Fails.":
		return c.remember(errWrongPassword(), true)
	case resp.Status == http.StatusForbidden && !isPage(resp):
		return c.remember(errBanned(), false)
	case resp.Status == http.StatusUnauthorized:
		return c.unauthorized(ctx, s, resp)
	}
	return c.http.Foreign(ctx, resp)
}

// unauthorized tells a wrong password (from 5.2) from a request that qBittorrent
// does not take at all because of its Host header: the latter it says to every
// call.
func (c *Client) unauthorized(ctx context.Context, s *Session, login *daemonhttp.Response) error {
	resp, err := c.send(ctx, s, c.get("app/webapiVersion", nil))
	if err != nil {
		return err
	}
	switch {
	case isPage(resp), login.Header.Get("Www-Authenticate") != "":
		return c.http.Foreign(ctx, login)
	case resp.Status == http.StatusUnauthorized:
		return c.remember(errHost(), false)
	}
	return c.remember(errWrongPassword(), true)
}

func errWrongPassword() *errs.Error {
	return errs.New(errs.DownloaderAuthFailed, "qBittorrent refuses the user name or the password.").
		WithHint("Correct them in the downloader's settings: they are those of the Web UI.")
}

func errBanned() *errs.Error {
	return errs.New(errs.DownloaderAuthFailed, "qBittorrent has banned this machine after too many wrong passwords.").
		WithHint("Correct the user name and the password, then restart qBittorrent, or wait until the ban ends (an hour, unless it is set otherwise).")
}

func errHost() *errs.Error {
	return errs.New(errs.DownloaderAuthFailed, "qBittorrent refuses the host name or the port of the address.").
		WithHint("Use the port that its Web UI listens on, or let the proxy set the Host header to it; see the Web UI's \"Server domains\" and \"Host header validation\".")
}

// greet asks for the versions.
func (c *Client) greet(ctx context.Context, s *Session) error {
	api, err := c.ask(ctx, s, "app/webapiVersion")
	if err != nil {
		return err
	}
	var ok bool
	if s.API, ok = parseAPIVersion(api); !ok {
		return c.http.Foreign(ctx, &daemonhttp.Response{Status: http.StatusOK, Body: []byte(api)})
	}
	if s.Version, err = c.ask(ctx, s, "app/version"); err != nil {
		return err
	}
	s.Version = strings.TrimPrefix(s.Version, "v")
	return c.check(s)
}

// ask makes a call of a session that is not open yet.
func (c *Client) ask(ctx context.Context, s *Session, method string) (string, error) {
	resp, err := c.send(ctx, s, c.get(method, nil))
	if err != nil {
		return "", err
	}
	switch {
	case resp.Status == http.StatusOK && !isPage(resp):
		return strings.TrimSpace(string(resp.Body)), nil
	case resp.Status == http.StatusForbidden && !isPage(resp) && len(s.cookies) > 0:
		return "", c.remember(errForgets(), false)
	case resp.Status == http.StatusForbidden && !isPage(resp):
		return "", c.needsLogin()
	}
	return "", c.http.Foreign(ctx, resp)
}

func (c *Client) needsLogin() error {
	if c.username != "" || c.password != "" {
		return c.remember(errForgets(), false)
	}
	return errs.New(errs.DownloaderAuthFailed, "qBittorrent asks for a user name and a password.").
		WithHint("Give those of the Web UI in the downloader's settings.")
}

// isPage reports whether an answer is for people.
func isPage(resp *daemonhttp.Response) bool {
	return strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") || strings.HasPrefix(strings.TrimSpace(string(resp.Body[:min(len(resp.Body), 64)])), "<")
}
