package core

import (
	"context"
	"slices"
	"time"

	"github.com/haul-dl/haul/sdk/errs"
)

// Names that the first start makes.
const (
	AdminUserName  = "admin"
	AdminGroupName = "admins"
	UserGroupName  = "users"
)

// User may log in.
type User struct {
	ID    UserID  `json:"id"`
	Name  string  `json:"name"`
	Group GroupID `json:"group"`
	// PasswordHash is an argon2id hash in PHC form.
	PasswordHash string `json:"password_hash"`
	// PasswordRevision grows with each change of the password: tokens of an
	// earlier one are not valid.
	PasswordRevision int64     `json:"password_revision,omitempty"`
	CreatedAt        time.Time `json:"created_at"`
}

// UserView is a user with the name of their group, empty where gone.
type UserView struct {
	User
	GroupName string
}

// Home is the user's folder in every storage, relative to the storage's root.
// User names are checked when they are made, so that they are safe file names.
func (u *User) Home() string { return u.Name }

// Group is a set of users with the same rights.
type Group struct {
	ID          GroupID      `json:"id"`
	Name        string       `json:"name"`
	Permissions []Permission `json:"permissions"`
	// Seed is for tasks whose owner says nothing; nil leaves it to the downloader.
	Seed      *SeedPolicy `json:"seed,omitempty"`
	CreatedAt time.Time   `json:"created_at"`
}

// Permission is a right of a group.
type Permission string

// The permissions.
const (
	PermissionAdmin    Permission = "admin"    // everything
	PermissionDownload Permission = "download" // create and manage tasks of one's own
)

// Permissions lists all of them.
var Permissions = []Permission{PermissionAdmin, PermissionDownload}

// Token proves who somebody is. The secret itself is not stored.
type Token struct {
	ID   TokenID `json:"id"`
	User UserID  `json:"user"`
	// Name is for people, such as "login".
	Name string `json:"name"`
	// Hash is the SHA-256 of the secret in hex.
	Hash string `json:"hash"`
	// PasswordRevision is that of the user when the token was made.
	PasswordRevision int64     `json:"password_revision,omitempty"`
	CreatedAt        time.Time `json:"created_at"`
	ExpiresAt        time.Time `json:"expires_at"`
}

// Identity is who makes a request, with the rights that count for it.
type Identity struct {
	User        UserID
	Name        string
	Group       GroupID
	GroupName   string
	Permissions []Permission
	// Token is that which the request came with.
	Token TokenID
}

// IsAdmin reports whether the identity may do everything.
func (i *Identity) IsAdmin() bool { return slices.Contains(i.Permissions, PermissionAdmin) }

// Has reports whether the identity has the permission; an admin has each.
func (i *Identity) Has(p Permission) bool { return i.IsAdmin() || slices.Contains(i.Permissions, p) }

type identityKey struct{}

// WithIdentity returns a context that carries who makes the request.
func WithIdentity(ctx context.Context, id *Identity) context.Context {
	return context.WithValue(ctx, identityKey{}, id)
}

// IdentityFrom returns who makes the request, or errs.Unauthenticated.
func IdentityFrom(ctx context.Context) (*Identity, error) {
	if id, ok := ctx.Value(identityKey{}).(*Identity); ok && id != nil {
		return id, nil
	}
	return nil, errs.New(errs.Unauthenticated, "A token is needed.")
}

// Require returns who makes the request if they have the permission, else
// errs.Unauthenticated or errs.Forbidden.
func Require(ctx context.Context, p Permission) (*Identity, error) {
	id, err := IdentityFrom(ctx)
	if err != nil {
		return nil, err
	}
	if !id.Has(p) {
		return nil, errs.New(errs.Forbidden, "Your group does not have the permission %q.", p)
	}
	return id, nil
}
