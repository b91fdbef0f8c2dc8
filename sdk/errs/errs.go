// Package errs is the error type that crosses every process boundary of haul:
// plugin, node, server and client all speak of a failure by the same code.
package errs

import (
	"errors"
	"fmt"
)

// Kind is the coarse class of an error. Each boundary maps it to its own
// status (gRPC in sdk/wire, HTTP in api/rest).
type Kind string

// The kinds. KindInternal is what an error without a kind counts as.
const (
	KindInvalid         Kind = "invalid"         // the request is wrong and stays wrong
	KindUnauthenticated Kind = "unauthenticated" // nobody proved who they are
	KindForbidden       Kind = "forbidden"       // known, but may not
	KindNotFound        Kind = "not_found"       // no such thing
	KindConflict        Kind = "conflict"        // right request, wrong state
	KindTooLarge        Kind = "too_large"       // over a size limit
	KindUnsupported     Kind = "unsupported"     // not offered here
	KindExhausted       Kind = "exhausted"       // a quota, a disk or a rate is used up
	KindUnavailable     Kind = "unavailable"     // may work later
	KindCanceled        Kind = "canceled"        // the caller gave up, or its deadline passed
	KindInternal        Kind = "internal"        // a bug or a broken machine
)

// Code is a stable, documented name for one trouble, such as
// "downloader_unreachable". docs/errors.md explains each.
type Code string

// Error is a failure with a code. The zero Op, Hint and Err are fine.
type Error struct {
	Code Code
	// Kind is the class; empty means the code's own (see Code.Kind).
	Kind Kind
	// Op is what was being done, for logs: "add", "open database".
	Op string
	// Msg is for the user: a sentence without secrets.
	Msg string
	// Hint is what the user can do; empty means the code's own.
	Hint string
	// Retryable overrides the code's own answer when not nil.
	Retryable *bool
	// Fields names what is wrong with single fields of a request.
	Fields []Field
	// Err is the cause, for logs.
	Err error
}

// Field says what is wrong with one field of a request.
type Field struct {
	// Name is the path of the field, such as "sources[0].uri".
	Name string
	// Message is for the user.
	Message string
}

// Error returns the operation, the message (or the code) and the cause.
func (e *Error) Error() string {
	msg := e.Msg
	if msg == "" {
		msg = string(e.Code)
	}
	if e.Op != "" {
		msg = e.Op + ": " + msg
	}
	if e.Err != nil {
		msg += ": " + e.Err.Error()
	}
	return msg
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// New returns an error with a code and a message for the user.
func New(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Msg: fmt.Sprintf(format, args...)}
}

// Wrap returns an error with a code, a message for the user, and a cause that
// is for logs alone.
func Wrap(err error, code Code, format string, args ...any) *Error {
	return &Error{Code: code, Msg: fmt.Sprintf(format, args...), Err: err}
}

// WithHint returns e with another hint than its code's own.
func (e *Error) WithHint(format string, args ...any) *Error {
	c := *e
	c.Hint = fmt.Sprintf(format, args...)
	return &c
}

// WithField returns e with one more field that is wrong.
func (e *Error) WithField(name, message string) *Error {
	c := *e
	c.Fields = append(append([]Field(nil), e.Fields...), Field{Name: name, Message: message})
	return &c
}

// CodeOf returns the code of the first *Error in err's chain, Internal for an
// error without one, and "" for nil.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*Error](err); ok && e.Code != "" {
		return e.Code
	}
	return Internal
}

// Is reports whether err carries the code.
func Is(err error, code Code) bool { return err != nil && CodeOf(err) == code }

// KindOf returns the class of err; KindInternal for an error without a code.
func KindOf(err error) Kind {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		return KindInternal
	}
	if e.Kind != "" {
		return e.Kind
	}
	return e.Code.Kind()
}

// MessageOf returns what the user may read of err: the message of the first
// *Error, or a neutral sentence, since other errors may hold paths or secrets.
func MessageOf(err error) string {
	if e, ok := errors.AsType[*Error](err); ok {
		if e.Msg != "" {
			return e.Msg
		}
		return e.Code.Title()
	}
	return Internal.Title()
}

// HintOf returns what the user can do about err.
func HintOf(err error) string {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		return Internal.Hint()
	}
	if e.Hint != "" {
		return e.Hint
	}
	return e.Code.Hint()
}

// IsRetryable reports whether the same request may succeed later without
// anybody changing it.
func IsRetryable(err error) bool {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		return false
	}
	if e.Retryable != nil {
		return *e.Retryable
	}
	return e.Code.Retryable()
}
