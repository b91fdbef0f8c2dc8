package rest

import (
	"context"

	"github.com/haul-dl/haul/api/apigen"
	"github.com/haul-dl/haul/core"
)

// Login exchanges a password for a token.
func (s *server) Login(ctx context.Context, r apigen.LoginRequestObject) (apigen.LoginResponseObject, error) {
	login, err := s.Users.Login(ctx, r.Body.Username, r.Body.Password, remoteFrom(ctx))
	if err != nil {
		return nil, err
	}
	return apigen.Login200JSONResponse{Token: login.Secret, ExpiresAt: login.ExpiresAt.UTC()}, nil
}

// Logout ends the token of the request.
func (s *server) Logout(ctx context.Context, _ apigen.LogoutRequestObject) (apigen.LogoutResponseObject, error) {
	if err := s.Users.Logout(ctx); err != nil {
		return nil, err
	}
	return apigen.Logout204Response{}, nil
}

// GetMe tells who the token belongs to.
func (s *server) GetMe(ctx context.Context, _ apigen.GetMeRequestObject) (apigen.GetMeResponseObject, error) {
	id, err := core.IdentityFrom(ctx)
	if err != nil {
		return nil, err
	}
	return apigen.GetMe200JSONResponse{
		ID: string(id.User), Name: id.Name, Group: id.GroupName, Permissions: texts(id.Permissions),
	}, nil
}

// UpdateMe changes the caller's password.
func (s *server) UpdateMe(ctx context.Context, r apigen.UpdateMeRequestObject) (apigen.UpdateMeResponseObject, error) {
	if err := s.Accounts.ChangePassword(ctx, r.Body.CurrentPassword, r.Body.Password); err != nil {
		return nil, err
	}
	return apigen.UpdateMe204Response{}, nil
}
