// Package users knows who is who: users and their passwords, groups and their
// permissions, and the tokens that requests come with.
package users

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/store"
)

// Options configure a Service.
type Options struct {
	Store  *store.Store
	Logger hclog.Logger
	Clock  core.Clock
}

// Service implements core.UserService and core.AccountService.
type Service struct {
	store   *store.Store
	log     hclog.Logger
	now     core.Clock
	cache   *identityCache
	guesses *guesses

	// hashing holds one token: a hash needs so much memory that only one at a
	// time is made. It also puts guesses in a row, so that none of them is
	// checked before the one before it was counted.
	hashing chan struct{}
	waiting atomic.Int32 // for hashing

	// changing keeps two changes of users and groups from passing each other:
	// what must hold over several records, such as that there is an admin, is
	// looked at before one of them is written.
	changing sync.Mutex
	swept    atomic.Int64 // when expired tokens were last removed, Unix time
}

var (
	_ core.UserService    = (*Service)(nil)
	_ core.AccountService = (*Service)(nil)
)

// New returns a service. It starts nothing in the background.
func New(o Options) *Service {
	return &Service{
		store: o.Store, log: o.Logger, now: o.Clock,
		cache: newIdentityCache(), guesses: newGuesses(o.Clock), hashing: make(chan struct{}, 1),
	}
}

// utc returns the time to store.
func (s *Service) utc() time.Time { return s.now().UTC() }
