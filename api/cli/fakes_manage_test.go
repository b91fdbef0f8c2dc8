package cli_test

import (
	"context"
	"slices"
	"sync"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

// fakeStorages keeps storages in memory.
type fakeStorages struct {
	mu  sync.Mutex
	all []core.StorageView
}

func (f *fakeStorages) find(name string) (*core.StorageView, error) {
	for i := range f.all {
		if f.all[i].Name == name {
			return &f.all[i], nil
		}
	}
	return nil, errs.New(errs.NotFound, "There is no storage %q.", name)
}

func (f *fakeStorages) ListStorages(context.Context, int, string) (*core.Page[core.StorageView], error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return &core.Page[core.StorageView]{Items: slices.Clone(f.all)}, nil
}

func (f *fakeStorages) GetStorage(_ context.Context, name string) (*core.StorageView, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.find(name)
}

func (f *fakeStorages) CreateStorage(_ context.Context, c *core.StorageChange) (*core.StorageView, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.all = append(f.all, core.StorageView{
		Storage:   core.Storage{ID: core.StorageID("id-" + *c.Name), Name: *c.Name, Kind: core.StorageKind(*c.Kind), Settings: c.Settings, CreatedAt: testTime},
		Health:    core.Health{State: core.HealthOK},
		FreeBytes: 3 << 30, TotalBytes: -1,
	})
	return &f.all[len(f.all)-1], nil
}

func (f *fakeStorages) UpdateStorage(_ context.Context, name string, c *core.StorageChange) (*core.StorageView, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	v, err := f.find(name)
	if err != nil {
		return nil, err
	}
	if c.Name != nil {
		v.Name = *c.Name
	}
	if c.Settings != nil {
		v.Settings = c.Settings
	}
	return v, nil
}

func (f *fakeStorages) DeleteStorage(_ context.Context, name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, err := f.find(name); err != nil {
		return err
	}
	f.all = slices.DeleteFunc(f.all, func(v core.StorageView) bool { return v.Name == name })
	return nil
}

func (f *fakeStorages) TestStorage(ctx context.Context, name string) (*downloader.TestResult, error) {
	if _, err := f.GetStorage(ctx, name); err != nil {
		return nil, err
	}
	return &downloader.TestResult{Checks: []downloader.TestCheck{
		{Name: "reachable", Message: "It answers."}, {Name: "writable", Err: errs.New(errs.StorageAuthFailed, "It refuses the key.")},
	}}, nil
}

func (f *fakeStorages) TestUnsavedStorage(context.Context, *core.StorageChange) (*downloader.TestResult, error) {
	return &downloader.TestResult{}, nil
}

// fakeAccounts keeps users and groups in memory.
type fakeAccounts struct {
	mu     sync.Mutex
	users  []core.UserView
	groups []core.Group
}

func (f *fakeAccounts) ListUsers(context.Context, int, string) (*core.Page[core.UserView], error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return &core.Page[core.UserView]{Items: slices.Clone(f.users)}, nil
}

func (f *fakeAccounts) GetUser(_ context.Context, name string) (*core.UserView, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.users {
		if f.users[i].Name == name {
			return &f.users[i], nil
		}
	}
	return nil, errs.New(errs.NotFound, "There is no user %q.", name)
}

func (f *fakeAccounts) CreateUser(_ context.Context, u *core.NewUser) (*core.UserView, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if u.Password != "pass word" {
		return nil, errs.New(errs.Internal, "The password came as another one.")
	}
	group := u.Group
	if group == "" {
		group = core.UserGroupName
	}
	f.users = append(f.users, core.UserView{User: core.User{ID: core.UserID("id-" + u.Name), Name: u.Name, CreatedAt: testTime}, GroupName: group})
	return &f.users[len(f.users)-1], nil
}

func (f *fakeAccounts) UpdateUser(ctx context.Context, name string, c *core.UserChange) (*core.UserView, error) {
	u, err := f.GetUser(ctx, name)
	if err != nil {
		return nil, err
	}
	if c.Password != nil && *c.Password != "pass word" {
		return nil, errs.New(errs.Internal, "The password came as another one.")
	}
	if c.Group != nil {
		u.GroupName = *c.Group
	}
	return u, nil
}

func (f *fakeAccounts) DeleteUser(ctx context.Context, name string) error {
	if name == "boss" {
		return errs.New(errs.LastAdmin, "Nobody would be an admin any more.")
	}
	if _, err := f.GetUser(ctx, name); err != nil {
		return err
	}
	f.users = slices.DeleteFunc(f.users, func(u core.UserView) bool { return u.Name == name })
	return nil
}

func (f *fakeAccounts) ChangePassword(_ context.Context, present, password string) error {
	if present != "old one" || password != "new one" {
		return errs.New(errs.InvalidLogin, "The present password is wrong.")
	}
	return nil
}

func (f *fakeAccounts) ListGroups(context.Context, int, string) (*core.Page[core.Group], error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return &core.Page[core.Group]{Items: slices.Clone(f.groups)}, nil
}

func (f *fakeAccounts) GetGroup(_ context.Context, name string) (*core.Group, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.groups {
		if f.groups[i].Name == name {
			return &f.groups[i], nil
		}
	}
	return nil, errs.New(errs.NotFound, "There is no group %q.", name)
}

func (f *fakeAccounts) CreateGroup(ctx context.Context, c *core.GroupChange) (*core.Group, error) {
	f.mu.Lock()
	f.groups = append(f.groups, core.Group{ID: core.GroupID("id-" + *c.Name), Name: *c.Name, Permissions: []core.Permission{core.PermissionDownload}, CreatedAt: testTime})
	f.mu.Unlock()
	return f.UpdateGroup(ctx, *c.Name, c)
}

func (f *fakeAccounts) UpdateGroup(ctx context.Context, name string, c *core.GroupChange) (*core.Group, error) {
	g, err := f.GetGroup(ctx, name)
	if err != nil {
		return nil, err
	}
	if c.Permissions != nil {
		g.Permissions = *c.Permissions
	}
	if c.Seed != nil {
		g.Seed = c.Seed.Policy
	}
	if c.Name != nil {
		g.Name = *c.Name
	}
	return g, nil
}

func (f *fakeAccounts) DeleteGroup(ctx context.Context, name string) error {
	if _, err := f.GetGroup(ctx, name); err != nil {
		return err
	}
	f.groups = slices.DeleteFunc(f.groups, func(g core.Group) bool { return g.Name == name })
	return nil
}
