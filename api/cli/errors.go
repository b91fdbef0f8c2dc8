package cli

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/haul-dl/haul/sdk/errs"
)

// The exit codes.
const (
	exitOK         = 0
	exitFailed     = 1
	exitUsage      = 2
	exitNotFound   = 3
	exitNotAllowed = 4
)

// usageError is a command line that makes no sense.
type usageError struct{ err error }

// Error says what does not.
func (e usageError) Error() string { return e.err.Error() }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// ExitCode returns what the process shall end with after an error, or nil: 0
// ok, 1 failed, 2 usage, 3 not found, 4 not allowed.
func ExitCode(err error) int {
	if err == nil {
		return exitOK
	}
	if isUsage(err) {
		return exitUsage
	}
	switch errs.KindOf(err) {
	case errs.KindNotFound:
		return exitNotFound
	case errs.KindUnauthenticated, errs.KindForbidden:
		return exitNotAllowed
	}
	return exitFailed
}

func isUsage(err error) bool {
	if _, ok := errors.AsType[usageError](err); ok {
		return true
	}
	// The root command, which is not ours, has no better way to say it.
	return strings.HasPrefix(err.Error(), "unknown command ") || strings.HasPrefix(err.Error(), "unknown flag") ||
		strings.HasPrefix(err.Error(), "unknown shorthand flag")
}

// PrintError shows an error to a person: what happened, what to do about it,
// and the code to look up.
func PrintError(w io.Writer, err error) {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range joined.Unwrap() {
			PrintError(w, e)
		}
		return
	}
	e, ok := errors.AsType[*errs.Error](err)
	if !ok {
		_, _ = fmt.Fprintf(w, "haul: %s\n", clean(err.Error()))
		if isUsage(err) {
			_, _ = fmt.Fprintln(w, "hint: haul --help lists the commands, haul COMMAND --help what one takes.")
		}
		return
	}
	_, _ = fmt.Fprintf(w, "haul: %s\n", clean(errs.MessageOf(err)))
	for _, f := range e.Fields {
		if line := f.Name + " " + f.Message; !strings.Contains(errs.MessageOf(err), line) && f.Message != errs.MessageOf(err) {
			_, _ = fmt.Fprintf(w, "  %s\n", clean(line))
		}
	}
	if hint := errs.HintOf(err); hint != "" {
		_, _ = fmt.Fprintf(w, "hint: %s\n", clean(hint))
	}
	_, _ = fmt.Fprintf(w, "(%s)\n", clean(string(e.Code)))
}
