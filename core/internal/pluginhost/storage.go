package pluginhost

import (
	"context"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/storage"
)

// StorageInstance is one storage that the host keeps running, as an Instance is
// one downloader. The methods may be called concurrently.
type StorageInstance struct{ in *Instance }

// Status returns how the instance fares.
func (s *StorageInstance) Status() Status { return s.in.Status() }

// Close drains and ends the process, as Instance.Close does.
func (s *StorageInstance) Close(ctx context.Context) error { return s.in.Close(ctx) }

// Driver returns the driver; it is never nil and outlives restarts of the
// process. Its errors are those of Instance.Driver. A call whose context has no
// deadline gets one; Put does not, since nobody knows how long a file takes.
func (s *StorageInstance) Driver() storage.Driver { return remoteStorage{s.in} }

// remoteStorage is the driver of an instance, whichever process serves it now.
type remoteStorage struct{ in *Instance }

func (r remoteStorage) Put(ctx context.Context, req storage.PutRequest) (storage.Object, error) {
	return call(ctx, r.in, "put", 0,
		func(ctx context.Context, d storage.Driver) (storage.Object, error) { return d.Put(ctx, req) })
}

func (r remoteStorage) Stat(ctx context.Context, path string) (storage.Object, error) {
	return call(ctx, r.in, "stat", r.in.host.tuning.statTimeout,
		func(ctx context.Context, d storage.Driver) (storage.Object, error) { return d.Stat(ctx, path) })
}

func (r remoteStorage) Remove(ctx context.Context, path string) error {
	_, err := call(ctx, r.in, "remove", r.in.host.tuning.removeTimeout,
		func(ctx context.Context, d storage.Driver) (struct{}, error) { return struct{}{}, d.Remove(ctx, path) })
	return err
}

func (r remoteStorage) Test(ctx context.Context) (downloader.TestResult, error) {
	return call(ctx, r.in, "test", r.in.host.tuning.testTimeout,
		func(ctx context.Context, d storage.Driver) (downloader.TestResult, error) { return d.Test(ctx) })
}

func (r remoteStorage) Space(ctx context.Context) (storage.Space, error) {
	return call(ctx, r.in, "space", r.in.host.tuning.statTimeout,
		func(ctx context.Context, d storage.Driver) (storage.Space, error) { return d.Space(ctx) })
}
