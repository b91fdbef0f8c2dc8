package client

import (
	"context"

	"github.com/haul-dl/haul/api/apigen"
)

// ListGroups returns a part of the list of groups.
func (c *Client) ListGroups(ctx context.Context, cursor string) (*GroupList, error) {
	limit := 1000
	params := &apigen.ListGroupsParams{Limit: &limit}
	if cursor != "" {
		params.Cursor = &cursor
	}
	r, err := c.raw.ListGroupsWithResponse(ctx, params)
	if err != nil {
		return nil, c.failed(err)
	}
	return result(c, r.JSON200, r.HTTPResponse, r.Body)
}

// Group shows a group by its id or name.
func (c *Client) Group(ctx context.Context, idOrName string) (*Group, error) {
	r, err := c.raw.GetGroupWithResponse(ctx, idOrName)
	if err != nil {
		return nil, c.failed(err)
	}
	return result(c, r.JSON200, r.HTTPResponse, r.Body)
}

// CreateGroup adds a group.
func (c *Client) CreateGroup(ctx context.Context, req CreateGroupRequest) (*Group, error) {
	r, err := c.raw.CreateGroupWithResponse(ctx, req)
	if err != nil {
		return nil, c.failed(err)
	}
	return result(c, r.JSON201, r.HTTPResponse, r.Body)
}

// UpdateGroup changes a group; nil fields stay.
func (c *Client) UpdateGroup(ctx context.Context, idOrName string, req UpdateGroupRequest) (*Group, error) {
	r, err := c.raw.UpdateGroupWithResponse(ctx, idOrName, req)
	if err != nil {
		return nil, c.failed(err)
	}
	return result(c, r.JSON200, r.HTTPResponse, r.Body)
}

// DeleteGroup removes a group.
func (c *Client) DeleteGroup(ctx context.Context, idOrName string) error {
	r, err := c.raw.DeleteGroupWithResponse(ctx, idOrName)
	if err != nil {
		return c.failed(err)
	}
	return c.done(r.HTTPResponse, r.Body)
}
