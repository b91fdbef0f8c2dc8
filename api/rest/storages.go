package rest

import (
	"context"

	"github.com/haul-dl/haul/api/apigen"
	"github.com/haul-dl/haul/core"
)

// ListStorages lists storages.
func (s *server) ListStorages(ctx context.Context, r apigen.ListStoragesRequestObject) (apigen.ListStoragesResponseObject, error) {
	page, err := s.Storages.ListStorages(ctx, value(r.Params.Limit), value(r.Params.Cursor))
	if err != nil {
		return nil, err
	}
	items := make([]apigen.Storage, len(page.Items))
	for i := range page.Items {
		items[i] = storageOf(&page.Items[i])
	}
	return apigen.ListStorages200JSONResponse{Items: items, NextCursor: optional(page.NextCursor)}, nil
}

// CreateStorage adds a storage.
func (s *server) CreateStorage(ctx context.Context, r apigen.CreateStorageRequestObject) (apigen.CreateStorageResponseObject, error) {
	b := r.Body
	view, err := s.Storages.CreateStorage(ctx, &core.StorageChange{Name: &b.Name, Kind: &b.Kind, Settings: value(b.Settings)})
	if err != nil {
		return nil, err
	}
	return apigen.CreateStorage201JSONResponse{StorageJSONResponse: apigen.StorageJSONResponse(storageOf(view))}, nil
}

// GetStorage shows a storage.
func (s *server) GetStorage(ctx context.Context, r apigen.GetStorageRequestObject) (apigen.GetStorageResponseObject, error) {
	view, err := s.Storages.GetStorage(ctx, r.ID)
	if err != nil {
		return nil, err
	}
	return apigen.GetStorage200JSONResponse{StorageJSONResponse: apigen.StorageJSONResponse(storageOf(view))}, nil
}

// UpdateStorage changes a storage.
func (s *server) UpdateStorage(ctx context.Context, r apigen.UpdateStorageRequestObject) (apigen.UpdateStorageResponseObject, error) {
	view, err := s.Storages.UpdateStorage(ctx, r.ID, &core.StorageChange{Name: r.Body.Name, Kind: r.Body.Kind, Settings: value(r.Body.Settings)})
	if err != nil {
		return nil, err
	}
	return apigen.UpdateStorage200JSONResponse{StorageJSONResponse: apigen.StorageJSONResponse(storageOf(view))}, nil
}

// DeleteStorage removes a storage.
func (s *server) DeleteStorage(ctx context.Context, r apigen.DeleteStorageRequestObject) (apigen.DeleteStorageResponseObject, error) {
	if err := s.Storages.DeleteStorage(ctx, r.ID); err != nil {
		return nil, err
	}
	return apigen.DeleteStorage204Response{}, nil
}

// TestStorage tries out a stored storage.
func (s *server) TestStorage(ctx context.Context, r apigen.TestStorageRequestObject) (apigen.TestStorageResponseObject, error) {
	result, err := s.Storages.TestStorage(ctx, r.ID)
	if err != nil {
		return nil, err
	}
	return apigen.TestStorage200JSONResponse{TestResultJSONResponse: testOf(result)}, nil
}

// TestUnsavedStorage tries out a storage before it is stored.
func (s *server) TestUnsavedStorage(ctx context.Context, r apigen.TestUnsavedStorageRequestObject) (apigen.TestUnsavedStorageResponseObject, error) {
	b := r.Body
	result, err := s.Storages.TestUnsavedStorage(ctx, &core.StorageChange{Name: b.Name, Kind: &b.Kind, Settings: value(b.Settings)})
	if err != nil {
		return nil, err
	}
	return apigen.TestUnsavedStorage200JSONResponse{TestResultJSONResponse: testOf(result)}, nil
}

func storageOf(v *core.StorageView) apigen.Storage {
	return apigen.Storage{
		ID: string(v.ID), Name: v.Name, Kind: string(v.Kind), Settings: jsonObject(v.Settings),
		Health: apigen.StorageHealth{
			State: healthStateOf(v.Health.State), Code: optional(string(v.Health.Code)),
			Message: optional(v.Health.Message), CheckedAt: optionalTime(&v.Health.CheckedAt),
		},
		FreeBytes: known(v.FreeBytes), TotalBytes: known(v.TotalBytes), CreatedAt: v.CreatedAt.UTC(),
	}
}

// known returns nil for a size that is not.
func known(size int64) *int64 {
	if size < 0 {
		return nil
	}
	return &size
}
