package storagewire

import (
	"context"
	"time"
	"unicode/utf8"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
	pb "github.com/haul-dl/haul/sdk/proto/storage/v1"
	"github.com/haul-dl/haul/sdk/storage"
)

// Client is a plugin in another process. Its errors are those of package
// storage, and errs.PluginCrashed where the process does not answer any more.
type Client struct {
	rpc pb.StorageClient
}

var _ storage.Plugin = (*Client)(nil)

// NewClient returns the plugin at the other end of cc.
func NewClient(cc grpc.ClientConnInterface) *Client {
	return &Client{rpc: pb.NewStorageClient(cc)}
}

// Describe implements storage.Plugin. A plugin that gives no valid name or
// settings schema answers errs.PluginIncompatible.
func (c *Client) Describe(ctx context.Context) (storage.Description, error) {
	resp, err := c.rpc.Describe(ctx, &pb.DescribeRequest{}, callOptions()...)
	if err != nil {
		return storage.Description{}, failures.FromStatus(ctx, "describe", err)
	}
	return descriptionFromProto(resp.GetDescription())
}

// Configure implements storage.Plugin. Config.Logger stays here: the plugin logs
// to stderr.
func (c *Client) Configure(ctx context.Context, cfg storage.Config) (storage.Driver, error) {
	if !utf8.ValidString(cfg.StateDir) || !utf8.ValidString(cfg.StorageID) {
		return nil, errs.New(errs.InvalidSettings, "The storage's state directory is not valid UTF-8.")
	}
	req := &pb.ConfigureRequest{StorageId: cfg.StorageID, Settings: cfg.Settings, StateDir: cfg.StateDir}
	if _, err := c.rpc.Configure(ctx, req, callOptions()...); err != nil {
		return nil, failures.FromStatus(ctx, "configure", err)
	}
	return &driver{rpc: c.rpc}, nil
}

// Drain makes the plugin refuse new calls, wait for those under way for at most
// grace, and close its driver. Calls that had to be cut are reported with
// errs.DeadlineExceeded; the driver is closed nevertheless.
func (c *Client) Drain(ctx context.Context, grace time.Duration) error {
	_, err := c.rpc.Drain(ctx, &pb.DrainRequest{Grace: durationpb.New(grace)}, callOptions()...)
	return failures.FromStatus(ctx, "drain", err)
}

func callOptions() []grpc.CallOption {
	return []grpc.CallOption{grpc.MaxCallRecvMsgSize(maxMessage)}
}

// driver is the configured driver of a plugin in another process.
type driver struct {
	rpc pb.StorageClient
}

var _ storage.Driver = (*driver)(nil)

// Stat implements storage.Driver.
func (d *driver) Stat(ctx context.Context, path string) (storage.Object, error) {
	if err := checkPath(path, true); err != nil {
		return storage.Object{}, err
	}
	resp, err := d.rpc.Stat(ctx, &pb.StatRequest{Path: path}, callOptions()...)
	if err != nil {
		return storage.Object{}, failures.FromStatus(ctx, "stat", err)
	}
	return objectFromProto(path, resp.GetObject())
}

// Remove implements storage.Driver.
func (d *driver) Remove(ctx context.Context, path string) error {
	if err := checkPath(path, false); err != nil {
		return err
	}
	_, err := d.rpc.Remove(ctx, &pb.RemoveRequest{Path: path}, callOptions()...)
	return failures.FromStatus(ctx, "remove", err)
}

// Test implements storage.Driver.
func (d *driver) Test(ctx context.Context) (downloader.TestResult, error) {
	resp, err := d.rpc.Test(ctx, &pb.TestRequest{}, callOptions()...)
	if err != nil {
		return downloader.TestResult{}, failures.FromStatus(ctx, "test", err)
	}
	return testFromProto(resp), nil
}

// Space implements storage.Driver.
func (d *driver) Space(ctx context.Context) (storage.Space, error) {
	resp, err := d.rpc.Space(ctx, &pb.SpaceRequest{}, callOptions()...)
	if err != nil {
		return storage.Space{}, failures.FromStatus(ctx, "space", err)
	}
	return storage.Space{Free: max(-1, resp.GetFree()), Total: max(-1, resp.GetTotal())}, nil
}
