package driver

import (
	"context"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/haul-dl/haul/plugins/qbittorrent/internal/qbittorrentrpc"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

// minAPI is that of qBittorrent 4.4, the first that tells both info hashes.
var minAPI = qbittorrentrpc.APIVersion{2, 8, 4}

// Driver runs jobs at one qBittorrent.
//
// A job is found by its info hash and known as ours by its directory, since no
// two jobs have the same; the tag with its id is for people, for List, and to
// tell a finished Add from one that was cut off half-way. All that a job needs
// to be found again is in its Ref, so the driver keeps nothing on disk; what it
// has in memory saves calls.
type Driver struct {
	downloaderID string
	logger       hclog.Logger
	client       *qbittorrentrpc.Client
	mirror       *qbittorrentrpc.Mirror
	userOptions  userOptions
	locks        *locks
	files        *fileCache
	reasons      *reasons
	orders       *orderBook
	states       *strangers
	sharing      *sharing
	renames      *renames
	now          func() time.Time
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

func open(cfg downloader.Config, s settings, now func() time.Time) (*Driver, error) {
	connection, err := s.connection()
	if err != nil {
		return nil, err
	}
	options, err := newUserOptions()
	if err != nil {
		return nil, errs.Wrap(err, errs.Internal, "The plugin's own schema is broken.")
	}
	client := qbittorrentrpc.New(qbittorrentrpc.Options{
		HTTP: connection, Username: s.Username, Password: s.Password, Check: checkVersion, Now: now,
	})
	return &Driver{
		downloaderID: cfg.DownloaderID, logger: cfg.Logger, client: client,
		mirror: qbittorrentrpc.NewMirror(client), userOptions: options, locks: newLocks(),
		files: newFileCache(), reasons: newReasons(), orders: newOrderBook(), states: newStrangers(), sharing: &sharing{}, renames: &renames{},
		now: now,
	}, nil
}

// checkVersion fails with errs.DownloaderTooOld.
func checkVersion(s *qbittorrentrpc.Session) error {
	if s.API.Less(minAPI) {
		return errs.New(errs.DownloaderTooOld, "This is qBittorrent %s with Web API %s; haul needs 4.4 or newer.", s.Version, s.API)
	}
	return nil
}

// Close implements downloader.Closer.
func (d *Driver) Close(context.Context) error {
	d.client.Close()
	return nil
}
