package rest_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/haul-dl/haul/api/apigen"
	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/sdk/errs"
)

func TestStorages(t *testing.T) {
	h := newHarness(t)
	var list apigen.StorageList
	h.do("GET", "/api/v1/storages?limit=2", "").is(200).into(&list)
	if len(list.Items) != 2 || *list.NextCursor != "more" || list.Items[0].Health.State != "unknown" || string(list.Items[0].Settings) != "{}" {
		t.Errorf("got %+v", list)
	}
	var s apigen.Storage
	h.do("GET", "/api/v1/storages/cloud", "").is(200).into(&s)
	var settings map[string]string
	if err := json.Unmarshal(s.Settings, &settings); err != nil {
		t.Fatal(err)
	}
	if s.Kind != "rclone" || s.FreeBytes != nil || *s.TotalBytes != 7 || *s.Health.Code != "storage_auth_failed" || settings["secret"] != core.RedactedSecret {
		t.Errorf("got %+v", s)
	}
	h.do("GET", "/api/v1/storages/none", "").problem(404, "not_found")
	var test apigen.TestResult
	h.do("POST", "/api/v1/storages/cloud/test", "").is(200).into(&test)
	if test.Ok || *test.Checks[0].Code != "storage_auth_failed" || *test.Checks[0].Hint == "" {
		t.Errorf("got %+v", test)
	}
	h.do("DELETE", "/api/v1/storages/cloud", "").is(204)
	h.storages.err = errs.New(errs.InUse, "3 tasks deliver there.")
	h.do("DELETE", "/api/v1/storages/cloud", "").problem(409, "in_use")
	h.storages.err = errs.New(errs.Forbidden, "Your group does not have the permission.")
	h.do("POST", "/api/v1/storages", `{"name":"a","kind":"local"}`).problem(403, "forbidden")
}

func TestStorageChangesAreHandedOver(t *testing.T) {
	h := newHarness(t)
	h.do("POST", "/api/v1/storages", `{"name":"a","kind":"local","settings":{"path":"/srv/x"}}`).is(201)
	if want := (&core.StorageChange{Name: new("a"), Kind: new("local"), Settings: []byte(`{"path":"/srv/x"}`)}); !reflect.DeepEqual(h.storages.change, want) {
		t.Errorf("create: got %+v", h.storages.change)
	}
	h.do("PATCH", "/api/v1/storages/a", `{"name":"b"}`).is(200)
	if want := (&core.StorageChange{Name: new("b")}); !reflect.DeepEqual(h.storages.change, want) {
		t.Errorf("update: got %+v", h.storages.change)
	}
	h.do("POST", "/api/v1/storages/test", `{"kind":"rclone","settings":{"a":1}}`).is(200)
	if want := (&core.StorageChange{Kind: new("rclone"), Settings: []byte(`{"a":1}`)}); !reflect.DeepEqual(h.storages.change, want) {
		t.Errorf("test: got %+v", h.storages.change)
	}
	h.storages.change = nil
	for body, code := range map[string]string{
		`{"name":"a"}`: "invalid_request", `{"kind":"local"}`: "invalid_request", `{"name":"","kind":"local"}`: "invalid_request",
		`{"name":"a","kind":"local","settings":[]}`: "invalid_request", `{"name":"a","kind":"local","path":"/"}`: "unknown_field",
	} {
		h.do("POST", "/api/v1/storages", body).problem(400, code)
	}
	h.do("PATCH", "/api/v1/storages/a", `{"kind":""}`).problem(400, "invalid_request")
	h.do("PATCH", "/api/v1/storages/a", `{"health":{}}`).problem(400, "unknown_field")
	if h.storages.change != nil {
		t.Errorf("the service was asked for %+v", h.storages.change)
	}
}

func TestUsersAndGroupsAreForAdmins(t *testing.T) {
	h := newHarness(t)
	for _, request := range []string{
		"GET /api/v1/users", "POST /api/v1/users", "GET /api/v1/users/x", "PATCH /api/v1/users/x", "DELETE /api/v1/users/x",
		"GET /api/v1/groups", "POST /api/v1/groups", "GET /api/v1/groups/x", "PATCH /api/v1/groups/x", "DELETE /api/v1/groups/x",
	} {
		method, path, _ := strings.Cut(request, " ")
		h.do(method, path, "").problem(403, "forbidden")
	}
}

func TestUsers(t *testing.T) {
	h := newHarness(t)
	var list apigen.UserList
	a := h.do("GET", "/api/v1/users", "", asAdmin).is(200)
	a.into(&list)
	if len(list.Items) != 2 || list.Items[0].Group != "users" || list.Items[1].Group != "gone" || strings.Contains(string(a.body), "argon2id") {
		t.Errorf("got %s", a.body)
	}
	h.do("POST", "/api/v1/users", `{"name":"alice","password":"s","group":"users"}`, asAdmin).is(201)
	if want := (&core.NewUser{Name: "alice", Password: "s", Group: "users"}); !reflect.DeepEqual(h.accounts.made, want) {
		t.Errorf("made %+v", h.accounts.made)
	}
	h.do("PATCH", "/api/v1/users/alice", `{"password":"t","group":"g"}`, asAdmin).is(200)
	if want := (&core.UserChange{Password: new("t"), Group: new("g")}); !reflect.DeepEqual(h.accounts.changed, want) {
		t.Errorf("changed %+v", h.accounts.changed)
	}
	for body, code := range map[string]string{
		`{"name":"alice"}`: "invalid_request", `{"name":"alice","password":""}`: "invalid_request",
		`{"name":"alice","password":"x","admin":true}`: "unknown_field", `{"name":"alice","password":null}`: "invalid_request",
		`{"name":"alice","password":"` + strings.Repeat("x", 1025) + `"}`: "invalid_request",
	} {
		p := h.do("POST", "/api/v1/users", body, asAdmin).problem(400, code)
		if strings.Contains(p.Detail, "xxx") {
			t.Errorf("the answer repeats a password: %s", p.Detail)
		}
	}
	h.do("PATCH", "/api/v1/users/alice", `{"name":"bob"}`, asAdmin).problem(400, "unknown_field")
	h.do("DELETE", "/api/v1/users/alice", "", asAdmin).is(204)
	h.accounts.err = errs.New(errs.LastAdmin, "Nobody would be an admin any more.")
	h.do("DELETE", "/api/v1/users/admin", "", asAdmin).problem(409, "last_admin")
}

func TestOnesOwnPassword(t *testing.T) {
	h := newHarness(t)
	h.do("PATCH", "/api/v1/me", `{"password":"new","current_password":"old"}`).is(204)
	if h.accounts.present != "old" {
		t.Errorf("the present one was given as %q", h.accounts.present)
	}
	h.do("PATCH", "/api/v1/me", `{"password":"new"}`).problem(400, "invalid_request")
	h.do("PATCH", "/api/v1/me", `{"password":"new","current_password":"old","group":"admins"}`).problem(400, "unknown_field")
	h.accounts.err = errs.New(errs.InvalidLogin, "The present password is wrong.")
	h.do("PATCH", "/api/v1/me", `{"password":"new","current_password":"x"}`).problem(401, "invalid_login")
}

func TestGroups(t *testing.T) {
	h := newHarness(t)
	var list apigen.GroupList
	h.do("GET", "/api/v1/groups", "", asAdmin).is(200).into(&list)
	if g := list.Items[0]; g.Seed.Ratio != 2 || !reflect.DeepEqual(g.Permissions, []apigen.Permission{"download"}) || list.Items[1].Seed != nil {
		t.Errorf("got %+v", list)
	}
	h.do("GET", "/api/v1/groups/users", "", asAdmin).is(200)
	h.do("POST", "/api/v1/groups", `{"name":"friends"}`, asAdmin).is(201)
	if want := (&core.GroupChange{Name: new("friends")}); !reflect.DeepEqual(h.accounts.group, want) {
		t.Errorf("made %+v", h.accounts.group)
	}
	h.do("PATCH", "/api/v1/groups/users", `{"permissions":["admin"],"seed":null}`, asAdmin).is(200)
	if want := (&core.GroupChange{Permissions: &[]core.Permission{core.PermissionAdmin}, Seed: &core.SeedChange{}}); !reflect.DeepEqual(h.accounts.group, want) {
		t.Errorf("changed %+v", h.accounts.group)
	}
	h.do("POST", "/api/v1/groups", `{"name":"x","permissions":["root"]}`, asAdmin).problem(400, "invalid_request")
	h.do("DELETE", "/api/v1/groups/users", "", asAdmin).is(204)
	h.accounts.err = errs.New(errs.InUse, "The group has users.")
	h.do("DELETE", "/api/v1/groups/users", "", asAdmin).problem(409, "in_use")
}
