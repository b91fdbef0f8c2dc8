package users

import (
	"cmp"
	"context"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/store"
	"github.com/haul-dl/haul/sdk/errs"
)

// defaultListLimit is how many records a list has unless told otherwise.
const defaultListLimit = 50

// ListUsers implements core.AccountService.
func (s *Service) ListUsers(ctx context.Context, limit int, cursor string) (*core.Page[core.UserView], error) {
	if _, err := core.Require(ctx, core.PermissionAdmin); err != nil {
		return nil, err
	}
	users, next, err := s.store.Users(ctx, cmp.Or(limit, defaultListLimit), cursor)
	if err != nil {
		return nil, err
	}
	groups, err := s.groups(ctx)
	if err != nil {
		return nil, err
	}
	page := &core.Page[core.UserView]{Items: make([]core.UserView, len(users)), NextCursor: next}
	for i := range users {
		page.Items[i] = core.UserView{User: users[i], GroupName: groups[users[i].Group].Name}
	}
	return page, nil
}

// GetUser implements core.AccountService.
func (s *Service) GetUser(ctx context.Context, idOrName string) (*core.UserView, error) {
	if _, err := core.Require(ctx, core.PermissionAdmin); err != nil {
		return nil, err
	}
	u, err := s.user(ctx, idOrName)
	if err != nil {
		return nil, err
	}
	return s.view(ctx, u)
}

// CreateUser implements core.AccountService.
func (s *Service) CreateUser(ctx context.Context, n *core.NewUser) (*core.UserView, error) {
	who, err := core.Require(ctx, core.PermissionAdmin)
	if err != nil {
		return nil, err
	}
	if err := CheckName(n.Name); err != nil {
		return nil, err
	}
	s.changing.Lock()
	defer s.changing.Unlock()
	group, err := s.memberGroup(ctx, cmp.Or(n.Group, core.UserGroupName))
	if err != nil {
		return nil, err
	}
	hash, err := s.newHash(ctx, n.Name, n.Password)
	if err != nil {
		return nil, err
	}
	u := &core.User{ID: core.NewID[core.UserID](), Name: n.Name, Group: group.ID, PasswordHash: hash, CreatedAt: s.utc()}
	if err := s.store.Update(ctx, func(tx *store.Tx) error { return tx.PutUser(u) }); err != nil {
		return nil, err
	}
	s.log.Info("user made", "user", u.Name, "group", group.Name, "by", who.Name)
	return &core.UserView{User: *u, GroupName: group.Name}, nil
}

// UpdateUser implements core.AccountService.
func (s *Service) UpdateUser(ctx context.Context, idOrName string, c *core.UserChange) (*core.UserView, error) {
	who, err := core.Require(ctx, core.PermissionAdmin)
	if err != nil {
		return nil, err
	}
	s.changing.Lock()
	defer s.changing.Unlock()
	u, err := s.user(ctx, idOrName)
	if err != nil {
		return nil, err
	}
	if err := s.regroup(ctx, u, c.Group); err != nil {
		return nil, err
	}
	if c.Password != nil {
		if err := s.setPassword(ctx, u, *c.Password); err != nil {
			return nil, err
		}
	}
	if err := s.save(ctx, u, c.Password != nil); err != nil {
		return nil, err
	}
	s.log.Info("user changed", "user", u.Name, "by", who.Name)
	return s.view(ctx, u)
}

// regroup gives a user another group; nil leaves it.
func (s *Service) regroup(ctx context.Context, u *core.User, idOrName *string) error {
	if idOrName == nil {
		return nil
	}
	group, err := s.memberGroup(ctx, *idOrName)
	if err != nil {
		return err
	}
	err = s.keepAdmin(ctx, func(other *core.User) core.GroupID {
		if other.ID == u.ID {
			return group.ID
		}
		return other.Group
	})
	u.Group = group.ID
	return err
}

// DeleteUser implements core.AccountService.
func (s *Service) DeleteUser(ctx context.Context, idOrName string) error {
	who, err := core.Require(ctx, core.PermissionAdmin)
	if err != nil {
		return err
	}
	s.changing.Lock()
	defer s.changing.Unlock()
	u, err := s.user(ctx, idOrName)
	if err != nil {
		return err
	}
	err = s.keepAdmin(ctx, func(other *core.User) core.GroupID {
		if other.ID == u.ID {
			return ""
		}
		return other.Group
	})
	if err != nil {
		return err
	}
	if err := s.checkIdle(ctx, u); err != nil {
		return err
	}
	if err := s.store.Update(ctx, func(tx *store.Tx) error { return tx.DeleteUser(u.ID) }); err != nil {
		return err
	}
	s.dropTokens(ctx, u.ID)
	s.log.Info("user removed", "user", u.Name, "by", who.Name)
	return nil
}

// checkIdle returns errs.InUse while tasks of a user have not ended.
func (s *Service) checkIdle(ctx context.Context, u *core.User) error {
	counts, err := s.store.TaskCounts(ctx)
	if err != nil {
		return err
	}
	running := int64(0)
	for state, n := range counts.ByOwner[u.ID] {
		if !state.Ended() {
			running += n
		}
	}
	if running == 0 {
		return nil
	}
	return errs.New(errs.InUse, "%d tasks of %s have not ended.", running, u.Name).WithHint("Cancel or delete them first.")
}

// ChangePassword implements core.AccountService.
func (s *Service) ChangePassword(ctx context.Context, present, password string) error {
	who, err := core.IdentityFrom(ctx)
	if err != nil {
		return err
	}
	// All that a token alone can do is to guess, so all guesses count together.
	guesser := newGuesser(who.Name, "")
	if err := s.guesses.check(guesser); err != nil {
		return err
	}
	s.changing.Lock()
	defer s.changing.Unlock()
	u, err := s.store.User(ctx, who.User)
	if err != nil {
		return orUnknownToken(err)
	}
	if err := s.verify(ctx, guesser, u, present); errs.Is(err, errs.InvalidLogin) {
		return errs.Wrap(err, errs.InvalidLogin, "The present password is wrong.").WithField("current_password", "is wrong")
	} else if err != nil {
		return err
	}
	if err := s.setPassword(ctx, u, password); err != nil {
		return err
	}
	if err := s.save(ctx, u, true); err != nil {
		return err
	}
	s.log.Info("password changed", "user", u.Name)
	return nil
}

func (s *Service) setPassword(ctx context.Context, u *core.User, password string) error {
	hash, err := s.newHash(ctx, u.Name, password)
	if err != nil {
		return err
	}
	u.PasswordHash, u.PasswordRevision = hash, u.PasswordRevision+1
	return nil
}

// newHash checks a password and waits for its turn to hash it.
func (s *Service) newHash(ctx context.Context, user, password string) (string, error) {
	if password == "" {
		return "", errs.New(errs.InvalidRequest, "The password is empty.").WithField("password", "must not be empty")
	}
	if err := checkPassword(password); err != nil {
		return "", err
	}
	if len(password) < advisedPassword {
		s.log.Warn("a password is short", "user", user)
	}
	release, err := s.takeTurn(ctx)
	if err != nil {
		return "", err
	}
	defer release()
	return hashPassword(password), nil
}

// save stores a changed user. With a new password their tokens end.
func (s *Service) save(ctx context.Context, u *core.User, newPassword bool) error {
	if err := s.store.Update(ctx, func(tx *store.Tx) error { return tx.PutUser(u) }); err != nil {
		return err
	}
	if newPassword {
		s.dropTokens(ctx, u.ID)
		return nil
	}
	s.forget(u.ID)
	return nil
}

func (s *Service) forget(id core.UserID) {
	s.cache.remove(func(who *core.Identity) bool { return who.User == id })
}

// dropTokens removes the tokens of a user. None of them is valid any more, so
// one that stays behind does no harm.
func (s *Service) dropTokens(ctx context.Context, id core.UserID) {
	s.forget(id)
	for cursor := ""; ; {
		tokens, next, err := s.store.TokensOf(ctx, id, defaultListLimit, cursor)
		if err == nil {
			err = s.store.Update(ctx, func(tx *store.Tx) error { return deleteTokens(tx, tokens) })
		}
		if err != nil {
			s.log.Warn("remove tokens that are not valid any more", "err", err)
		}
		if err != nil || next == "" {
			return
		}
		cursor = next
	}
}

func deleteTokens(tx *store.Tx, tokens []core.Token) error {
	for i := range tokens {
		if err := tx.DeleteToken(tokens[i].ID); err != nil && !errs.Is(err, errs.NotFound) {
			return err
		}
	}
	return nil
}

// user returns a user by id or name, or errs.NotFound.
func (s *Service) user(ctx context.Context, idOrName string) (*core.User, error) {
	find := func() (*core.User, error) { return s.store.UserByName(ctx, idOrName) }
	if id, err := core.ParseID[core.UserID](idOrName); err == nil {
		find = func() (*core.User, error) { return s.store.User(ctx, id) }
	}
	u, err := find()
	if errs.Is(err, errs.NotFound) {
		return nil, errs.New(errs.NotFound, "There is no user %q.", idOrName)
	}
	return u, err
}

func (s *Service) view(ctx context.Context, u *core.User) (*core.UserView, error) {
	group, err := s.store.Group(ctx, u.Group)
	if errs.Is(err, errs.NotFound) {
		return &core.UserView{User: *u}, nil
	}
	if err != nil {
		return nil, err
	}
	return &core.UserView{User: *u, GroupName: group.Name}, nil
}
