package users

import (
	"context"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/sdk/errs"
)

// maxWaiting is how many logins may wait for their turn.
const maxWaiting = 64

// Login checks a password and makes a token. It takes as long for a user who
// does not exist. Errors: errs.InvalidLogin, errs.TooManyLogins.
func (s *Service) Login(ctx context.Context, name, password, remote string) (*core.Login, error) {
	who := newGuesser(name, remote)
	if err := s.guesses.check(who); err != nil {
		return nil, err
	}
	user, err := s.lookUp(ctx, name)
	if err != nil {
		return nil, err
	}
	if err := s.verify(ctx, who, user, password); err != nil {
		return nil, err
	}
	login, err := s.newToken(ctx, user, "login")
	if err != nil {
		return nil, err
	}
	s.log.Info("logged in", "user", user.Name, "remote", who.from)
	return login, nil
}

// lookUp returns the user, or one without an id that nobody can log in as.
func (s *Service) lookUp(ctx context.Context, name string) (*core.User, error) {
	nobody := &core.User{PasswordHash: dummyHash()}
	if CheckName(name) != nil {
		return nobody, nil //nolint:nilerr // what cannot be a name is nobody's
	}
	user, err := s.store.UserByName(ctx, name)
	if errs.Is(err, errs.NotFound) {
		return nobody, nil
	}
	return user, err
}

// verify waits for its turn, checks the password and counts the guess.
func (s *Service) verify(ctx context.Context, who guesser, user *core.User, password string) error {
	release, err := s.takeTurn(ctx)
	if err != nil {
		return err
	}
	defer release()
	if err := s.guesses.check(who); err != nil {
		return err
	}
	right, err := verifyPassword(user.PasswordHash, password[:min(len(password), maxPassword+1)])
	if err != nil {
		return errs.Wrap(err, errs.Internal, "The password cannot be checked.")
	}
	if !right || user.ID == "" {
		s.guesses.failed(who)
		s.log.Warn("login failed", "user", user.Name, "remote", who.from)
		return wrongLogin()
	}
	s.guesses.succeeded(who)
	return nil
}

func wrongLogin() error {
	return errs.New(errs.InvalidLogin, "The user name or the password is wrong.")
}

// takeTurn waits until nobody else makes a hash.
func (s *Service) takeTurn(ctx context.Context) (release func(), err error) {
	if s.waiting.Add(1) > maxWaiting {
		s.waiting.Add(-1)
		return nil, errs.New(errs.TooManyLogins, "Too many people log in at this moment.").WithHint("Try again in a few seconds.")
	}
	select {
	case s.hashing <- struct{}{}:
	case <-ctx.Done():
		s.waiting.Add(-1)
		return nil, errs.Wrap(ctx.Err(), errs.Canceled, "The login was given up.")
	}
	return func() {
		<-s.hashing
		if s.waiting.Add(-1) == 0 {
			freeHashMemory()
		}
	}, nil
}
