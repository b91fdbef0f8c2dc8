package wire

import (
	"context"
	"slices"
	"time"
	"unicode/utf8"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
	pb "github.com/haul-dl/haul/sdk/proto/downloader/v1"
)

// Client is a plugin in another process. Its errors are those of package
// downloader, and errs.PluginCrashed where the process does not answer any more.
type Client struct {
	rpc     pb.DownloaderClient
	version int
}

var _ downloader.Plugin = (*Client)(nil)

// NewClient returns the plugin at the other end of cc, which speaks that version
// of the contract.
func NewClient(cc grpc.ClientConnInterface, version int) *Client {
	return &Client{rpc: pb.NewDownloaderClient(cc), version: version}
}

// sinceVersion says which capabilities an older version did not have: a plugin
// of that version that claims one means something else by it.
var sinceVersion = map[downloader.Capability]int{
	downloader.CapabilityPause: 2, downloader.CapabilitySelectFiles: 2, downloader.CapabilitySetLimits: 2,
}

// Describe implements downloader.Plugin. A plugin that gives no valid name or
// settings schema answers errs.PluginIncompatible.
func (c *Client) Describe(ctx context.Context) (downloader.Description, error) {
	resp, err := c.rpc.Describe(ctx, &pb.DescribeRequest{}, callOptions()...)
	if err != nil {
		return downloader.Description{}, failures.FromStatus(ctx, "describe", err)
	}
	d, err := descriptionFromProto(resp.GetDescription())
	d.Capabilities = slices.DeleteFunc(d.Capabilities, func(k downloader.Capability) bool { return sinceVersion[k] > c.version })
	return d, err
}

// Configure implements downloader.Plugin. The driver also implements all
// optional interfaces of package downloader; what the plugin does not offer of
// them answers errs.NotOffered. Config.Logger stays here: the plugin logs to stderr.
func (c *Client) Configure(ctx context.Context, cfg downloader.Config) (downloader.Driver, error) {
	if !utf8.ValidString(cfg.StateDir) || !utf8.ValidString(cfg.DownloaderID) {
		return nil, errs.New(errs.InvalidSettings, "The downloader's state directory is not valid UTF-8.")
	}
	if _, err := c.rpc.Configure(ctx, configToProto(cfg), callOptions()...); err != nil {
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
