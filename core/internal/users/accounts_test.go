package users

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/store"
	"github.com/haul-dl/haul/sdk/errs"
)

// office is a started fixture with the contexts of its admin and of a user.
type office struct {
	*fixture
	admin, alice context.Context
	token        string // alice's
}

func newOffice(t *testing.T) *office {
	t.Helper()
	o := &office{fixture: started(t)}
	o.admin = core.WithIdentity(t.Context(), o.identity(t, o.tokenOf(t, "admin")))
	o.make(t, "alice", "")
	o.token = o.tokenOf(t, "alice")
	o.alice = core.WithIdentity(t.Context(), o.identity(t, o.token))
	return o
}

// make makes a user with a password that tells their name.
func (o *office) make(t *testing.T, name, group string) *core.UserView {
	t.Helper()
	u, err := o.CreateUser(o.admin, &core.NewUser{Name: name, Password: "pw of " + name, Group: group})
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// tokenOf makes a token without the slow check of a password.
func (o *office) tokenOf(t *testing.T, name string) string {
	t.Helper()
	u, err := o.store.UserByName(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	login, err := o.newToken(t.Context(), u, "test")
	if err != nil {
		t.Fatal(err)
	}
	return login.Secret
}

func (o *office) loginAs(t *testing.T, name, password string) string {
	t.Helper()
	login, err := o.Login(t.Context(), name, password, home)
	if err != nil {
		t.Fatal(err)
	}
	return login.Secret
}

func checkCode(t *testing.T, err error, want errs.Code) {
	t.Helper()
	if errs.CodeOf(err) != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestAUserIsMadeFoundAndListed(t *testing.T) {
	o := newOffice(t)
	bob := o.make(t, "bob", core.AdminGroupName)
	if bob.GroupName != "admins" || bob.Name != "bob" {
		t.Errorf("made %+v", bob)
	}
	for _, ref := range []string{"bob", string(bob.ID)} {
		if got, err := o.GetUser(o.admin, ref); err != nil || got.ID != bob.ID || got.GroupName != "admins" {
			t.Errorf("%s: got %+v, %v", ref, got, err)
		}
	}
	var names []string
	for cursor := ""; ; {
		page, err := o.ListUsers(o.admin, 2, cursor)
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range page.Items {
			names = append(names, u.Name+" "+u.GroupName)
		}
		if cursor = page.NextCursor; cursor == "" {
			break
		}
	}
	if want := []string{"admin admins", "alice users", "bob admins"}; !reflect.DeepEqual(names, want) {
		t.Errorf("listed %q", names)
	}
	if id := o.identity(t, o.tokenOf(t, "bob")); !id.IsAdmin() {
		t.Errorf("bob is %+v", id)
	}
}

func TestWhatCannotBeAUserIsRefusedByField(t *testing.T) {
	o := newOffice(t)
	for name, tt := range map[string]struct {
		user  core.NewUser
		code  errs.Code
		field string
	}{
		"a name that is taken":              {core.NewUser{Name: "alice", Password: "x"}, errs.NameTaken, "name"},
		"a path":                            {core.NewUser{Name: "../x", Password: "x"}, errs.InvalidRequest, "name"},
		"a device of Windows":               {core.NewUser{Name: "nul.txt", Password: "x"}, errs.InvalidRequest, "name"},
		"capitals, which some disks ignore": {core.NewUser{Name: "Alice", Password: "x"}, errs.InvalidRequest, "name"},
		"no password":                       {core.NewUser{Name: "carol"}, errs.InvalidRequest, "password"},
		"a password without an end":         {core.NewUser{Name: "carol", Password: strings.Repeat("x", 2000)}, errs.InvalidRequest, "password"},
		"a group that is not there":         {core.NewUser{Name: "carol", Password: "x", Group: "none"}, errs.InvalidRequest, "group"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := o.CreateUser(o.admin, &tt.user)
			checkCode(t, err, tt.code)
			if e, ok := errors.AsType[*errs.Error](err); !ok || len(e.Fields) == 0 || e.Fields[0].Name != tt.field {
				t.Errorf("got %#v, want the field %q", err, tt.field)
			}
		})
	}
}

func TestANewPasswordEndsAllTokens(t *testing.T) {
	o := newOffice(t)
	second := o.tokenOf(t, "alice")
	if _, err := o.UpdateUser(o.admin, "alice", &core.UserChange{Password: new("another one")}); err != nil {
		t.Fatal(err)
	}
	for _, token := range []string{o.token, second} {
		_, err := o.Authenticate(t.Context(), token)
		checkCode(t, err, errs.Unauthenticated)
	}
	_, err := o.Login(t.Context(), "alice", "pw of alice", home)
	checkCode(t, err, errs.InvalidLogin)
	o.identity(t, o.loginAs(t, "alice", "another one"))
	u, err := o.GetUser(o.admin, "alice")
	if err != nil {
		t.Fatal(err)
	}
	if left, _, err := o.store.TokensOf(t.Context(), u.ID, 0, ""); err != nil || len(left) != 1 {
		t.Errorf("%d tokens are left, %v", len(left), err)
	}
}

func TestATokenThatComesLateForAnOldPasswordIsNotMade(t *testing.T) {
	o := newOffice(t)
	u, err := o.store.UserByName(t.Context(), "alice")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := o.UpdateUser(o.admin, "alice", &core.UserChange{Password: new("another one")}); err != nil {
		t.Fatal(err)
	}
	_, err = o.newToken(t.Context(), u, "login")
	checkCode(t, err, errs.InvalidLogin)
}

func TestOneChangesOnesOwnPasswordWithThePresentOne(t *testing.T) {
	o := newOffice(t)
	checkCode(t, o.ChangePassword(o.alice, "guess", "another one"), errs.InvalidLogin)
	checkCode(t, o.ChangePassword(o.alice, "pw of alice", ""), errs.InvalidRequest)
	if err := o.ChangePassword(o.alice, "pw of alice", "another one"); err != nil {
		t.Fatal(err)
	}
	_, err := o.Authenticate(t.Context(), o.token)
	checkCode(t, err, errs.Unauthenticated)
	o.loginAs(t, "alice", "another one")
	for range freeGuesses {
		_ = o.ChangePassword(o.alice, "guess", "x")
	}
	checkCode(t, o.ChangePassword(o.alice, "another one", "x"), errs.TooManyLogins)
}

func TestSomebodyStaysAnAdmin(t *testing.T) {
	o := newOffice(t)
	_, err := o.UpdateUser(o.admin, "admin", &core.UserChange{Group: new("users")})
	checkCode(t, err, errs.LastAdmin)
	checkCode(t, o.DeleteUser(o.admin, "admin"), errs.LastAdmin)
	_, err = o.UpdateGroup(o.admin, "admins", &core.GroupChange{Permissions: &[]core.Permission{core.PermissionDownload}})
	checkCode(t, err, errs.LastAdmin)

	o.make(t, "bob", "admins")
	if _, err := o.UpdateUser(o.admin, "admin", &core.UserChange{Group: new("users")}); err != nil {
		t.Fatal(err)
	}
	checkCode(t, o.DeleteUser(o.admin, "bob"), errs.LastAdmin)
}

func TestAGroupsRightsCountAtOnce(t *testing.T) {
	o := newOffice(t)
	if _, err := o.UpdateGroup(o.admin, "users", &core.GroupChange{Permissions: &[]core.Permission{}}); err != nil {
		t.Fatal(err)
	}
	if id := o.identity(t, o.token); id.Has(core.PermissionDownload) {
		t.Errorf("still %+v", id)
	}
	if _, err := o.UpdateUser(o.admin, "alice", &core.UserChange{Group: new("admins")}); err != nil {
		t.Fatal(err)
	}
	if id := o.identity(t, o.token); !id.IsAdmin() {
		t.Errorf("still %+v", id)
	}
}

func TestAUserWithRunningTasksStays(t *testing.T) {
	o := newOffice(t)
	alice, err := core.IdentityFrom(o.alice)
	if err != nil {
		t.Fatal(err)
	}
	task := core.Task{ID: core.NewID[core.TaskID](), Owner: alice.User, State: core.StateSeeding}
	put := func(state core.TaskState) {
		task.State = state
		if err := o.store.Update(t.Context(), func(tx *store.Tx) error { return tx.PutTask(&task) }); err != nil {
			t.Fatal(err)
		}
	}
	put(core.StateSeeding)
	checkCode(t, o.DeleteUser(o.admin, "alice"), errs.InUse)
	put(core.StateCompleted)
	if err := o.DeleteUser(o.admin, "alice"); err != nil {
		t.Fatal(err)
	}
	_, err = o.Authenticate(t.Context(), o.token)
	checkCode(t, err, errs.Unauthenticated)
	_, err = o.GetUser(o.admin, "alice")
	checkCode(t, err, errs.NotFound)
}

func TestGroups(t *testing.T) {
	o := newOffice(t)
	policy := &core.SeedPolicy{Enabled: true, Ratio: 2}
	g, err := o.CreateGroup(o.admin, &core.GroupChange{Name: new("friends"), Seed: &core.SeedChange{Policy: policy}})
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(g.Permissions, []core.Permission{core.PermissionDownload}) || g.Seed.Ratio != 2 {
		t.Errorf("made %+v", g)
	}
	_, err = o.CreateGroup(o.admin, &core.GroupChange{Name: new("friends")})
	checkCode(t, err, errs.NameTaken)
	_, err = o.CreateGroup(o.admin, &core.GroupChange{Name: new("a/b")})
	checkCode(t, err, errs.InvalidRequest)
	_, err = o.UpdateGroup(o.admin, "friends", &core.GroupChange{Permissions: &[]core.Permission{"root"}})
	checkCode(t, err, errs.InvalidRequest)
	g, err = o.UpdateGroup(o.admin, string(g.ID), &core.GroupChange{Name: new("pals"), Seed: &core.SeedChange{}})
	if err != nil || g.Name != "pals" || g.Seed != nil {
		t.Errorf("got %+v, %v", g, err)
	}
	o.make(t, "bob", "pals")
	checkCode(t, o.DeleteGroup(o.admin, "pals"), errs.InUse)
	if err := o.DeleteUser(o.admin, "bob"); err != nil {
		t.Fatal(err)
	}
	if err := o.DeleteGroup(o.admin, "pals"); err != nil {
		t.Fatal(err)
	}
	page, err := o.ListGroups(o.admin, 0, "")
	if err != nil || len(page.Items) != 2 {
		t.Errorf("got %+v, %v", page, err)
	}
}

func TestOnlyAdminsManageAccounts(t *testing.T) {
	o := newOffice(t)
	calls := map[string]func(context.Context) error{
		"list users":   func(ctx context.Context) error { _, err := o.ListUsers(ctx, 0, ""); return err },
		"see a user":   func(ctx context.Context) error { _, err := o.GetUser(ctx, "alice"); return err },
		"make a user":  func(ctx context.Context) error { _, err := o.CreateUser(ctx, &core.NewUser{}); return err },
		"change one":   func(ctx context.Context) error { _, err := o.UpdateUser(ctx, "alice", &core.UserChange{}); return err },
		"remove one":   func(ctx context.Context) error { return o.DeleteUser(ctx, "alice") },
		"list groups":  func(ctx context.Context) error { _, err := o.ListGroups(ctx, 0, ""); return err },
		"see a group":  func(ctx context.Context) error { _, err := o.GetGroup(ctx, "users"); return err },
		"make a group": func(ctx context.Context) error { _, err := o.CreateGroup(ctx, &core.GroupChange{}); return err },
		"change it": func(ctx context.Context) error {
			_, err := o.UpdateGroup(ctx, "users", &core.GroupChange{})
			return err
		},
		"remove it": func(ctx context.Context) error { return o.DeleteGroup(ctx, "users") },
	}
	for name, call := range calls {
		t.Run(name, func(t *testing.T) {
			checkCode(t, call(o.alice), errs.Forbidden)
			checkCode(t, call(t.Context()), errs.Unauthenticated)
		})
	}
	checkCode(t, o.ChangePassword(t.Context(), "a", "b"), errs.Unauthenticated)
}

func TestNoSecretOfAnAccountIsLogged(t *testing.T) {
	o := newOffice(t)
	if _, err := o.UpdateUser(o.admin, "alice", &core.UserChange{Password: new("tell nobody")}); err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"tell nobody", "pw of alice", "argon2id", o.token} {
		if strings.Contains(o.log.String(), secret) {
			t.Errorf("the log has %q", secret)
		}
	}
}
