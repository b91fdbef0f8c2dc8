package worker

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"path"
	"time"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
	"github.com/haul-dl/haul/sdk/source"
)

// fetchTimeout bounds the download of one torrent or metalink file.
const fetchTimeout = 30 * time.Second

// fetcher loads torrent and metalink files, so that no daemon does by itself.
type fetcher struct {
	client *http.Client
	limit  int64
}

// FetchSource implements core.Session.
func (s *session) FetchSource(ctx context.Context, src core.TaskSource) (*core.FetchedSource, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.node.ctx, cancel)()
	return s.node.fetcher.fetch(ctx, src.Kind, src.URI)
}

// fetch learns what a source says of itself.
func (f *fetcher) fetch(ctx context.Context, kind downloader.SourceKind, uri string) (*core.FetchedSource, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	switch kind {
	case downloader.SourceHTTP:
		return f.look(ctx, uri)
	case downloader.SourceTorrent, downloader.SourceMetalink:
		content, err := f.get(ctx, uri)
		if err != nil {
			return nil, err
		}
		return checkContent(kind, content)
	case downloader.SourceFTP:
		_, name, err := source.ParseURL(uri)
		return &core.FetchedSource{Kind: kind, Name: name, Size: -1}, err
	}
	return nil, errs.New(errs.SourceNotSupported, "A source of kind %q cannot be asked what it is.", kind)
}

func (f *fetcher) get(ctx context.Context, uri string) ([]byte, error) {
	req, err := newRequest(ctx, http.MethodGet, uri)
	if err != nil {
		return nil, err
	}
	resp, err := f.client.Do(req)
	if err != nil {
		return nil, fetchError(err)
	}
	defer resp.Body.Close()
	if err := statusError(resp.StatusCode); err != nil {
		return nil, err
	}
	content, err := io.ReadAll(io.LimitReader(resp.Body, f.limit+1))
	if err != nil {
		return nil, fetchError(err)
	}
	if int64(len(content)) > f.limit {
		return nil, errs.New(errs.TorrentTooLarge, "The file is over the limit of %d bytes.", f.limit)
	}
	return content, nil
}

func statusError(status int) error {
	switch status {
	case http.StatusOK:
		return nil
	case http.StatusNotFound, http.StatusGone:
		return errs.New(errs.SourceNotFound, "The server answered with status %d.", status)
	case http.StatusUnauthorized, http.StatusForbidden:
		return errs.New(errs.SourceForbidden, "The server answered with status %d.", status)
	}
	return errs.New(errs.SourceServerError, "The server answered with status %d.", status)
}

func fetchError(err error) error {
	var netErr net.Error
	switch {
	case errors.Is(err, context.Canceled), isCoded(err):
		return err
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &netErr) && netErr.Timeout():
		return errs.Wrap(err, errs.SourceTimeout, "The source's server did not answer in time.")
	case isTLS(err):
		return errs.Wrap(err, errs.SourceTLS, "The source's server has no valid TLS certificate.")
	}
	return errs.Wrap(err, errs.SourceUnreachable, "The source's server cannot be reached.")
}

func isCoded(err error) bool {
	_, ok := errors.AsType[*errs.Error](err)
	return ok
}

func isTLS(err error) bool {
	var (
		verification *tls.CertificateVerificationError
		record       tls.RecordHeaderError
		authority    x509.UnknownAuthorityError
		hostname     x509.HostnameError
		invalid      x509.CertificateInvalidError
	)
	return errors.As(err, &verification) || errors.As(err, &record) || errors.As(err, &authority) ||
		errors.As(err, &hostname) || errors.As(err, &invalid)
}

func newRequest(ctx context.Context, method, uri string) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, method, uri, nil)
	if err != nil || req.URL.Scheme != "http" && req.URL.Scheme != "https" {
		return nil, errs.New(errs.SourceNotSupported, "That can be fetched from an http or https URL alone.").
			WithHint("Download the file and upload it.")
	}
	return req, nil
}

// checkContent reads a torrent or metalink file.
func checkContent(kind downloader.SourceKind, content []byte) (*core.FetchedSource, error) {
	out := &core.FetchedSource{Kind: kind, Size: -1, Content: content}
	if kind == downloader.SourceMetalink {
		m, err := source.ParseMetalink(content)
		if err != nil {
			return nil, err
		}
		if len(m.Files) == 1 {
			out.Name = path.Base(m.Files[0].Name)
		}
		return out, nil
	}
	t, err := source.ParseTorrent(content)
	if err != nil {
		return nil, err
	}
	out.Name, out.Size = t.Name, t.TotalBytes
	return out, nil
}

// maxRedirects is how often a source's server may send us elsewhere;
// idleConnections is how many connections are kept for a next request.
const (
	maxRedirects    = 10
	idleConnections = 8
)

// NewHTTPClient returns a client for Options.HTTPClient: it keeps no cookies,
// follows redirects to http and https alone, and waits for nobody long.
func NewHTTPClient() *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			DialContext:           (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
			TLSHandshakeTimeout:   10 * time.Second,
			ResponseHeaderTimeout: 20 * time.Second,
			IdleConnTimeout:       30 * time.Second,
			MaxIdleConns:          idleConnections,
			ForceAttemptHTTP2:     true,
		},
		CheckRedirect: func(req *http.Request, via []*http.Request) error {
			if len(via) >= maxRedirects {
				return errs.New(errs.SourceServerError, "The server redirects again and again.")
			}
			if req.URL.Scheme != "http" && req.URL.Scheme != "https" {
				return errs.New(errs.SourceNotSupported, "The server redirects to something that is not http or https.")
			}
			return nil
		},
	}
}
