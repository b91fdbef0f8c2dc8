package rest

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"github.com/haul-dl/haul/api/apigen"
	"github.com/haul-dl/haul/sdk/errs"
)

// statusClientGone says in logs and metrics that nobody waits for the answer.
const statusClientGone = 499

// statuses is the one table from what went wrong to an HTTP status.
var statuses = map[errs.Kind]int{
	errs.KindInvalid:         http.StatusBadRequest,
	errs.KindUnauthenticated: http.StatusUnauthorized,
	errs.KindForbidden:       http.StatusForbidden,
	errs.KindNotFound:        http.StatusNotFound,
	errs.KindConflict:        http.StatusConflict,
	errs.KindTooLarge:        http.StatusRequestEntityTooLarge,
	errs.KindUnsupported:     http.StatusUnprocessableEntity,
	errs.KindExhausted:       http.StatusTooManyRequests,
	errs.KindUnavailable:     http.StatusServiceUnavailable,
	errs.KindCanceled:        statusClientGone,
	errs.KindInternal:        http.StatusInternalServerError,
}

// exceptions are the codes for which HTTP has a better status than their kind's.
var exceptions = map[errs.Code]int{
	errs.UnsupportedMedia: http.StatusUnsupportedMediaType,
	errs.MethodNotAllowed: http.StatusMethodNotAllowed,
	errs.OutOfSpace:       http.StatusInsufficientStorage,
	errs.DeadlineExceeded: http.StatusServiceUnavailable,
	errs.PluginMissing:    http.StatusUnprocessableEntity, // the request names it; waiting does not help
}

func statusOf(err error) int {
	if status, ok := exceptions[errs.CodeOf(err)]; ok {
		return status
	}
	if status, ok := statuses[errs.KindOf(err)]; ok {
		return status
	}
	return http.StatusInternalServerError
}

// fail answers with a problem and logs what the caller must not see.
func (s *server) fail(w http.ResponseWriter, r *http.Request, err error) {
	err = withCode(err)
	status := statusOf(err)
	switch {
	case status == http.StatusInternalServerError:
		s.log.Error("request failed", "route", routeOf(w), "method", r.Method, "err", err)
	case s.log.IsDebug():
		s.log.Debug("request refused", "route", routeOf(w), "method", r.Method, "code", errs.CodeOf(err), "err", err)
	}
	writeProblem(w, problemOf(err, status))
}

// withCode gives the context's own errors their codes.
func withCode(err error) error {
	if _, ok := errors.AsType[*errs.Error](err); ok {
		return err
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return errs.Wrap(err, errs.DeadlineExceeded, "%s", errs.DeadlineExceeded.Title())
	case errors.Is(err, context.Canceled):
		return errs.Wrap(err, errs.Canceled, "%s", errs.Canceled.Title())
	}
	return err
}

func problemOf(err error, status int) *apigen.Problem {
	code := errs.CodeOf(err)
	p := &apigen.Problem{
		Status: status, Code: string(code), Title: code.Title(),
		Detail: errs.MessageOf(err), Hint: errs.HintOf(err),
	}
	if e, ok := errors.AsType[*errs.Error](err); ok && len(e.Fields) > 0 {
		fields := make([]apigen.FieldProblem, len(e.Fields))
		for i, f := range e.Fields {
			fields[i] = apigen.FieldProblem{Field: f.Name, Message: f.Message}
		}
		p.Errors = &fields
	}
	return p
}

func writeProblem(w http.ResponseWriter, p *apigen.Problem) {
	body, err := json.Marshal(p)
	if err != nil {
		body = nil // strings and numbers always marshal
	}
	h := w.Header()
	for _, name := range []string{"Content-Disposition", "Etag", "Last-Modified"} {
		h.Del(name)
	}
	if p.Status != http.StatusRequestedRangeNotSatisfiable { // there it says how long the file is
		h.Del("Content-Range")
	}
	h.Set("Content-Type", "application/problem+json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("Cache-Control", "no-store")
	if p.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="haul"`)
	}
	w.WriteHeader(p.Status)
	_, _ = w.Write(body) // the caller is gone when this fails
}
