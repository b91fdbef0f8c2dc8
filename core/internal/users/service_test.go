package users

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/secret"
	"github.com/haul-dl/haul/core/internal/store"
	"github.com/haul-dl/haul/core/internal/store/bolt"
	"github.com/haul-dl/haul/sdk/errs"
)

const home = "192.0.2.1:4000"

// fixture is a service over a real database, at a time that tests set.
type fixture struct {
	*Service
	db   *bolt.DB
	file string
	log  *bytes.Buffer

	mu   sync.Mutex // guards time
	time time.Time
}

func (f *fixture) clock() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.time
}

func (f *fixture) pass(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.time = f.time.Add(d)
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	dir := t.TempDir()
	f := &fixture{file: filepath.Join(dir, "haul.db"), log: &bytes.Buffer{}, time: time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)}
	box, err := secret.Open(filepath.Join(dir, "secret.key"))
	if err != nil {
		t.Fatal(err)
	}
	if f.db, err = bolt.Open(f.file, bolt.Options{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.db.Close() })
	st, err := store.New(t.Context(), f.db, store.Options{Box: box, Logger: hclog.NewNullLogger()})
	if err != nil {
		t.Fatal(err)
	}
	f.Service = New(Options{Store: st, Logger: hclog.New(&hclog.LoggerOptions{Output: f.log, Level: hclog.Trace}), Clock: f.clock})
	return f
}

// started is a fixture whose admin has the password "right".
func started(t *testing.T) *fixture {
	t.Helper()
	f := newFixture(t)
	if _, err := f.Bootstrap(t.Context(), "right"); err != nil {
		t.Fatal(err)
	}
	return f
}

func (f *fixture) login(t *testing.T) *core.Login {
	t.Helper()
	login, err := f.Login(t.Context(), "admin", "right", home)
	if err != nil {
		t.Fatal(err)
	}
	return login
}

func (f *fixture) identity(t *testing.T, token string) *core.Identity {
	t.Helper()
	id, err := f.Authenticate(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestTheFirstStartMakesAnAdminWhoCanLogIn(t *testing.T) {
	for name, given := range map[string]string{"with the password given": "correct horse", "with one of its own": ""} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			generated, err := f.Bootstrap(t.Context(), given)
			if err != nil {
				t.Fatal(err)
			}
			password := given
			if given == "" {
				password = generated
			} else if generated != "" {
				t.Errorf("generated %q although one was given", generated)
			}
			login, err := f.Login(t.Context(), "admin", password, home)
			if err != nil {
				t.Fatal(err)
			}
			id := f.identity(t, login.Secret)
			if id.Name != "admin" || id.GroupName != "admins" || !id.IsAdmin() || !id.Has(core.PermissionDownload) {
				t.Errorf("logged in as %+v", id)
			}
			if _, err := f.store.GroupByName(t.Context(), "users"); err != nil {
				t.Errorf("the group of users: %v", err)
			}
		})
	}
}

func TestLaterStartsChangeNothing(t *testing.T) {
	f := started(t)
	for _, password := range []string{"", "another"} {
		generated, err := f.Bootstrap(t.Context(), password)
		if err != nil || generated != "" {
			t.Fatalf("generated %q, %v", generated, err)
		}
	}
	f.login(t)
	if _, err := f.Login(t.Context(), "admin", "another", home); !errs.Is(err, errs.InvalidLogin) {
		t.Errorf("the password of a later start: %v", err)
	}
}

func TestALoginThatFailsDoesNotTellWhy(t *testing.T) {
	f := started(t)
	cases := map[string][2]string{
		"a wrong password": {"admin", "wrong"}, "no password": {"admin", ""}, "nobody's name": {"eve", "right"},
		"no name": {"", "right"}, "a name that cannot be": {"../admin", "right"}, "other letters": {"Admin", "right"},
		"a huge password": {"admin", strings.Repeat("x", 1<<20)}, "the right one and more": {"admin", "right\x00"},
	}
	messages := map[string]bool{}
	remote := 0
	for name, c := range cases {
		remote++
		_, err := f.Login(t.Context(), c[0], c[1], "10.0.0."+string(rune('0'+remote)))
		if !errs.Is(err, errs.InvalidLogin) {
			t.Errorf("%s: %v", name, err)
		}
		messages[errs.MessageOf(err)] = true
	}
	if len(messages) != 1 {
		t.Errorf("the answers differ: %v", messages)
	}
}

func TestNobodysPasswordIsHashedAsAnybodysIs(t *testing.T) {
	f := started(t)
	f.hashing <- struct{}{} // so that whoever needs a hash waits
	for _, name := range []string{"admin", "eve", "../admin"} {
		ctx, cancel := context.WithCancel(t.Context())
		answered := make(chan error, 1)
		go func() {
			_, err := f.Login(ctx, name, "wrong", home)
			answered <- err
		}()
		waitFor(t, func() bool { return f.waiting.Load() == 1 })
		cancel()
		if err := <-answered; !errs.Is(err, errs.Canceled) {
			t.Errorf("%s was answered without a hash: %v", name, err)
		}
	}
	somebodys, err := parseHash(hashPassword("x"))
	if err != nil {
		t.Fatal(err)
	}
	nobodys, err := parseHash(dummyHash())
	if err != nil {
		t.Fatal(err)
	}
	somebodys.salt, somebodys.hash = make([]byte, len(somebodys.salt)), make([]byte, len(somebodys.hash))
	if !reflect.DeepEqual(somebodys, nobodys) {
		t.Errorf("nobody's hash costs %+v, a real one %+v", nobodys, somebodys)
	}
}

func waitFor(t *testing.T, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain")
		}
	}
}

func TestGuessersInParallelGetNoMoreGuesses(t *testing.T) {
	f := started(t)
	var group sync.WaitGroup
	var mu sync.Mutex // guards count
	count := map[errs.Code]int{}
	for range 40 {
		group.Go(func() {
			_, err := f.Login(t.Context(), "admin", "wrong", home)
			mu.Lock()
			defer mu.Unlock()
			count[errs.CodeOf(err)]++
		})
	}
	group.Wait()
	if count[errs.InvalidLogin] != freeGuesses || count[errs.TooManyLogins] != 40-freeGuesses {
		t.Errorf("answers: %v", count)
	}
	if _, err := f.Login(t.Context(), "admin", "right", home); !errs.Is(err, errs.TooManyLogins) {
		t.Errorf("the right password while waiting: %v", err)
	}
	f.pass(maxWait)
	f.login(t)
}

func TestManyLogInAtOnce(t *testing.T) {
	f := started(t)
	var group sync.WaitGroup
	for range 20 {
		group.Go(func() {
			if _, err := f.Login(t.Context(), "admin", "right", home); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
}

func TestTooManyAtOnceAreSentAway(t *testing.T) {
	f := started(t)
	f.hashing <- struct{}{} // somebody's hash that does not end
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	for range maxWaiting {
		group.Go(func() {
			if _, err := f.Login(ctx, "admin", "right", home); !errs.Is(err, errs.Canceled) {
				t.Errorf("who gave up: %v", err)
			}
		})
	}
	waitFor(t, func() bool { return f.waiting.Load() == maxWaiting })
	if _, err := f.Login(t.Context(), "admin", "right", home); !errs.Is(err, errs.TooManyLogins) {
		t.Errorf("one more: %v", err)
	}
	cancel()
	group.Wait()
	<-f.hashing
	f.login(t)
}

func TestALogoutEndsItsTokenAtOnceAndNoOther(t *testing.T) {
	f := started(t)
	here, there := f.login(t), f.login(t)
	id := f.identity(t, here.Secret)
	f.identity(t, there.Secret)
	if err := f.Logout(core.WithIdentity(t.Context(), id)); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Authenticate(t.Context(), here.Secret); !errs.Is(err, errs.Unauthenticated) {
		t.Errorf("the token that was logged out: %v", err)
	}
	f.identity(t, there.Secret)
	if err := f.Logout(core.WithIdentity(t.Context(), id)); err != nil {
		t.Errorf("logging out twice: %v", err)
	}
	if err := f.Logout(t.Context()); !errs.Is(err, errs.Unauthenticated) {
		t.Errorf("logging out as nobody: %v", err)
	}
}

func TestATokenExpires(t *testing.T) {
	f := started(t)
	login := f.login(t)
	if want := f.clock().Add(tokenLife); !login.ExpiresAt.Equal(want) {
		t.Errorf("expires at %s, want %s", login.ExpiresAt, want)
	}
	f.pass(tokenLife - time.Second)
	f.identity(t, login.Secret)
	f.pass(time.Second)
	if _, err := f.Authenticate(t.Context(), login.Secret); !errs.Is(err, errs.Unauthenticated) {
		t.Errorf("an expired token that is cached: %v", err)
	}
	f.pass(cacheLife)
	if _, err := f.Authenticate(t.Context(), login.Secret); !errs.Is(err, errs.Unauthenticated) {
		t.Errorf("an expired token that is not: %v", err)
	}
}

func TestExpiredTokensAreRemovedAndNoOthers(t *testing.T) {
	f := started(t)
	old := f.identity(t, f.login(t).Secret)
	f.pass(time.Hour)
	young := f.identity(t, f.login(t).Secret)
	f.pass(tokenLife - time.Minute)
	fresh := f.identity(t, f.login(t).Secret)
	for id, want := range map[core.TokenID]errs.Code{old.Token: errs.NotFound, young.Token: "", fresh.Token: ""} {
		if _, err := f.store.Token(t.Context(), id); errs.CodeOf(err) != want {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func TestOnlyTokensThatWereMadeAreTaken(t *testing.T) {
	f := started(t)
	token := f.login(t).Secret
	flipped := []byte(token)
	flipped[10] ^= 1
	for _, s := range []string{"", "haul_", token[:len(token)-1], token + "a", string(flipped), " " + token, strings.Repeat("a", 1<<20), strings.ToUpper(token)} {
		if _, err := f.Authenticate(t.Context(), s); !errs.Is(err, errs.Unauthenticated) {
			t.Errorf("%.60q: %v", s, err)
		}
	}
}

func TestARequestReadsNothingOnceItsTokenIsKnown(t *testing.T) {
	f := started(t)
	token := f.login(t).Secret
	f.identity(t, token)
	if err := f.db.Close(); err != nil {
		t.Fatal(err)
	}
	f.identity(t, token)
	f.pass(cacheLife)
	if _, err := f.Authenticate(t.Context(), token); err == nil || errs.Is(err, errs.Unauthenticated) {
		t.Errorf("a store that fails must not look like a wrong token: %v", err)
	}
}

func TestNeitherPasswordsNorTokensAreWrittenAnywhere(t *testing.T) {
	f := newFixture(t)
	const password = "correct horse battery staple"
	if _, err := f.Bootstrap(t.Context(), password); err != nil {
		t.Fatal(err)
	}
	login, err := f.Login(t.Context(), "admin", password, home)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = f.Login(t.Context(), "hunter2", "hunter3", home)
	if err := f.Logout(core.WithIdentity(t.Context(), f.identity(t, login.Secret))); err != nil {
		t.Fatal(err)
	}
	stored, err := os.ReadFile(f.file)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{password, login.Secret, login.Secret[len(tokenPrefix):], "hunter2", "hunter3"} {
		if bytes.Contains(stored, []byte(s)) {
			t.Errorf("the database holds %q", s)
		}
		if strings.Contains(f.log.String(), s) {
			t.Errorf("the log holds %q", s)
		}
	}
}

func TestACacheNeverBringsBackWhatWasRemoved(t *testing.T) {
	c, now := newIdentityCache(), time.Unix(0, 0)
	_, _, before := c.get(tokenHash{1}, now)
	c.remove(func(id *core.Identity) bool { return id.Token == "t1" }) // while the entry is read from the store
	c.put(tokenHash{1}, cached{identity: core.Identity{Token: "t1"}, until: now.Add(time.Hour)}, before)
	if _, found, _ := c.get(tokenHash{1}, now); found {
		t.Error("it is back")
	}
}

func TestACacheIsBounded(t *testing.T) {
	c, now := newIdentityCache(), time.Unix(0, 0)
	for i := range 2 * maxCached {
		c.put(tokenHash{byte(i), byte(i >> 8), byte(i >> 16)}, cached{until: now.Add(time.Hour)}, 0)
	}
	if len(c.entries) != maxCached {
		t.Errorf("%d entries", len(c.entries))
	}
}

func BenchmarkAuthenticate(b *testing.B) {
	c := &Service{now: time.Now, cache: newIdentityCache()}
	token := newSecret()
	hash := hashOf(token)
	c.cache.put(hash, cached{expires: time.Now().Add(time.Hour), until: time.Now().Add(time.Hour)}, 0)
	for b.Loop() {
		if _, err := c.Authenticate(b.Context(), token); err != nil {
			b.Fatal(err)
		}
	}
}
