package driver

import (
	"context"
	"errors"
	"io"
	iofs "io/fs"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"

	"github.com/rclone/rclone/fs"

	"github.com/haul-dl/haul/sdk/errs"
)

// maxQuote is how much of a storage's own words is shown.
const maxQuote = 300

// explain gives an error of rclone its code. What the storage said is a part of
// the message, without the secrets of the settings; all else is for the log.
func (d *Driver) explain(ctx context.Context, err error) error {
	if _, ok := errors.AsType[*errs.Error](err); ok {
		return err
	}
	if ended := ctx.Err(); ended != nil {
		return endOf(ended)
	}
	said, hidden := d.quote(gist(err)), errors.New(d.quote(err.Error()))
	switch code := codeOf(err); code {
	case errs.StorageUnreachable:
		return errs.Wrap(hidden, code, "The storage does not answer: %s", said)
	case errs.StorageAuthFailed:
		return errs.Wrap(hidden, code, "The storage refuses the credentials: %s", said)
	case errs.OutOfSpace:
		return errs.Wrap(hidden, code, "The storage is full: %s", said).WithHint("Free some space there, or raise its quota.")
	case errs.DestinationReadOnly:
		return errs.Wrap(hidden, code, "The storage refuses to be written: %s", said).
			WithHint("Give the storage's user the right to write there.")
	case errs.NameNotPossible:
		return errs.Wrap(hidden, code, "The storage cannot hold a file of that name: %s", said)
	case errs.DestinationExists:
		return errs.Wrap(hidden, code, "Something of that name exists in the storage: %s", said)
	case errs.InUse:
		return errs.Wrap(hidden, code, "It is not empty, or still in use: %s", said)
	default:
		if isMissing(err) || strings.Contains(strings.ToLower(err.Error()), "nosuchbucket") {
			return errs.Wrap(hidden, errs.StorageError, "The storage has no such bucket or folder: %s", said).
				WithHint("Make it, or correct the path in the storage's settings.")
		}
		return errs.Wrap(hidden, errs.StorageError, "The storage reported an error: %s", said)
	}
}

func endOf(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return errs.Wrap(err, errs.DeadlineExceeded, "The storage did not answer in time.")
	}
	return errs.Wrap(err, errs.Canceled, "The caller gave up.")
}

// gist returns what is at the bottom of an error. Users see it, and where the
// storage is and which requests the libraries make is none of their business.
func gist(err error) string {
	if answer, ok := errors.AsType[interface {
		error
		ErrorCode() string
		ErrorMessage() string
	}](err); ok { // of AWS's library
		return strings.TrimSuffix(answer.ErrorCode()+": "+answer.ErrorMessage(), ": ")
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return dns.Err
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Err != nil {
		return op.Err.Error()
	}
	if request, ok := errors.AsType[*url.Error](err); ok {
		return gist(request.Err)
	}
	return err.Error()
}

// quote returns words without secrets, on one line.
func (d *Driver) quote(text string) string {
	text = strings.Join(strings.Fields(d.redact.text(text)), " ")
	text = strings.ToValidUTF8(text, "?")
	if runes := []rune(text); len(runes) > maxQuote {
		text = string(runes[:maxQuote]) + "…"
	}
	return text
}

// codeOf returns the code of an error: by its type where it has one, else by
// the words that storages use.
func codeOf(err error) errs.Code {
	for _, s := range sentinels {
		if errors.Is(err, s.err) {
			return s.code
		}
	}
	text := strings.ToLower(err.Error())
	for _, w := range words {
		if strings.Contains(text, w.text) {
			return w.code
		}
	}
	if code := byStatus(err); code != "" {
		return code
	}
	if isNetwork(err) {
		return errs.StorageUnreachable
	}
	return errs.StorageError
}

var sentinels = []struct {
	err  error
	code errs.Code
}{
	{syscall.ENOSPC, errs.OutOfSpace},
	{syscall.EDQUOT, errs.OutOfSpace},
	{syscall.EROFS, errs.DestinationReadOnly},
	{syscall.ENAMETOOLONG, errs.NameNotPossible},
	{syscall.ECONNREFUSED, errs.StorageUnreachable},
	{syscall.ECONNRESET, errs.StorageUnreachable},
	{syscall.EPIPE, errs.StorageUnreachable},
	{fs.ErrorFileNameTooLong, errs.NameNotPossible},
	{fs.ErrorPermissionDenied, errs.DestinationReadOnly},
	{iofs.ErrPermission, errs.DestinationReadOnly},
	{fs.ErrorDirectoryNotEmpty, errs.InUse},
	{iofs.ErrExist, errs.DestinationExists},
	{io.ErrUnexpectedEOF, errs.StorageUnreachable},
	{io.ErrClosedPipe, errs.StorageUnreachable},
	{context.DeadlineExceeded, errs.StorageUnreachable}, // rclone's own, since the caller's was looked at
}

// words are what storages say, in the order in which they count. Most of
// rclone's backends have types of errors of their own, and only texts in common.
var words = []struct {
	text string
	code errs.Code
}{
	{"connection refused", errs.StorageUnreachable},
	{"no such host", errs.StorageUnreachable},
	{"i/o timeout", errs.StorageUnreachable},
	{"connection lost", errs.StorageUnreachable},
	{"connection reset", errs.StorageUnreachable},
	{"use of closed network connection", errs.StorageUnreachable},
	{"tls: ", errs.StorageUnreachable},
	{"x509: ", errs.StorageUnreachable},
	{"slowdown", errs.StorageUnreachable},
	{"serviceunavailable", errs.StorageUnreachable},
	{"knownhosts: ", errs.StorageAuthFailed},
	{"unable to authenticate", errs.StorageAuthFailed},
	{"xadminusernotfound", errs.StorageAuthFailed}, // versitygw
	{"signaturedoesnotmatch", errs.StorageAuthFailed},
	{"invalidaccesskeyid", errs.StorageAuthFailed},
	{"expiredtoken", errs.StorageAuthFailed},
	{"invalidtoken", errs.StorageAuthFailed},
	{"requesttimetooskewed", errs.StorageAuthFailed},
	{"invalid_grant", errs.StorageAuthFailed},
	{"invalid_client", errs.StorageAuthFailed},
	{"couldn't fetch token", errs.StorageAuthFailed},
	{"token expired", errs.StorageAuthFailed},
	{"empty token found", errs.StorageAuthFailed},
	{"logon is invalid", errs.StorageAuthFailed},
	{"logon failure", errs.StorageAuthFailed},
	{"530 ", errs.StorageAuthFailed}, // FTP: not logged in
	{"insufficient storage", errs.OutOfSpace},
	{"no space left", errs.OutOfSpace},
	{"disk is full", errs.OutOfSpace},
	{"disk full", errs.OutOfSpace},
	{"quotaexceeded", errs.OutOfSpace},
	{"quota exceeded", errs.OutOfSpace},
	{"storagequota", errs.OutOfSpace},
	{"quotalimitreached", errs.OutOfSpace},
	{"insufficient_space", errs.OutOfSpace},
	{"xminiostoragefull", errs.OutOfSpace},
	{"name too long", errs.NameNotPossible},
	{"keytoolong", errs.NameNotPossible},
	{"object name is invalid", errs.NameNotPossible},
	{"object name invalid", errs.NameNotPossible},
	{"malformed_path", errs.NameNotPossible},
	{"disallowed_name", errs.NameNotPossible},
	{"already exists", errs.DestinationExists},
	{"directory is not empty", errs.InUse},
	{"directory not empty", errs.InUse},
	{"sharing violation", errs.InUse},
	{"read-only file system", errs.DestinationReadOnly},
	{"permission denied", errs.DestinationReadOnly},
	{"accessdenied", errs.DestinationReadOnly},
	{"access is denied", errs.DestinationReadOnly},
	{"access denied", errs.DestinationReadOnly},
}

// byStatus goes by the status of an HTTP answer, which AWS's library and
// rclone's own backends carry in several ways, and rclone writes as "403 Forbidden".
func byStatus(err error) errs.Code {
	if answer, ok := errors.AsType[interface {
		error
		HTTPStatusCode() int
	}](err); ok {
		return codeOfStatus(answer.HTTPStatusCode())
	}
	text := err.Error()
	for _, status := range []int{
		http.StatusUnauthorized, http.StatusForbidden, http.StatusRequestURITooLong, http.StatusTooManyRequests,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout, http.StatusInsufficientStorage,
	} {
		if strings.Contains(text, http.StatusText(status)) {
			return codeOfStatus(status)
		}
	}
	return ""
}

func codeOfStatus(status int) errs.Code {
	switch status {
	case http.StatusUnauthorized:
		return errs.StorageAuthFailed
	case http.StatusForbidden:
		return errs.DestinationReadOnly
	case http.StatusRequestURITooLong:
		return errs.NameNotPossible
	case http.StatusInsufficientStorage:
		return errs.OutOfSpace
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return errs.StorageUnreachable
	}
	return ""
}

func isNetwork(err error) bool {
	_, ok := errors.AsType[net.Error](err)
	return ok || errors.Is(err, io.EOF)
}
