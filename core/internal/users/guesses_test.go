package users

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/haul-dl/haul/sdk/errs"
)

// guess tries a wrong password, if it may.
func (g *guesses) guess(who guesser) error {
	if err := g.check(who); err != nil {
		return err
	}
	g.failed(who)
	return nil
}

func TestWhoGuessesHasToWaitLongerEachTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, who := newGuesses(time.Now), newGuesser("admin", "192.0.2.1:4000")
		for i := range freeGuesses {
			if err := g.guess(who); err != nil {
				t.Fatalf("guess %d: %v", i, err)
			}
		}
		for wait := firstWait; wait < 10*time.Minute; wait *= 2 {
			want := min(wait, maxWait)
			time.Sleep(want - time.Nanosecond)
			if err := g.guess(who); !errs.Is(err, errs.TooManyLogins) {
				t.Fatalf("after less than %s: %v", want, err)
			}
			time.Sleep(time.Nanosecond)
			if err := g.guess(who); err != nil {
				t.Fatalf("after %s: %v", want, err)
			}
		}
	})
}

func TestTheRefusalSaysHowLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, who := newGuesses(time.Now), newGuesser("admin", "192.0.2.1:4000")
		for range freeGuesses + 1 {
			_ = g.guess(who)
		}
		want := "Too many failed logins; the next try is allowed in 1 second."
		if got := errs.MessageOf(g.check(who)); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

func TestOthersNeedNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuesses(time.Now)
		for range freeGuesses {
			_ = g.guess(newGuesser("admin", "192.0.2.1:4000"))
		}
		if err := g.check(newGuesser("admin", "192.0.2.1:4001")); err == nil {
			t.Error("another port is the same guesser")
		}
		for _, other := range []guesser{newGuesser("admin", "192.0.2.2:4000"), newGuesser("eve", "192.0.2.1:4000")} {
			if err := g.check(other); err != nil {
				t.Errorf("%v: %v", other, err)
			}
		}
	})
}

func TestASuccessOrAPauseClearsTheCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, who := newGuesses(time.Now), newGuesser("admin", "::1")
		for range 3 {
			for range freeGuesses - 1 {
				_ = g.guess(who)
			}
			g.succeeded(who)
			for range freeGuesses - 1 {
				if err := g.guess(who); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(forgetFailure + time.Second)
		}
	})
}

func TestAllGuessersTogetherAreSlowedDownButNotWhoIsKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, owner := newGuesses(time.Now), newGuesser("admin", "192.0.2.1:1")
		g.succeeded(owner)
		allowed := 0
		for i := range 1000 {
			if g.guess(newGuesser("admin", fmt.Sprintf("10.0.%d.%d:1", i/250, i%250))) == nil {
				allowed++
			}
		}
		if allowed != int(globalBurst) {
			t.Errorf("%d guesses at once", allowed)
		}
		if err := g.check(owner); err != nil {
			t.Errorf("the owner, where they have logged in before: %v", err)
		}
		if err := g.check(newGuesser("admin", "192.0.2.9:1")); !errs.Is(err, errs.TooManyLogins) {
			t.Errorf("somebody new: %v", err)
		}
		time.Sleep(time.Second)
		if err := g.check(newGuesser("admin", "192.0.2.9:1")); err != nil {
			t.Errorf("a second later: %v", err)
		}
	})
}

func TestWhatIsRememberedIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuesses(time.Now)
		owner := newGuesser("admin", "192.0.2.1:1")
		for i := range 2 * maxGuessers {
			if i%1000 == 0 {
				g.succeeded(owner)
			}
			g.failed(newGuesser("admin", fmt.Sprintf("10.%d.%d.%d:1", i>>16, i>>8&255, i&255)))
			time.Sleep(time.Millisecond)
		}
		if len(g.known) > maxGuessers {
			t.Errorf("%d are remembered", len(g.known))
		}
		if r := g.known[owner]; r == nil || !r.succeeded {
			t.Error("who has logged in was forgotten before those who guess")
		}
	})
}

func TestAddressesThatOnePartyHasAreOneGuesser(t *testing.T) {
	same := [][2]string{
		{"2001:db8::1", "[2001:db8::ffff]:99"}, {"192.0.2.1", "[::ffff:192.0.2.1]:7"}, {"fe80::1%eth0", "[fe80::2%eth1]:1"}, {"@", "pipe"},
	}
	for _, pair := range same {
		if newGuesser("a", pair[0]) != newGuesser("a", pair[1]) {
			t.Errorf("%s and %s differ", pair[0], pair[1])
		}
	}
	if newGuesser("a", "2001:db8::1") == newGuesser("a", "2001:db8:0:1::1") || newGuesser("a", "192.0.2.1") == newGuesser("a", "192.0.2.2") {
		t.Error("two parties are one")
	}
	if newGuesser("no such name", "192.0.2.1") != newGuesser("NOR THIS", "192.0.2.1") {
		t.Error("names that cannot exist must not each have guesses of their own")
	}
}
