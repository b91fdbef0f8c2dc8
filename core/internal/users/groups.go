package users

import (
	"cmp"
	"context"
	"slices"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/store"
	"github.com/haul-dl/haul/sdk/errs"
)

// ListGroups implements core.AccountService.
func (s *Service) ListGroups(ctx context.Context, limit int, cursor string) (*core.Page[core.Group], error) {
	if _, err := core.Require(ctx, core.PermissionAdmin); err != nil {
		return nil, err
	}
	groups, next, err := s.store.Groups(ctx, cmp.Or(limit, defaultListLimit), cursor)
	if err != nil {
		return nil, err
	}
	return &core.Page[core.Group]{Items: groups, NextCursor: next}, nil
}

// GetGroup implements core.AccountService.
func (s *Service) GetGroup(ctx context.Context, idOrName string) (*core.Group, error) {
	if _, err := core.Require(ctx, core.PermissionAdmin); err != nil {
		return nil, err
	}
	return s.group(ctx, idOrName)
}

// CreateGroup implements core.AccountService. Unless told otherwise, its users
// may download.
func (s *Service) CreateGroup(ctx context.Context, c *core.GroupChange) (*core.Group, error) {
	who, err := core.Require(ctx, core.PermissionAdmin)
	if err != nil {
		return nil, err
	}
	g := &core.Group{ID: core.NewID[core.GroupID](), Permissions: []core.Permission{core.PermissionDownload}, CreatedAt: s.utc()}
	if c.Name == nil {
		return nil, errs.New(errs.InvalidRequest, "The group has no name.").WithField("name", "is missing")
	}
	if err := applyGroup(g, c); err != nil {
		return nil, err
	}
	if err := s.store.Update(ctx, func(tx *store.Tx) error { return tx.PutGroup(g) }); err != nil {
		return nil, err
	}
	s.log.Info("group made", "group", g.Name, "by", who.Name)
	return g, nil
}

// UpdateGroup implements core.AccountService.
func (s *Service) UpdateGroup(ctx context.Context, idOrName string, c *core.GroupChange) (*core.Group, error) {
	who, err := core.Require(ctx, core.PermissionAdmin)
	if err != nil {
		return nil, err
	}
	s.changing.Lock()
	defer s.changing.Unlock()
	g, err := s.group(ctx, idOrName)
	if err != nil {
		return nil, err
	}
	if err := applyGroup(g, c); err != nil {
		return nil, err
	}
	if !isAdmin(g) {
		if err := s.keepAdmin(ctx, otherThan(g.ID)); err != nil {
			return nil, err
		}
	}
	if err := s.store.Update(ctx, func(tx *store.Tx) error { return tx.PutGroup(g) }); err != nil {
		return nil, err
	}
	s.cache.remove(func(id *core.Identity) bool { return id.Group == g.ID })
	s.log.Info("group changed", "group", g.Name, "by", who.Name)
	return g, nil
}

// otherThan takes a group away from its users.
func otherThan(id core.GroupID) func(*core.User) core.GroupID {
	return func(u *core.User) core.GroupID {
		if u.Group == id {
			return ""
		}
		return u.Group
	}
}

// DeleteGroup implements core.AccountService.
func (s *Service) DeleteGroup(ctx context.Context, idOrName string) error {
	who, err := core.Require(ctx, core.PermissionAdmin)
	if err != nil {
		return err
	}
	s.changing.Lock()
	defer s.changing.Unlock()
	g, err := s.group(ctx, idOrName)
	if err != nil {
		return err
	}
	err = s.eachUser(ctx, func(u *core.User) error {
		if u.Group == g.ID {
			return errs.New(errs.InUse, "The group %q has users.", g.Name).WithHint("Give them another group first.")
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := s.store.Update(ctx, func(tx *store.Tx) error { return tx.DeleteGroup(g.ID) }); err != nil {
		return err
	}
	s.log.Info("group removed", "group", g.Name, "by", who.Name)
	return nil
}

// applyGroup lays a change over a group.
func applyGroup(g *core.Group, c *core.GroupChange) error {
	if c.Name != nil {
		if err := checkName("group", *c.Name); err != nil {
			return err
		}
		g.Name = *c.Name
	}
	if c.Seed != nil {
		g.Seed = c.Seed.Policy
		if wrong := g.Seed.Wrong(); len(wrong) > 0 {
			e := errs.New(errs.InvalidRequest, "The seeding policy is not valid.")
			e.Fields = wrong
			return e
		}
	}
	if c.Permissions == nil {
		return nil
	}
	for _, p := range *c.Permissions {
		if !slices.Contains(core.Permissions, p) {
			return errs.New(errs.InvalidRequest, "There is no permission %q.", string(p)).WithField("permissions", "must be of admin, download")
		}
	}
	g.Permissions = slices.Compact(slices.Sorted(slices.Values(*c.Permissions)))
	return nil
}

func isAdmin(g *core.Group) bool { return slices.Contains(g.Permissions, core.PermissionAdmin) }

// keepAdmin returns errs.LastAdmin unless somebody is an admin when each user
// has the group that groupOf returns.
func (s *Service) keepAdmin(ctx context.Context, groupOf func(*core.User) core.GroupID) error {
	groups, err := s.groups(ctx)
	if err != nil {
		return err
	}
	found := false
	err = s.eachUser(ctx, func(u *core.User) error {
		if g, ok := groups[groupOf(u)]; ok && isAdmin(&g) {
			found = true
		}
		return nil
	})
	if err != nil || found {
		return err
	}
	return errs.New(errs.LastAdmin, "Nobody would be an admin any more.")
}

// eachUser calls fn for every user, until it fails.
func (s *Service) eachUser(ctx context.Context, fn func(*core.User) error) error {
	for cursor := ""; ; {
		users, next, err := s.store.Users(ctx, 0, cursor)
		if err != nil {
			return err
		}
		for i := range users {
			if err := fn(&users[i]); err != nil {
				return err
			}
		}
		if next == "" {
			return nil
		}
		cursor = next
	}
}

// groups returns all groups.
func (s *Service) groups(ctx context.Context) (map[core.GroupID]core.Group, error) {
	all := map[core.GroupID]core.Group{}
	for cursor := ""; ; {
		groups, next, err := s.store.Groups(ctx, 0, cursor)
		if err != nil {
			return nil, err
		}
		for _, g := range groups {
			all[g.ID] = g
		}
		if next == "" {
			return all, nil
		}
		cursor = next
	}
}

// group returns a group by id or name, or errs.NotFound.
func (s *Service) group(ctx context.Context, idOrName string) (*core.Group, error) {
	find := func() (*core.Group, error) { return s.store.GroupByName(ctx, idOrName) }
	if id, err := core.ParseID[core.GroupID](idOrName); err == nil {
		find = func() (*core.Group, error) { return s.store.Group(ctx, id) }
	}
	g, err := find()
	if errs.Is(err, errs.NotFound) {
		return nil, errs.New(errs.NotFound, "There is no group %q.", idOrName)
	}
	return g, err
}

// memberGroup returns the group that a user shall have, or errs.InvalidRequest.
func (s *Service) memberGroup(ctx context.Context, idOrName string) (*core.Group, error) {
	g, err := s.group(ctx, idOrName)
	if errs.Is(err, errs.NotFound) {
		return nil, errs.Wrap(err, errs.InvalidRequest, "There is no group %q.", idOrName).WithField("group", "does not exist")
	}
	return g, err
}
