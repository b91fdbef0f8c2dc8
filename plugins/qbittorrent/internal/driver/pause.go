package driver

import (
	"context"

	"github.com/haul-dl/haul/sdk/downloader"
)

// Pause implements downloader.Pauser.
func (d *Driver) Pause(ctx context.Context, ref downloader.Ref) error {
	j, err := d.get(ctx, ref)
	if err != nil {
		return err
	}
	d.orders.note(orderPause, j.torrent.ID, d.now())
	return d.client.Stop(ctx, j.torrent.ID)
}

// Resume implements downloader.Pauser. A torrent that is complete and must not
// seed stays as it is.
func (d *Driver) Resume(ctx context.Context, ref downloader.Ref) error {
	j, err := d.get(ctx, ref)
	if err != nil {
		return err
	}
	if isStoppedUp(j.torrent.State) && mustNotSeed(j.torrent) {
		return nil
	}
	d.orders.note(orderResume, j.torrent.ID, d.now())
	return d.client.Start(ctx, j.torrent.ID)
}
