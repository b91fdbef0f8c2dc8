package rest_test

import (
	"context"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

// fakeStorages answers with what the test sets and remembers what it was asked.
type fakeStorages struct {
	change *core.StorageChange
	err    error
}

func testStorage() *core.StorageView {
	return &core.StorageView{
		Storage: core.Storage{ID: "s2", Name: "cloud", Kind: "rclone", Settings: []byte(`{"type":"s3","secret":"<secret>"}`), CreatedAt: testTime},
		Health:  core.Health{State: core.HealthDegraded, Code: errs.StorageAuthFailed, Message: "refused", CheckedAt: testTime},

		FreeBytes: -1, TotalBytes: 7,
	}
}

func (f *fakeStorages) ListStorages(context.Context, int, string) (*core.Page[core.StorageView], error) {
	bare := core.StorageView{Storage: core.Storage{ID: "s1", Name: "local", Kind: core.StorageLocal}}
	return &core.Page[core.StorageView]{Items: []core.StorageView{bare, *testStorage()}, NextCursor: "more"}, f.err
}

func (f *fakeStorages) GetStorage(_ context.Context, id string) (*core.StorageView, error) {
	if id != "cloud" {
		return nil, errs.New(errs.NotFound, "There is no storage %q.", id)
	}
	return testStorage(), nil
}

func (f *fakeStorages) CreateStorage(_ context.Context, c *core.StorageChange) (*core.StorageView, error) {
	f.change = c
	return testStorage(), f.err
}

func (f *fakeStorages) UpdateStorage(_ context.Context, _ string, c *core.StorageChange) (*core.StorageView, error) {
	f.change = c
	return testStorage(), f.err
}

func (f *fakeStorages) DeleteStorage(context.Context, string) error { return f.err }

func (f *fakeStorages) TestStorage(context.Context, string) (*downloader.TestResult, error) {
	return &downloader.TestResult{Checks: []downloader.TestCheck{{Name: "writable", Err: errs.New(errs.StorageAuthFailed, "Refused.")}}}, f.err
}

func (f *fakeStorages) TestUnsavedStorage(_ context.Context, c *core.StorageChange) (*downloader.TestResult, error) {
	f.change = c
	return &downloader.TestResult{Checks: []downloader.TestCheck{{Name: "writable"}}}, f.err
}

// fakeAccounts answers with what the test sets and remembers what it was asked.
type fakeAccounts struct {
	made    *core.NewUser
	changed *core.UserChange
	group   *core.GroupChange
	present string
	err     error
}

func testUser() core.UserView {
	return core.UserView{
		User:      core.User{ID: "u1", Name: "alice", Group: "g1", PasswordHash: "$argon2id$tell$nobody", CreatedAt: testTime},
		GroupName: "users",
	}
}

func testGroup() core.Group {
	return core.Group{
		ID: "g1", Name: "users", Permissions: []core.Permission{core.PermissionDownload},
		Seed: &core.SeedPolicy{Enabled: true, Ratio: 2}, CreatedAt: testTime,
	}
}

func (f *fakeAccounts) ListUsers(context.Context, int, string) (*core.Page[core.UserView], error) {
	return &core.Page[core.UserView]{Items: []core.UserView{testUser(), {User: core.User{ID: "u2", Name: "bob", Group: "gone"}}}}, f.err
}

func (f *fakeAccounts) GetUser(context.Context, string) (*core.UserView, error) {
	u := testUser()
	return &u, f.err
}

func (f *fakeAccounts) CreateUser(_ context.Context, u *core.NewUser) (*core.UserView, error) {
	f.made = u
	return f.GetUser(context.Background(), "")
}

func (f *fakeAccounts) UpdateUser(_ context.Context, _ string, c *core.UserChange) (*core.UserView, error) {
	f.changed = c
	return f.GetUser(context.Background(), "")
}

func (f *fakeAccounts) DeleteUser(context.Context, string) error { return f.err }

func (f *fakeAccounts) ChangePassword(_ context.Context, present, _ string) error {
	f.present = present
	return f.err
}

func (f *fakeAccounts) ListGroups(context.Context, int, string) (*core.Page[core.Group], error) {
	return &core.Page[core.Group]{Items: []core.Group{testGroup(), {ID: "g2", Name: "none"}}}, f.err
}

func (f *fakeAccounts) GetGroup(context.Context, string) (*core.Group, error) {
	g := testGroup()
	return &g, f.err
}

func (f *fakeAccounts) CreateGroup(_ context.Context, c *core.GroupChange) (*core.Group, error) {
	f.group = c
	return f.GetGroup(context.Background(), "")
}

func (f *fakeAccounts) UpdateGroup(_ context.Context, _ string, c *core.GroupChange) (*core.Group, error) {
	f.group = c
	return f.GetGroup(context.Background(), "")
}

func (f *fakeAccounts) DeleteGroup(context.Context, string) error { return f.err }
