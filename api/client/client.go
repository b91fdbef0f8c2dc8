package client

import (
	"cmp"
	"context"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/haul-dl/haul/api/client/internal/raw"
	"github.com/haul-dl/haul/sdk/errs"
)

const (
	dialTimeout = 10 * time.Second
	// answerTimeout is for the head of an answer. A test of a downloader may
	// take its time; a file may take as long as it likes once it has begun.
	answerTimeout = 90 * time.Second
)

// Options says which server to talk to, and as whom.
type Options struct {
	// URL is the server's, such as "http://127.0.0.1:7420".
	URL string
	// Token is sent with each request; empty for a login.
	Token string
	// HTTP sends the requests; nil means one with sensible deadlines.
	HTTP *http.Client
}

// Client talks to one server. It may be used concurrently.
//
// Its methods return *errs.Error: with the server's own code where the server
// answered, with errs.Unavailable where it did not.
type Client struct {
	url string
	raw *raw.ClientWithResponses
}

// New returns a client. It does not connect yet.
func New(o Options) (*Client, error) {
	base := strings.TrimRight(o.URL, "/")
	if u, err := url.Parse(base); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, errs.New(errs.InvalidRequest, "The server's address is not an http or https URL.").
			WithHint("Set it like http://127.0.0.1:7420.")
	}
	authorize := func(_ context.Context, r *http.Request) error {
		if o.Token != "" {
			r.Header.Set("Authorization", "Bearer "+o.Token)
		}
		return nil
	}
	sender := cmp.Or(o.HTTP, newHTTP())
	generated, err := raw.NewClientWithResponses(base, raw.WithHTTPClient(sender), raw.WithRequestEditorFn(authorize))
	if err != nil {
		return nil, errs.Wrap(err, errs.Internal, "The client cannot be made.")
	}
	return &Client{url: base, raw: generated}, nil
}

func newHTTP() *http.Client {
	return &http.Client{
		// A token belongs to one server: nothing leads it elsewhere.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			DialContext:           (&net.Dialer{Timeout: dialTimeout}).DialContext,
			TLSHandshakeTimeout:   dialTimeout,
			ResponseHeaderTimeout: answerTimeout,
			IdleConnTimeout:       answerTimeout,
			ForceAttemptHTTP2:     true,
		},
	}
}
