package users

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"time"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/store"
	"github.com/haul-dl/haul/sdk/errs"
)

// The secret of a token: a prefix by which people and scanners recognise it,
// and 32 random bytes.
const (
	tokenPrefix = "haul_"
	tokenBytes  = 32
)

// tokenLife is how long a login lasts.
const tokenLife = 30 * 24 * time.Hour

var tokenLength = len(tokenPrefix) + base64.RawURLEncoding.EncodedLen(tokenBytes)

func newSecret() string {
	random := make([]byte, tokenBytes)
	_, _ = rand.Read(random) // it never fails
	return tokenPrefix + base64.RawURLEncoding.EncodeToString(random)
}

func hashOf(secret string) tokenHash { return sha256.Sum256([]byte(secret)) }

// newToken stores a token for a user. A secret with so much randomness needs
// no slow hash.
func (s *Service) newToken(ctx context.Context, user *core.User, name string) (*core.Login, error) {
	secret, now := newSecret(), s.utc()
	hash := hashOf(secret)
	token := &core.Token{
		ID: core.NewID[core.TokenID](), User: user.ID, Name: name, Hash: hex.EncodeToString(hash[:]),
		CreatedAt: now, ExpiresAt: now.Add(tokenLife),
	}
	err := s.store.Update(ctx, func(tx *store.Tx) error {
		// The password that was checked may have been changed meanwhile.
		now, err := tx.User(user.ID)
		if errs.Is(err, errs.NotFound) || err == nil && now.PasswordRevision != user.PasswordRevision {
			return wrongLogin()
		}
		if err != nil {
			return err
		}
		token.PasswordRevision = now.PasswordRevision
		return tx.PutToken(token)
	})
	if err != nil {
		return nil, err
	}
	s.sweep(ctx, now)
	return &core.Login{Secret: secret, ExpiresAt: token.ExpiresAt}, nil
}

// sweepEvery is how often expired tokens are removed. Logins do it along the
// way: where nobody logs in, no tokens gather.
const sweepEvery = time.Hour

func (s *Service) sweep(ctx context.Context, now time.Time) {
	last := s.swept.Load()
	if now.Unix()-last < int64(sweepEvery/time.Second) || !s.swept.CompareAndSwap(last, now.Unix()) {
		return
	}
	removed, err := s.store.SweepTokens(ctx, now)
	if err != nil {
		s.log.Warn("remove expired tokens", "err", err)
	} else if removed > 0 {
		s.log.Info("expired tokens removed", "count", removed)
	}
}

// Authenticate returns who a token belongs to, or errs.Unauthenticated. It
// usually costs one SHA-256.
func (s *Service) Authenticate(ctx context.Context, secret string) (*core.Identity, error) {
	if len(secret) != tokenLength || !strings.HasPrefix(secret, tokenPrefix) {
		return nil, unknownToken()
	}
	hash, now := hashOf(secret), s.now()
	entry, found, generation := s.cache.get(hash, now)
	if !found {
		var err error
		if entry, err = s.resolve(ctx, hash); err != nil {
			return nil, err
		}
		entry.until = now.Add(cacheLife)
		s.cache.put(hash, entry, generation)
	}
	if !now.Before(entry.expires) {
		return nil, errs.New(errs.Unauthenticated, "The token has expired.")
	}
	return &entry.identity, nil
}

// resolve reads who a token belongs to.
func (s *Service) resolve(ctx context.Context, hash tokenHash) (cached, error) {
	token, err := s.store.TokenByHash(ctx, hex.EncodeToString(hash[:]))
	if err != nil {
		return cached{}, orUnknownToken(err)
	}
	user, err := s.store.User(ctx, token.User)
	if err != nil {
		return cached{}, orUnknownToken(err)
	}
	if token.PasswordRevision != user.PasswordRevision {
		return cached{}, unknownToken()
	}
	group, err := s.store.Group(ctx, user.Group)
	if err != nil {
		return cached{}, orUnknownToken(err)
	}
	return cached{
		identity: core.Identity{
			User: user.ID, Name: user.Name, Group: group.ID, GroupName: group.Name,
			Permissions: group.Permissions, Token: token.ID,
		},
		expires: token.ExpiresAt,
	}, nil
}

// orUnknownToken makes a token of what is gone one that is not known.
func orUnknownToken(err error) error {
	if errs.Is(err, errs.NotFound) {
		return unknownToken()
	}
	return err
}

func unknownToken() error { return errs.New(errs.Unauthenticated, "The token is not known.") }

// Logout ends the token of the request.
func (s *Service) Logout(ctx context.Context) error {
	who, err := core.IdentityFrom(ctx)
	if err != nil {
		return err
	}
	err = s.store.Update(ctx, func(tx *store.Tx) error { return tx.DeleteToken(who.Token) })
	if err != nil && !errs.Is(err, errs.NotFound) {
		return err
	}
	s.cache.remove(func(id *core.Identity) bool { return id.Token == who.Token })
	s.log.Info("logged out", "user", who.Name)
	return nil
}
