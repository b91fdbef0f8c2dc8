package users

import (
	"math"
	"net/netip"
	"sync"
	"time"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/sdk/errs"
)

// Limits on guessing passwords.
const (
	freeGuesses   = 5                // before one user and address have to wait
	firstWait     = time.Second      // doubled with each further failure
	maxWait       = time.Minute      // so an owner is never locked out for long
	forgetFailure = 15 * time.Minute // after the last one
	forgetSuccess = 30 * 24 * time.Hour
	globalBurst   = 100.0 // failures of all together
	globalRate    = 5.0   // more of them a second
	maxGuessers   = 10_000
)

// guesser is who tries a password: at which user, and from where.
type guesser struct {
	user string
	from netip.Prefix
}

// newGuesser takes one IPv6 network for one address, since that is what a
// customer gets, and all names that cannot exist for one.
func newGuesser(user, remote string) guesser {
	if CheckName(user) != nil {
		user = ""
	}
	addr, err := netip.ParseAddr(remote)
	if err != nil {
		ap, err := netip.ParseAddrPort(remote)
		if err != nil {
			return guesser{user: user}
		}
		addr = ap.Addr()
	}
	addr = addr.Unmap().WithZone("")
	bits := 64
	if addr.Is4() {
		bits = 32
	}
	from, err := addr.Prefix(bits)
	if err != nil {
		return guesser{user: user}
	}
	return guesser{user, from}
}

// guesses slows down who guesses passwords: each user and address by
// themselves, and all of them together. Who has logged in from an address
// before is not held up by the others there.
type guesses struct {
	now core.Clock

	mu     sync.Mutex // guards all below
	known  map[guesser]*record
	budget float64 // failures that are left to all
	filled time.Time
}

// record is what is known of one guesser.
type record struct {
	failures  int
	last      time.Time
	until     time.Time // when the next try is allowed
	succeeded bool
}

func newGuesses(now core.Clock) *guesses {
	return &guesses{now: now, known: map[guesser]*record{}, budget: globalBurst, filled: now()}
}

// check returns errs.TooManyLogins for who has to wait.
func (g *guesses) check(who guesser) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.now()
	g.refill(now)
	r := g.known[who]
	if r != nil && now.Before(r.until) {
		return tooMany(r.until.Sub(now))
	}
	if g.budget < 1 && (r == nil || !r.succeeded) {
		return tooMany(time.Duration((1 - g.budget) / globalRate * float64(time.Second)))
	}
	return nil
}

func tooMany(wait time.Duration) error {
	seconds := int(math.Ceil(wait.Seconds()))
	unit := "seconds"
	if seconds == 1 {
		unit = "second"
	}
	return errs.New(errs.TooManyLogins, "Too many failed logins; the next try is allowed in %d %s.", seconds, unit)
}

// failed notes a wrong password.
func (g *guesses) failed(who guesser) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.now()
	g.refill(now)
	g.budget = max(0, g.budget-1)
	r := g.known[who]
	if r == nil {
		r = g.add(who, now)
	}
	if now.Sub(r.last) > forgetFailure {
		r.failures = 0
	}
	r.failures++
	r.last = now
	if over := r.failures - freeGuesses; over >= 0 {
		r.until = now.Add(min(maxWait, firstWait<<min(over, 10)))
		r.succeeded = false
	}
}

// succeeded notes the right password.
func (g *guesses) succeeded(who guesser) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.now()
	if g.known[who] == nil {
		g.add(who, now)
	}
	*g.known[who] = record{succeeded: true, last: now}
}

func (g *guesses) refill(now time.Time) {
	g.budget = min(globalBurst, g.budget+globalRate*now.Sub(g.filled).Seconds())
	g.filled = now
}

func (g *guesses) add(who guesser, now time.Time) *record {
	if len(g.known) >= maxGuessers {
		g.makeRoom(now)
	}
	r := &record{last: now}
	g.known[who] = r
	return r
}

// makeRoom forgets everybody whose time has passed. Where that is not enough it
// forgets a quarter, those who have never logged in first: then a flood of
// guessers costs no scan each, and the global limit holds in any case.
func (g *guesses) makeRoom(now time.Time) {
	for who, r := range g.known {
		keep := forgetFailure
		if r.succeeded {
			keep = forgetSuccess
		}
		if now.Sub(r.last) > keep {
			delete(g.known, who)
		}
	}
	for _, succeeded := range []bool{false, true} {
		for who, r := range g.known {
			if len(g.known) <= maxGuessers*3/4 {
				return
			}
			if r.succeeded == succeeded {
				delete(g.known, who)
			}
		}
	}
}
