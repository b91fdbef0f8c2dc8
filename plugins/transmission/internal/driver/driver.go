package driver

import (
	"context"

	"github.com/hashicorp/go-hclog"

	"github.com/haul-dl/haul/plugins/transmission/internal/transmissionrpc"
	"github.com/haul-dl/haul/sdk/downloader"
)

// Driver runs jobs at one daemon.
//
// It holds nothing that would be missed: the daemon keeps every torrent with
// its limits and labels over any end of either of them, and what the driver
// remembers it can ask for again.
//
// The daemon has a queue of its own, which by default lets five torrents load.
// haul has decided already how many do, so whatever of haul's waits there is
// started past it.
type Driver struct {
	downloaderID string
	logger       hclog.Logger
	client       *transmissionrpc.Client
	looks        *looker
	memory       *memory
}

var (
	_ downloader.Driver       = (*Driver)(nil)
	_ downloader.Tester       = (*Driver)(nil)
	_ downloader.Lister       = (*Driver)(nil)
	_ downloader.Pauser       = (*Driver)(nil)
	_ downloader.FileSelector = (*Driver)(nil)
	_ downloader.Limiter      = (*Driver)(nil)
	_ downloader.Closer       = (*Driver)(nil)
)

func open(cfg downloader.Config, s settings) (*Driver, error) {
	client, err := s.client(cfg.Logger)
	if err != nil {
		return nil, err
	}
	return &Driver{
		downloaderID: cfg.DownloaderID, logger: cfg.Logger,
		client: client, looks: newLooker(client), memory: newMemory(),
	}, nil
}

// Close implements downloader.Closer.
func (d *Driver) Close(context.Context) error {
	d.looks.close()
	d.client.Close()
	return nil
}
