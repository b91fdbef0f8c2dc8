package client

import (
	"context"
	"encoding/json"
	"errors"
	"mime"
	"net/http"
	"net/url"

	"github.com/haul-dl/haul/api/apigen"
	"github.com/haul-dl/haul/sdk/errs"
)

// result returns what the server answered, or its problem.
func result[T any](c *Client, value *T, resp *http.Response, body []byte) (*T, error) {
	if value != nil {
		return value, nil
	}
	return nil, c.problem(resp, body)
}

// done checks an answer without content.
func (c *Client) done(resp *http.Response, body []byte) error {
	if resp.StatusCode == http.StatusNoContent {
		return nil
	}
	return c.problem(resp, body)
}

// problem turns an answer that is no success into an error.
func (c *Client) problem(resp *http.Response, body []byte) error {
	var p apigen.Problem
	media, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if media != "application/problem+json" || json.Unmarshal(body, &p) != nil || p.Code == "" {
		return errs.New(errs.Unavailable, "What answers at %s is not haul (HTTP status %d).", c.url, resp.StatusCode).
			WithHint("Check the server's address (HAUL_URL).")
	}
	e := &errs.Error{Code: errs.Code(p.Code), Kind: kindOf(errs.Code(p.Code), resp.StatusCode), Msg: p.Detail, Hint: p.Hint}
	if p.Errors != nil {
		for _, f := range *p.Errors {
			e = e.WithField(f.Field, f.Message)
		}
	}
	return e
}

// kindOf guesses the kind of a code that this version does not know.
func kindOf(code errs.Code, status int) errs.Kind {
	if kind := code.Kind(); kind != errs.KindInternal {
		return kind
	}
	switch status {
	case http.StatusBadRequest, http.StatusMethodNotAllowed, http.StatusUnsupportedMediaType:
		return errs.KindInvalid
	case http.StatusUnauthorized:
		return errs.KindUnauthenticated
	case http.StatusForbidden:
		return errs.KindForbidden
	case http.StatusNotFound:
		return errs.KindNotFound
	case http.StatusConflict:
		return errs.KindConflict
	case http.StatusRequestEntityTooLarge:
		return errs.KindTooLarge
	case http.StatusUnprocessableEntity:
		return errs.KindUnsupported
	case http.StatusTooManyRequests, http.StatusInsufficientStorage:
		return errs.KindExhausted
	case http.StatusServiceUnavailable:
		return errs.KindUnavailable
	}
	return errs.KindInternal
}

// failed says why there is no answer that could be read.
func (c *Client) failed(err error) error {
	var syntax *json.SyntaxError
	var mismatch *json.UnmarshalTypeError
	switch {
	case errors.Is(err, context.Canceled):
		return errs.Wrap(err, errs.Canceled, "The request was given up.")
	case errors.As(err, &syntax), errors.As(err, &mismatch):
		return errs.Wrap(err, errs.Unavailable, "The answer of %s is not one of haul.", c.url).
			WithHint("Check the server's address (HAUL_URL), and that client and server are of the same version.")
	}
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	return errs.Wrap(err, errs.Unavailable, "The server at %s cannot be reached.", c.url).
		WithHint("Check that haul serve runs, and the server's address (HAUL_URL): %v.", err)
}
