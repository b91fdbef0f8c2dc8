package users

import (
	"context"
	"fmt"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/store"
)

// advisedPassword is the length below which a given password is worth a warning.
const advisedPassword = 8

// Bootstrap makes the groups and the admin, if there is no user at all. An
// empty password makes it choose one, which it returns, this once. Later
// starts change nothing and ignore the password.
func (s *Service) Bootstrap(ctx context.Context, adminPassword string) (generated string, err error) {
	known, _, err := s.store.Users(ctx, 1, "")
	if err != nil {
		return "", fmt.Errorf("look for users: %w", err)
	}
	if len(known) > 0 {
		return "", nil
	}
	if err := checkPassword(adminPassword); err != nil {
		return "", err
	}
	switch n := len(adminPassword); {
	case n == 0:
		generated = generatePassword()
		adminPassword = generated
	case n < advisedPassword:
		s.log.Warn("the admin's password is short", "user", core.AdminUserName)
	}
	hash := hashPassword(adminPassword)
	defer freeHashMemory()
	if err := s.store.Update(ctx, func(tx *store.Tx) error { return s.makeFirst(tx, hash) }); err != nil {
		return "", fmt.Errorf("make the first user: %w", err)
	}
	s.log.Info("first start: user and groups made", "user", core.AdminUserName)
	return generated, nil
}

// makeFirst makes everything or nothing, so that a crash leaves no user
// without a group.
func (s *Service) makeFirst(tx *store.Tx, passwordHash string) error {
	now := s.utc()
	admins := &core.Group{
		ID: core.NewID[core.GroupID](), Name: core.AdminGroupName, CreatedAt: now,
		Permissions: []core.Permission{core.PermissionAdmin, core.PermissionDownload},
	}
	users := &core.Group{
		ID: core.NewID[core.GroupID](), Name: core.UserGroupName, CreatedAt: now,
		Permissions: []core.Permission{core.PermissionDownload},
	}
	for _, g := range []*core.Group{admins, users} {
		if err := tx.PutGroup(g); err != nil {
			return err
		}
	}
	return tx.PutUser(&core.User{
		ID: core.NewID[core.UserID](), Name: core.AdminUserName, Group: admins.ID,
		PasswordHash: passwordHash, CreatedAt: now,
	})
}
