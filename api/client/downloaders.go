package client

import (
	"context"

	"github.com/haul-dl/haul/api/apigen"
)

// ListDownloaders returns a part of the list of downloaders.
func (c *Client) ListDownloaders(ctx context.Context, cursor string) (*DownloaderList, error) {
	limit := 1000
	params := &apigen.ListDownloadersParams{Limit: &limit}
	if cursor != "" {
		params.Cursor = &cursor
	}
	r, err := c.raw.ListDownloadersWithResponse(ctx, params)
	if err != nil {
		return nil, c.failed(err)
	}
	return result(c, r.JSON200, r.HTTPResponse, r.Body)
}

// Downloader shows a downloader by its id or name.
func (c *Client) Downloader(ctx context.Context, idOrName string) (*Downloader, error) {
	r, err := c.raw.GetDownloaderWithResponse(ctx, idOrName)
	if err != nil {
		return nil, c.failed(err)
	}
	return result(c, r.JSON200, r.HTTPResponse, r.Body)
}

// CreateDownloader adds a downloader.
func (c *Client) CreateDownloader(ctx context.Context, req CreateDownloaderRequest) (*Downloader, error) {
	r, err := c.raw.CreateDownloaderWithResponse(ctx, req)
	if err != nil {
		return nil, c.failed(err)
	}
	return result(c, r.JSON201, r.HTTPResponse, r.Body)
}

// UpdateDownloader changes a downloader; nil fields stay.
func (c *Client) UpdateDownloader(ctx context.Context, idOrName string, req UpdateDownloaderRequest) (*Downloader, error) {
	r, err := c.raw.UpdateDownloaderWithResponse(ctx, idOrName, req)
	if err != nil {
		return nil, c.failed(err)
	}
	return result(c, r.JSON200, r.HTTPResponse, r.Body)
}

// DeleteDownloader removes a downloader.
func (c *Client) DeleteDownloader(ctx context.Context, idOrName string) error {
	r, err := c.raw.DeleteDownloaderWithResponse(ctx, idOrName)
	if err != nil {
		return c.failed(err)
	}
	return c.done(r.HTTPResponse, r.Body)
}

// TestDownloader tries out a stored downloader.
func (c *Client) TestDownloader(ctx context.Context, idOrName string) (*TestResult, error) {
	r, err := c.raw.TestDownloaderWithResponse(ctx, idOrName)
	if err != nil {
		return nil, c.failed(err)
	}
	return result(c, r.JSON200, r.HTTPResponse, r.Body)
}

// TestUnsavedDownloader tries out a downloader before it is stored.
func (c *Client) TestUnsavedDownloader(ctx context.Context, req TestDownloaderRequest) (*TestResult, error) {
	r, err := c.raw.TestUnsavedDownloaderWithResponse(ctx, req)
	if err != nil {
		return nil, c.failed(err)
	}
	return result(c, r.JSON200, r.HTTPResponse, r.Body)
}

// Plugins lists the plugins that the nodes have found.
func (c *Client) Plugins(ctx context.Context) (*PluginList, error) {
	r, err := c.raw.ListPluginsWithResponse(ctx)
	if err != nil {
		return nil, c.failed(err)
	}
	return result(c, r.JSON200, r.HTTPResponse, r.Body)
}

// RescanPlugins looks for plugins again.
func (c *Client) RescanPlugins(ctx context.Context) (*PluginList, error) {
	r, err := c.raw.RescanPluginsWithResponse(ctx)
	if err != nil {
		return nil, c.failed(err)
	}
	return result(c, r.JSON200, r.HTTPResponse, r.Body)
}
