package rest

import (
	"context"

	"github.com/haul-dl/haul/api/apigen"
	"github.com/haul-dl/haul/core"
)

// ListGroups lists groups.
func (s *server) ListGroups(ctx context.Context, r apigen.ListGroupsRequestObject) (apigen.ListGroupsResponseObject, error) {
	page, err := s.Accounts.ListGroups(ctx, value(r.Params.Limit), value(r.Params.Cursor))
	if err != nil {
		return nil, err
	}
	items := make([]apigen.Group, len(page.Items))
	for i := range page.Items {
		items[i] = groupOf(&page.Items[i])
	}
	return apigen.ListGroups200JSONResponse{Items: items, NextCursor: optional(page.NextCursor)}, nil
}

// CreateGroup adds a group.
func (s *server) CreateGroup(ctx context.Context, r apigen.CreateGroupRequestObject) (apigen.CreateGroupResponseObject, error) {
	group, err := s.Accounts.CreateGroup(ctx, &core.GroupChange{
		Name: &r.Body.Name, Permissions: permissions(r.Body.Permissions), Seed: seedChange(r.Body.Seed),
	})
	if err != nil {
		return nil, err
	}
	return apigen.CreateGroup201JSONResponse{GroupJSONResponse: apigen.GroupJSONResponse(groupOf(group))}, nil
}

// GetGroup shows a group.
func (s *server) GetGroup(ctx context.Context, r apigen.GetGroupRequestObject) (apigen.GetGroupResponseObject, error) {
	group, err := s.Accounts.GetGroup(ctx, r.ID)
	if err != nil {
		return nil, err
	}
	return apigen.GetGroup200JSONResponse{GroupJSONResponse: apigen.GroupJSONResponse(groupOf(group))}, nil
}

// UpdateGroup changes a group.
func (s *server) UpdateGroup(ctx context.Context, r apigen.UpdateGroupRequestObject) (apigen.UpdateGroupResponseObject, error) {
	group, err := s.Accounts.UpdateGroup(ctx, r.ID, &core.GroupChange{
		Name: r.Body.Name, Permissions: permissions(r.Body.Permissions), Seed: seedChange(r.Body.Seed),
	})
	if err != nil {
		return nil, err
	}
	return apigen.UpdateGroup200JSONResponse{GroupJSONResponse: apigen.GroupJSONResponse(groupOf(group))}, nil
}

// DeleteGroup removes a group.
func (s *server) DeleteGroup(ctx context.Context, r apigen.DeleteGroupRequestObject) (apigen.DeleteGroupResponseObject, error) {
	if err := s.Accounts.DeleteGroup(ctx, r.ID); err != nil {
		return nil, err
	}
	return apigen.DeleteGroup204Response{}, nil
}

// permissions returns nil for those that were not given.
func permissions(list *apigen.Permissions) *[]core.Permission {
	if list == nil {
		return nil
	}
	out := make([]core.Permission, len(*list))
	for i, p := range *list {
		out[i] = core.Permission(p)
	}
	return &out
}

func groupOf(g *core.Group) apigen.Group {
	out := apigen.Group{
		ID: string(g.ID), Name: g.Name, Permissions: make([]apigen.Permission, len(g.Permissions)),
		Seed: seedOf(g.Seed), CreatedAt: g.CreatedAt.UTC(),
	}
	for i, p := range g.Permissions {
		out.Permissions[i] = apigen.Permission(p)
	}
	return out
}
