package rest

import (
	"context"

	"github.com/haul-dl/haul/api/apigen"
	"github.com/haul-dl/haul/core"
)

// ListUsers lists users.
func (s *server) ListUsers(ctx context.Context, r apigen.ListUsersRequestObject) (apigen.ListUsersResponseObject, error) {
	page, err := s.Accounts.ListUsers(ctx, value(r.Params.Limit), value(r.Params.Cursor))
	if err != nil {
		return nil, err
	}
	items := make([]apigen.User, len(page.Items))
	for i := range page.Items {
		items[i] = userOf(&page.Items[i])
	}
	return apigen.ListUsers200JSONResponse{Items: items, NextCursor: optional(page.NextCursor)}, nil
}

// CreateUser adds a user.
func (s *server) CreateUser(ctx context.Context, r apigen.CreateUserRequestObject) (apigen.CreateUserResponseObject, error) {
	view, err := s.Accounts.CreateUser(ctx, &core.NewUser{Name: r.Body.Name, Password: r.Body.Password, Group: value(r.Body.Group)})
	if err != nil {
		return nil, err
	}
	return apigen.CreateUser201JSONResponse{UserJSONResponse: apigen.UserJSONResponse(userOf(view))}, nil
}

// GetUser shows a user.
func (s *server) GetUser(ctx context.Context, r apigen.GetUserRequestObject) (apigen.GetUserResponseObject, error) {
	view, err := s.Accounts.GetUser(ctx, r.ID)
	if err != nil {
		return nil, err
	}
	return apigen.GetUser200JSONResponse{UserJSONResponse: apigen.UserJSONResponse(userOf(view))}, nil
}

// UpdateUser changes a user.
func (s *server) UpdateUser(ctx context.Context, r apigen.UpdateUserRequestObject) (apigen.UpdateUserResponseObject, error) {
	view, err := s.Accounts.UpdateUser(ctx, r.ID, &core.UserChange{Password: r.Body.Password, Group: r.Body.Group})
	if err != nil {
		return nil, err
	}
	return apigen.UpdateUser200JSONResponse{UserJSONResponse: apigen.UserJSONResponse(userOf(view))}, nil
}

// DeleteUser removes a user.
func (s *server) DeleteUser(ctx context.Context, r apigen.DeleteUserRequestObject) (apigen.DeleteUserResponseObject, error) {
	if err := s.Accounts.DeleteUser(ctx, r.ID); err != nil {
		return nil, err
	}
	return apigen.DeleteUser204Response{}, nil
}

// userOf leaves out what nobody may see.
func userOf(v *core.UserView) apigen.User {
	return apigen.User{ID: string(v.ID), Name: v.Name, Group: named(v.GroupName, v.Group), CreatedAt: v.CreatedAt.UTC()}
}
