package aria2rpc

import (
	"errors"
	"fmt"
	"strings"

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
