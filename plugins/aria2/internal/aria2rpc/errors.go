package aria2rpc

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"syscall"

	"github.com/haul-dl/haul/sdk/errs"
)

// Error is what aria2 says when a method fails. Its codes are nearly always 1:
// only the message tells failures apart.
type Error struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

// Error returns aria2's words.
func (e *Error) Error() string { return fmt.Sprintf("aria2: %s (code %d)", e.Message, e.Code) }

// IsNotFound reports whether aria2 says that it has no download of that gid.
func IsNotFound(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && (strings.HasSuffix(e.Message, "is not found") ||
		strings.HasPrefix(e.Message, "Active Download not found") ||
		strings.HasPrefix(e.Message, "Could not remove download result"))
}

func (e *Error) unauthorized() bool { return e.Message == "Unauthorized" }

func authFailed(cause error) error {
	return errs.Wrap(cause, errs.DownloaderAuthFailed, "aria2 refuses the secret.").
		WithHint("Set the downloader's secret to the rpc-secret of that aria2.")
}

// TooLargeError reports a call that is bigger than the daemon takes.
type TooLargeError struct {
	// Size and Limit are in bytes; Limit is the daemon's rpc-max-request-size.
	Size, Limit int
}

// Error returns both sizes.
func (e *TooLargeError) Error() string {
	return fmt.Sprintf("a request of %d bytes is over aria2's rpc-max-request-size of %d", e.Size, e.Limit)
}

// errLost marks a connection that ended before the answer came.
var errLost = errors.New("the connection was lost")

// connectError puts a failure to reach host into the words that its cause deserves.
func connectError(err error, host string) error {
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return errs.Wrap(err, errs.DownloaderUnreachable, "Nothing listens at %s (connection refused).", host).
			WithHint("Start aria2 with --enable-rpc, and check the port; from another machine it also needs --rpc-listen-all.")
	case isTimeout(err):
		return errs.Wrap(err, errs.DownloaderUnreachable, "Nothing answers at %s in time.", host).
			WithHint("Check the host and the port, and that no firewall is in between.")
	case isDNS(err):
		return errs.Wrap(err, errs.DownloaderUnreachable, "The host name in %s is not known.", host)
	case isCertificate(err):
		return errs.Wrap(err, errs.DownloaderUnreachable, "The TLS certificate at %s is not trusted.", host).
			WithHint("Use a certificate that this machine trusts and that is made for this host name.")
	case isPlainHTTP(err):
		return errs.Wrap(err, errs.NotADownloader, "The server at %s does not speak TLS.", host).
			WithHint("Write http:// in place of https:// in the address.")
	case isNotHTTP(err):
		return errs.Wrap(err, errs.NotADownloader, "The server at %s does not speak HTTP.", host)
	}
	return errs.Wrap(err, errs.DownloaderUnreachable, "aria2 at %s cannot be reached.", host)
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
