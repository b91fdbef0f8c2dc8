package client

import (
	"context"

	"github.com/haul-dl/haul/api/apigen"
)

// ListUsers returns a part of the list of users.
func (c *Client) ListUsers(ctx context.Context, cursor string) (*UserList, error) {
	limit := 1000
	params := &apigen.ListUsersParams{Limit: &limit}
	if cursor != "" {
		params.Cursor = &cursor
	}
	r, err := c.raw.ListUsersWithResponse(ctx, params)
	if err != nil {
		return nil, c.failed(err)
	}
	return result(c, r.JSON200, r.HTTPResponse, r.Body)
}

// User shows a user by its id or name.
func (c *Client) User(ctx context.Context, idOrName string) (*User, error) {
	r, err := c.raw.GetUserWithResponse(ctx, idOrName)
	if err != nil {
		return nil, c.failed(err)
	}
	return result(c, r.JSON200, r.HTTPResponse, r.Body)
}

// CreateUser adds a user.
func (c *Client) CreateUser(ctx context.Context, req CreateUserRequest) (*User, error) {
	r, err := c.raw.CreateUserWithResponse(ctx, req)
	if err != nil {
		return nil, c.failed(err)
	}
	return result(c, r.JSON201, r.HTTPResponse, r.Body)
}

// UpdateUser changes a user; nil fields stay.
func (c *Client) UpdateUser(ctx context.Context, idOrName string, req UpdateUserRequest) (*User, error) {
	r, err := c.raw.UpdateUserWithResponse(ctx, idOrName, req)
	if err != nil {
		return nil, c.failed(err)
	}
	return result(c, r.JSON200, r.HTTPResponse, r.Body)
}

// DeleteUser removes a user.
func (c *Client) DeleteUser(ctx context.Context, idOrName string) error {
	r, err := c.raw.DeleteUserWithResponse(ctx, idOrName)
	if err != nil {
		return c.failed(err)
	}
	return c.done(r.HTTPResponse, r.Body)
}
