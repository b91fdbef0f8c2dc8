package rest

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/haul-dl/haul/sdk/errs"
)

// noRoute is the route of a path that does not exist, so that the number of
// time series does not grow with what callers make up.
const noRoute = "none"

// observer measures and logs every request, and survives panics.
type observer struct {
	next     http.Handler
	log      hclog.Logger
	duration *prometheus.HistogramVec
}

func newObserver(next http.Handler, log hclog.Logger, reg prometheus.Registerer) (*observer, error) {
	duration := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "haul_http_request_duration_seconds",
		Help:    "How long requests took, from the request's head to the end of the answer.",
		Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
	}, []string{"route", "method", "code"})
	if reg != nil {
		if err := reg.Register(duration); err != nil {
			return nil, fmt.Errorf("rest: register metrics: %w", err)
		}
	}
	return &observer{next: next, log: log, duration: duration}, nil
}

// ServeHTTP implements http.Handler.
func (o *observer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	rec := &recorder{ResponseWriter: w, route: noRoute}
	defer func() {
		if reason := recover(); reason != nil {
			o.answerPanic(rec, r, reason)
		}
		o.note(rec, r, time.Since(start))
	}()
	w.Header().Set("X-Content-Type-Options", "nosniff")
	o.next.ServeHTTP(rec, r)
}

// answerPanic answers 500 where it still can; else it breaks the connection,
// so that the caller does not take half an answer for a whole one.
func (o *observer) answerPanic(rec *recorder, r *http.Request, reason any) {
	if err, ok := reason.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(http.ErrAbortHandler)
	}
	o.log.Error("request panicked", "route", rec.route, "method", r.Method, "panic", fmt.Sprint(reason), "stack", string(debug.Stack()))
	if rec.status != 0 {
		panic(http.ErrAbortHandler)
	}
	err := errs.New(errs.Internal, "%s", errs.Internal.Title())
	writeProblem(rec, problemOf(err, statusOf(err)))
}

func (o *observer) note(rec *recorder, r *http.Request, took time.Duration) {
	if rec.status == 0 {
		rec.status = http.StatusOK
	}
	method := knownMethod(r.Method)
	o.duration.WithLabelValues(rec.route, method, strconv.Itoa(rec.status)).Observe(took.Seconds())
	if o.log.IsDebug() {
		o.log.Debug("request", "route", rec.route, "method", method, "status", rec.status, "bytes", rec.bytes, "took", took)
	}
}

// knownMethod bounds the values of the label.
func knownMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return method
	}
	return "other"
}

// recorder remembers what was answered.
type recorder struct {
	http.ResponseWriter
	route  string
	status int
	bytes  int64
}

// nameRoute tells the recorder which route answers.
func nameRoute(w http.ResponseWriter, path string) {
	if rec, ok := w.(*recorder); ok {
		rec.route = path
	}
}

func routeOf(w http.ResponseWriter) string {
	if rec, ok := w.(*recorder); ok {
		return rec.route
	}
	return noRoute
}

// WriteHeader implements http.ResponseWriter.
func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

// Write implements io.Writer.
func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	n, err := r.ResponseWriter.Write(b)
	r.bytes += int64(n)
	return n, err
}

// ReadFrom implements io.ReaderFrom, so that files go out without a copy.
func (r *recorder) ReadFrom(src io.Reader) (int64, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	n, err := io.Copy(r.ResponseWriter, src)
	r.bytes += n
	return n, err
}

// Unwrap serves http.ResponseController.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
