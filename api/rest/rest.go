// Package rest serves haul's REST API. It turns requests into calls of the
// services of package core and their answers into JSON; what a request may
// look like stands in api/openapi.yaml, who may do what is up to the services.
package rest

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"

	"github.com/gorilla/mux"
	"github.com/hashicorp/go-hclog"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/haul-dl/haul/api"
	"github.com/haul-dl/haul/api/apigen"
	"github.com/haul-dl/haul/api/internal/contract"
	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/sdk/errs"
)

// DefaultTorrentLimit is how many bytes an uploaded .torrent file may have.
const DefaultTorrentLimit = 10 << 20

// Options is what the API is made of. The services are needed.
type Options struct {
	Tasks       core.TaskService
	Users       core.UserService
	Accounts    core.AccountService
	Downloaders core.DownloaderService
	Storages    core.StorageService
	Ready       core.Readiness
	// Metrics answers /metrics; admins alone get there.
	Metrics http.Handler
	// Registerer takes the API's own metrics; nil drops them.
	Registerer prometheus.Registerer
	// Logger is where the API logs; nil drops it.
	Logger hclog.Logger
	// TorrentLimit is how many bytes an uploaded .torrent file may have; 0
	// means DefaultTorrentLimit.
	TorrentLimit int64
	// Version is that of haul.
	Version string
}

// server is what all handlers share.
type server struct {
	Options
	log hclog.Logger
	// uploadRequest is what the request part of an upload must be like.
	uploadRequest *contract.Schema
}

// New returns the handler of the whole API, from /healthz to /api/v1. It logs
// and answers what goes wrong, panics included.
func New(o Options) (http.Handler, error) {
	if o.Tasks == nil || o.Users == nil || o.Accounts == nil || o.Downloaders == nil || o.Storages == nil || o.Ready == nil || o.Metrics == nil {
		return nil, errors.New("rest: a service is missing in the options")
	}
	description, err := contract.Load(api.Spec)
	if err != nil {
		return nil, err
	}
	s := &server{Options: o, log: o.Logger, uploadRequest: uploadRequest(description)}
	if s.log == nil {
		s.log = hclog.NewNullLogger()
	}
	s.TorrentLimit = cmp.Or(o.TorrentLimit, DefaultTorrentLimit)
	router, err := s.router(description)
	if err != nil {
		return nil, err
	}
	return newObserver(router, s.log, o.Registerer)
}

func (s *server) router(description *contract.Contract) (http.Handler, error) {
	router := mux.NewRouter().SkipClean(true)
	table := s.routes()
	for _, route := range table {
		op := description.Operation(route.method, route.path)
		if op == nil {
			return nil, fmt.Errorf("rest: %s %s is not in the API description", route.method, route.path)
		}
		methods := []string{route.method}
		if route.method == http.MethodGet {
			methods = append(methods, http.MethodHead)
		}
		router.Handle(route.path, s.guard(route, op)).Methods(methods...)
	}
	router.NotFoundHandler = http.HandlerFunc(s.notFound)
	router.MethodNotAllowedHandler = s.methodNotAllowed(router)
	return router, nil
}

// uploadRequest finds the schema, which is that of the same request without files.
func uploadRequest(description *contract.Contract) *contract.Schema {
	return description.Operation(http.MethodPost, "/api/v1/tasks").Bodies[contract.JSON]
}

// generated returns the generated layer around the handlers.
func (s *server) generated() *apigen.ServerInterfaceWrapper {
	strict := apigen.NewStrictHandlerWithOptions(s, nil, apigen.StrictHTTPServerOptions{
		RequestErrorHandlerFunc:  s.refuse(errs.InvalidJSON),
		ResponseErrorHandlerFunc: s.fail,
	})
	return &apigen.ServerInterfaceWrapper{Handler: strict, ErrorHandlerFunc: s.refuse(errs.InvalidParameter)}
}

// refuse answers what the generated layer cannot read. That is rare: what the
// description refuses has been refused before.
func (s *server) refuse(code errs.Code) func(http.ResponseWriter, *http.Request, error) {
	return func(w http.ResponseWriter, r *http.Request, err error) {
		s.fail(w, r, errs.Wrap(err, code, "%s", code.Title()))
	}
}

func (s *server) notFound(w http.ResponseWriter, r *http.Request) {
	s.fail(w, r, errs.New(errs.NotFound, "There is no such path.").WithHint("See the API description: GET /api/v1/openapi.yaml."))
}

func (s *server) methodNotAllowed(router *mux.Router) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPatch, http.MethodDelete} {
			probe := *r
			probe.Method = method
			var match mux.RouteMatch
			if router.Match(&probe, &match) && match.MatchErr == nil {
				w.Header().Add("Allow", method)
			}
		}
		s.fail(w, r, errs.New(errs.MethodNotAllowed, "This path does not take that method."))
	})
}
