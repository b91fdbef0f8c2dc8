package rest

import (
	"context"

	"github.com/haul-dl/haul/api/apigen"
	"github.com/haul-dl/haul/core"
)

// ListDownloaders lists downloaders.
func (s *server) ListDownloaders(ctx context.Context, r apigen.ListDownloadersRequestObject) (apigen.ListDownloadersResponseObject, error) {
	page, err := s.Downloaders.List(ctx, value(r.Params.Limit), value(r.Params.Cursor))
	if err != nil {
		return nil, err
	}
	items := make([]apigen.Downloader, len(page.Items))
	for i := range page.Items {
		items[i] = downloaderOf(&page.Items[i])
	}
	return apigen.ListDownloaders200JSONResponse{Items: items, NextCursor: optional(page.NextCursor)}, nil
}

// CreateDownloader adds a downloader.
func (s *server) CreateDownloader(ctx context.Context, r apigen.CreateDownloaderRequestObject) (apigen.CreateDownloaderResponseObject, error) {
	b := r.Body
	view, err := s.Downloaders.Create(ctx, &core.DownloaderChange{
		Name: &b.Name, Node: b.Node, Plugin: &b.Plugin, Enabled: b.Enabled, Settings: value(b.Settings),
		Options: value(b.Options), PathMap: pathMap(b.PathMap), Seed: seedChange(b.Seed),
		MaxActive: b.MaxActive, Weight: b.Weight, PollInterval: b.PollInterval,
	})
	if err != nil {
		return nil, err
	}
	return apigen.CreateDownloader201JSONResponse{DownloaderJSONResponse: apigen.DownloaderJSONResponse(downloaderOf(view))}, nil
}

// GetDownloader shows a downloader.
func (s *server) GetDownloader(ctx context.Context, r apigen.GetDownloaderRequestObject) (apigen.GetDownloaderResponseObject, error) {
	view, err := s.Downloaders.Get(ctx, r.ID)
	if err != nil {
		return nil, err
	}
	return apigen.GetDownloader200JSONResponse{DownloaderJSONResponse: apigen.DownloaderJSONResponse(downloaderOf(view))}, nil
}

// UpdateDownloader changes a downloader.
func (s *server) UpdateDownloader(ctx context.Context, r apigen.UpdateDownloaderRequestObject) (apigen.UpdateDownloaderResponseObject, error) {
	b := r.Body
	view, err := s.Downloaders.Update(ctx, r.ID, &core.DownloaderChange{
		Name: b.Name, Node: b.Node, Plugin: b.Plugin, Enabled: b.Enabled, Settings: value(b.Settings),
		Options: value(b.Options), PathMap: pathMap(b.PathMap), Seed: seedChange(b.Seed),
		MaxActive: b.MaxActive, Weight: b.Weight, PollInterval: b.PollInterval,
	})
	if err != nil {
		return nil, err
	}
	return apigen.UpdateDownloader200JSONResponse{DownloaderJSONResponse: apigen.DownloaderJSONResponse(downloaderOf(view))}, nil
}

// DeleteDownloader removes a downloader.
func (s *server) DeleteDownloader(ctx context.Context, r apigen.DeleteDownloaderRequestObject) (apigen.DeleteDownloaderResponseObject, error) {
	if err := s.Downloaders.Delete(ctx, r.ID); err != nil {
		return nil, err
	}
	return apigen.DeleteDownloader204Response{}, nil
}

// TestDownloader tries out a stored downloader.
func (s *server) TestDownloader(ctx context.Context, r apigen.TestDownloaderRequestObject) (apigen.TestDownloaderResponseObject, error) {
	result, err := s.Downloaders.Test(ctx, r.ID)
	if err != nil {
		return nil, err
	}
	return apigen.TestDownloader200JSONResponse{TestResultJSONResponse: testOf(result)}, nil
}

// TestUnsavedDownloader tries out a downloader before it is stored.
func (s *server) TestUnsavedDownloader(ctx context.Context, r apigen.TestUnsavedDownloaderRequestObject) (apigen.TestUnsavedDownloaderResponseObject, error) {
	b := r.Body
	result, err := s.Downloaders.TestUnsaved(ctx, &core.DownloaderChange{
		Name: b.Name, Node: b.Node, Plugin: &b.Plugin, Settings: value(b.Settings), PathMap: pathMap(b.PathMap),
	})
	if err != nil {
		return nil, err
	}
	return apigen.TestUnsavedDownloader200JSONResponse{TestResultJSONResponse: testOf(result)}, nil
}

// ListPlugins lists the plugins that the nodes have found.
func (s *server) ListPlugins(ctx context.Context, _ apigen.ListPluginsRequestObject) (apigen.ListPluginsResponseObject, error) {
	views, err := s.Downloaders.Plugins(ctx)
	if err != nil {
		return nil, err
	}
	return apigen.ListPlugins200JSONResponse{PluginListJSONResponse: pluginsOf(views)}, nil
}

// RescanPlugins looks for plugins again.
func (s *server) RescanPlugins(ctx context.Context, _ apigen.RescanPluginsRequestObject) (apigen.RescanPluginsResponseObject, error) {
	views, err := s.Downloaders.Rescan(ctx)
	if err != nil {
		return nil, err
	}
	return apigen.RescanPlugins200JSONResponse{PluginListJSONResponse: pluginsOf(views)}, nil
}
