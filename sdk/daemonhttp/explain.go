package daemonhttp

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/url"
	"os"
	"strings"
	"syscall"

	"github.com/haul-dl/haul/sdk/errs"
)

// Explain puts a failure to talk to the daemon into the words that its cause
// deserves: errs.DownloaderUnreachable, errs.DownloaderTLS, errs.NotADownloader,
// or errs.Canceled where the caller gave up. Errors of package errs stay.
func (c *Client) Explain(ctx context.Context, err error) error {
	if _, ok := errors.AsType[*errs.Error](err); ok {
		return err
	}
	err = stripURL(err)
	host := c.url.Host
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return errs.Wrap(err, errs.Canceled, "The call was given up.")
	case errors.Is(err, syscall.ECONNREFUSED):
		return errs.Wrap(err, errs.DownloaderUnreachable, "Nothing listens at %s (connection refused).", host).
			WithHint("%s", c.daemon.StartHint)
	case isTimeout(err):
		return errs.Wrap(err, errs.DownloaderUnreachable, "Nothing answers at %s in time.", host).
			WithHint("Check the host and the port, that no firewall is in between, and that %s is not overloaded.", c.daemon.Name)
	case isDNS(err):
		return errs.Wrap(err, errs.DownloaderUnreachable, "The host name in %s is not known.", host)
	case isCertificate(err):
		return errs.Wrap(err, errs.DownloaderTLS, "The TLS certificate at %s is not trusted: %s.", host, certificateTrouble(err))
	case isAlert(err):
		return errs.Wrap(err, errs.DownloaderTLS, "The server at %s refuses the TLS connection.", host).
			WithHint("Its TLS may be older than 1.2, or it may want a certificate of its clients.")
	case isPlainHTTP(err):
		return errs.Wrap(err, errs.NotADownloader, "The server at %s does not speak TLS.", host).
			WithHint("Write http:// in place of https:// in the address.")
	case isNotHTTP(err):
		return errs.Wrap(err, errs.NotADownloader, "The server at %s does not speak HTTP.", host)
	}
	return errs.Wrap(err, errs.DownloaderUnreachable, "%s at %s cannot be reached.", c.daemon.Name, host)
}

func isTimeout(err error) bool {
	ne, ok := errors.AsType[net.Error](err)
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) || ok && ne.Timeout()
}

func isDNS(err error) bool {
	_, ok := errors.AsType[*net.DNSError](err)
	return ok
}

func isCertificate(err error) bool {
	_, ok := errors.AsType[*tls.CertificateVerificationError](err)
	return ok
}

// isAlert reports whether one side ended the handshake for a reason of its own.
func isAlert(err error) bool {
	if _, ok := errors.AsType[tls.AlertError](err); ok {
		return true
	}
	text := err.Error()
	return strings.Contains(text, "remote error: tls:") || strings.Contains(text, "tls: server selected unsupported protocol version")
}

func certificateTrouble(err error) string {
	e, ok := errors.AsType[*tls.CertificateVerificationError](err)
	if !ok {
		return "it is not valid"
	}
	return strings.TrimPrefix(e.Err.Error(), "x509: ")
}

func isPlainHTTP(err error) bool {
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return true
	}
	return strings.Contains(err.Error(), "server gave HTTP response to HTTPS client")
}

// isNotHTTP reports whether net/http could not make sense of the first line, or
// got one before it had asked for anything; it has no types for that.
func isNotHTTP(err error) bool {
	text := err.Error()
	return strings.Contains(text, "malformed HTTP") || strings.Contains(text, "readLoopPeekFailLocked")
}

// stripURL takes the URL out of a *url.Error: addresses do not belong in logs.
func stripURL(err error) error {
	if ue, ok := errors.AsType[*url.Error](err); ok {
		return ue.Err
	}
	return err
}
