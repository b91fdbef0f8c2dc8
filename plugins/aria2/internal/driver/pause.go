package driver

import (
	"context"

	"github.com/haul-dl/haul/plugins/aria2/internal/aria2rpc"
	"github.com/haul-dl/haul/sdk/downloader"
)

// Pause implements downloader.Pauser. It forces the pause, as otherwise aria2
// says goodbye to trackers first, which may take two minutes.
func (d *Driver) Pause(ctx context.Context, ref downloader.Ref) error {
	return d.settle(ctx, ref, d.targets, func(t target) ([]aria2rpc.Call, error) {
		if t.stopped() || t.Status == "paused" {
			return nil, nil
		}
		return []aria2rpc.Call{aria2rpc.NewCall("aria2.forcePause", t.GID)}, nil
	})
}

// Resume implements downloader.Pauser.
func (d *Driver) Resume(ctx context.Context, ref downloader.Ref) error {
	return d.settle(ctx, ref, d.targets, func(t target) ([]aria2rpc.Call, error) {
		if t.Status != "paused" {
			return nil, nil
		}
		return []aria2rpc.Call{aria2rpc.NewCall("aria2.unpause", t.GID)}, nil
	})
}
