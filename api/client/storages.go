package client

import (
	"context"

	"github.com/haul-dl/haul/api/apigen"
)

// ListStorages returns a part of the list of storages.
func (c *Client) ListStorages(ctx context.Context, cursor string) (*StorageList, error) {
	limit := 1000
	params := &apigen.ListStoragesParams{Limit: &limit}
	if cursor != "" {
		params.Cursor = &cursor
	}
	r, err := c.raw.ListStoragesWithResponse(ctx, params)
	if err != nil {
		return nil, c.failed(err)
	}
	return result(c, r.JSON200, r.HTTPResponse, r.Body)
}

// Storage shows a storage by its id or name.
func (c *Client) Storage(ctx context.Context, idOrName string) (*Storage, error) {
	r, err := c.raw.GetStorageWithResponse(ctx, idOrName)
	if err != nil {
		return nil, c.failed(err)
	}
	return result(c, r.JSON200, r.HTTPResponse, r.Body)
}

// CreateStorage adds a storage.
func (c *Client) CreateStorage(ctx context.Context, req CreateStorageRequest) (*Storage, error) {
	r, err := c.raw.CreateStorageWithResponse(ctx, req)
	if err != nil {
		return nil, c.failed(err)
	}
	return result(c, r.JSON201, r.HTTPResponse, r.Body)
}

// UpdateStorage changes a storage; nil fields stay.
func (c *Client) UpdateStorage(ctx context.Context, idOrName string, req UpdateStorageRequest) (*Storage, error) {
	r, err := c.raw.UpdateStorageWithResponse(ctx, idOrName, req)
	if err != nil {
		return nil, c.failed(err)
	}
	return result(c, r.JSON200, r.HTTPResponse, r.Body)
}

// DeleteStorage removes a storage.
func (c *Client) DeleteStorage(ctx context.Context, idOrName string) error {
	r, err := c.raw.DeleteStorageWithResponse(ctx, idOrName)
	if err != nil {
		return c.failed(err)
	}
	return c.done(r.HTTPResponse, r.Body)
}

// TestStorage tries out a stored storage.
func (c *Client) TestStorage(ctx context.Context, idOrName string) (*TestResult, error) {
	r, err := c.raw.TestStorageWithResponse(ctx, idOrName)
	if err != nil {
		return nil, c.failed(err)
	}
	return result(c, r.JSON200, r.HTTPResponse, r.Body)
}

// TestUnsavedStorage tries out a storage before it is stored.
func (c *Client) TestUnsavedStorage(ctx context.Context, req TestStorageRequest) (*TestResult, error) {
	r, err := c.raw.TestUnsavedStorageWithResponse(ctx, req)
	if err != nil {
		return nil, c.failed(err)
	}
	return result(c, r.JSON200, r.HTTPResponse, r.Body)
}
