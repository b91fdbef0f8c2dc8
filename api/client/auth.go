package client

import (
	"context"

	"github.com/haul-dl/haul/api/apigen"
)

// Login exchanges a password for a token.
func (c *Client) Login(ctx context.Context, username, password string) (*LoginAnswer, error) {
	r, err := c.raw.LoginWithResponse(ctx, apigen.LoginRequest{Username: username, Password: password})
	if err != nil {
		return nil, c.failed(err)
	}
	return result(c, r.JSON200, r.HTTPResponse, r.Body)
}

// Logout ends the client's token.
func (c *Client) Logout(ctx context.Context) error {
	r, err := c.raw.LogoutWithResponse(ctx)
	if err != nil {
		return c.failed(err)
	}
	return c.done(r.HTTPResponse, r.Body)
}

// Me tells who the client's token belongs to.
func (c *Client) Me(ctx context.Context) (*Me, error) {
	r, err := c.raw.GetMeWithResponse(ctx)
	if err != nil {
		return nil, c.failed(err)
	}
	return result(c, r.JSON200, r.HTTPResponse, r.Body)
}

// ChangePassword changes the caller's own password and ends their tokens.
func (c *Client) ChangePassword(ctx context.Context, present, password string) error {
	r, err := c.raw.UpdateMeWithResponse(ctx, apigen.UpdateMeRequest{CurrentPassword: present, Password: password})
	if err != nil {
		return c.failed(err)
	}
	return c.done(r.HTTPResponse, r.Body)
}
