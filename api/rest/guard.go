package rest

import (
	"context"
	"net"
	"net/http"
	"strings"

	"github.com/haul-dl/haul/api/internal/contract"
	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/sdk/errs"
)

// guard lets through to a route what carries a token and keeps to the API
// description.
func (s *server) guard(route route, op *contract.Operation) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		nameRoute(w, route.path)
		ctx, err := s.admit(r, route.access)
		if err != nil {
			s.fail(w, r, err)
			return
		}
		r = r.WithContext(ctx)
		if err := op.CheckQuery(r.URL.RawQuery); err != nil {
			s.fail(w, r, err)
			return
		}
		if err := op.CheckHeaders(r.Header); err != nil {
			s.fail(w, r, err)
			return
		}
		release, err := s.readBody(w, r, op)
		if err != nil {
			s.fail(w, r, err)
			return
		}
		defer release()
		route.handle(w, r)
	})
}

// admit returns the context that the services learn the caller from.
func (s *server) admit(r *http.Request, a access) (context.Context, error) {
	ctx := r.Context()
	if a == public {
		return context.WithValue(ctx, remoteKey{}, r.RemoteAddr), nil
	}
	secret, ok := bearer(r.Header.Get("Authorization"))
	if !ok {
		return nil, errs.New(errs.Unauthenticated, "The request carries no token.")
	}
	id, err := s.Users.Authenticate(ctx, secret)
	if err != nil {
		return nil, err
	}
	ctx = core.WithIdentity(ctx, id)
	if p := a.permission(); p != "" {
		if _, err := core.Require(ctx, p); err != nil {
			return nil, err
		}
	}
	return ctx, nil
}

func bearer(header string) (string, bool) {
	scheme, secret, ok := strings.Cut(header, " ")
	secret = strings.TrimSpace(secret)
	return secret, ok && secret != "" && strings.EqualFold(scheme, "Bearer")
}

type remoteKey struct{}

// remoteFrom returns the caller's address without its port; public routes
// alone have it.
func remoteFrom(ctx context.Context) string {
	addr, _ := ctx.Value(remoteKey{}).(string)
	if host, _, err := net.SplitHostPort(addr); err == nil {
		return host
	}
	return addr
}
