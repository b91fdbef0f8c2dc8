package wire_test

import (
	"context"

	"github.com/haul-dl/haul/sdk/downloader"
)

// fake is a plugin and a driver made of functions; what is nil does nothing.
type fake struct {
	describe  func() (downloader.Description, error)
	configure func(downloader.Config) error
	add       func(context.Context, downloader.AddRequest) (downloader.Ref, error)
	check     func(context.Context, []downloader.Ref) ([]downloader.Status, error)
	remove    func(downloader.Ref, bool) error
	test      func() (downloader.TestResult, error)
	watch     func(context.Context, func([]downloader.Status)) error
	list      func() ([]downloader.Listed, error)
	// order is called for pause, resume, select and limit.
	order  func(op string, ref downloader.Ref, files []int, limits downloader.Limits) error
	closed chan struct{}
}

func (f *fake) Describe(context.Context) (downloader.Description, error) { return f.describe() }

func (f *fake) Configure(_ context.Context, cfg downloader.Config) (downloader.Driver, error) {
	if f.configure != nil {
		if err := f.configure(cfg); err != nil {
			return nil, err
		}
	}
	return f, nil
}

func (f *fake) Add(ctx context.Context, req downloader.AddRequest) (downloader.Ref, error) {
	return f.add(ctx, req)
}

func (f *fake) Check(ctx context.Context, refs []downloader.Ref) ([]downloader.Status, error) {
	return f.check(ctx, refs)
}

func (f *fake) Remove(_ context.Context, ref downloader.Ref, deleteData bool) error {
	return f.remove(ref, deleteData)
}

func (f *fake) Test(context.Context) (downloader.TestResult, error) { return f.test() }

func (f *fake) Watch(ctx context.Context, fn func([]downloader.Status)) error {
	return f.watch(ctx, fn)
}

func (f *fake) Pause(_ context.Context, ref downloader.Ref) error {
	return f.order("pause", ref, nil, downloader.Limits{})
}

func (f *fake) Resume(_ context.Context, ref downloader.Ref) error {
	return f.order("resume", ref, nil, downloader.Limits{})
}

func (f *fake) SelectFiles(_ context.Context, ref downloader.Ref, files []int) error {
	return f.order("select", ref, files, downloader.Limits{})
}

func (f *fake) SetLimits(_ context.Context, ref downloader.Ref, limits downloader.Limits) error {
	return f.order("limit", ref, nil, limits)
}

func (f *fake) List(context.Context) ([]downloader.Listed, error) { return f.list() }

func (f *fake) Close(context.Context) error {
	if f.closed != nil {
		close(f.closed) // panics when closed twice
	}
	return nil
}

// plain is a driver without any optional part.
type plain struct{ downloader.Driver }

func (plain) Describe(context.Context) (downloader.Description, error) {
	return downloader.Description{}, nil
}

func (p plain) Configure(context.Context, downloader.Config) (downloader.Driver, error) {
	return p, nil
}
