package driver

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/haul-dl/haul/plugins/aria2/internal/aria2rpc"
	"github.com/haul-dl/haul/plugins/aria2/internal/managed"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

// Driver runs jobs at one daemon.
//
// What survives what: an add is in the daemon's session file before Add
// returns, and a job is reported to have its data only after the session file
// has been written without it. So a daemon that comes back from kill -9 neither
// forgets a job nor loads a file again that haul may be moving away. For the
// same reason force-save stays off: it would bring back finished downloads and
// have their files checked, or written, under the hands of the delivery. A job
// that is complete but was not reported yet when the daemon dies is gone
// afterwards, and added again: the pieces of a torrent, or the checksum of a
// metalink file, are verified then, and a plain file is loaded again, as the
// bare size of a file proves nothing (one loaded in parts has its full size
// from the start).
type Driver struct {
	downloaderID string
	maxActive    int
	logger       hclog.Logger
	client       *aria2rpc.Client
	changes      *aria2rpc.Batcher // each request ends with saveSession
	reads        *aria2rpc.Batcher
	daemon       *managed.Daemon // nil with an address
	jobs         *registry
	watchers     watchers
	userOptions  userOptions
	now          func() time.Time
	endpoint     aria2rpc.Endpoint // without one where the daemon is our own
}

var (
	_ downloader.Driver       = (*Driver)(nil)
	_ downloader.Tester       = (*Driver)(nil)
	_ downloader.Watcher      = (*Driver)(nil)
	_ downloader.Lister       = (*Driver)(nil)
	_ downloader.Pauser       = (*Driver)(nil)
	_ downloader.FileSelector = (*Driver)(nil)
	_ downloader.Limiter      = (*Driver)(nil)
	_ downloader.Closer       = (*Driver)(nil)
)

func open(cfg downloader.Config, s settings) (*Driver, error) {
	d := &Driver{
		downloaderID: cfg.DownloaderID, maxActive: cfg.MaxActive,
		logger: cfg.Logger, jobs: newRegistry(), now: time.Now,
	}
	var err error
	if d.userOptions, err = newUserOptions(); err != nil {
		return nil, errs.Wrap(err, errs.Internal, "The plugin's own schema is broken.")
	}
	opts := aria2rpc.Options{Endpoint: d.managedEndpoint, OnConnect: d.greet, Logger: cfg.Logger}
	if s.Address != "" {
		if d.endpoint, err = s.endpoint(); err != nil {
			return nil, err
		}
		opts.Endpoint = func(context.Context) (aria2rpc.Endpoint, error) { return d.endpoint, nil }
	}
	d.client = aria2rpc.New(opts)
	d.changes = aria2rpc.NewBatcherEnding(d.client, saveSession, d.sessionSaved)
	d.reads = aria2rpc.NewBatcher(d.client)
	if s.Address == "" {
		if err := d.startDaemon(cfg, s); err != nil {
			d.client.Close()
			return nil, err
		}
	}
	return d, nil
}

func (d *Driver) managedEndpoint(ctx context.Context) (aria2rpc.Endpoint, error) {
	return d.daemon.Endpoint(ctx)
}

func (d *Driver) startDaemon(cfg downloader.Config, s settings) error {
	path, err := managed.Find()
	if err != nil {
		return err
	}
	opts := managed.Options{
		Path: path, StateDir: cfg.StateDir, MaxActive: cfg.MaxActive,
		OnReady: d.client.RetryNow, Logger: cfg.Logger,
	}
	if s.Managed != nil {
		opts.Network = *s.Managed
	}
	d.daemon = managed.Start(opts)
	return nil
}

// Close implements downloader.Closer.
func (d *Driver) Close(context.Context) error {
	if d.daemon != nil {
		d.daemon.Stop()
	}
	d.client.Close()
	d.changes.Wait()
	d.reads.Wait()
	if d.endpoint.HTTP != nil {
		d.endpoint.HTTP.Close()
	}
	return nil
}

// greet looks at a daemon that was just connected to: it must be new enough,
// and its own limits must not hold back what haul lets through.
func (d *Driver) greet(ctx context.Context, p *aria2rpc.Peer) error {
	if err := checkVersion(p.Version); err != nil {
		return err
	}
	raised := map[string]string{}
	for option, least := range map[string]int{
		"max-concurrent-downloads": d.maxActive,
		"max-download-result":      2 * d.maxActive, // beyond it aria2 forgets what has ended
	} {
		if has, err := strconv.Atoi(p.Options[option]); err == nil && has < least {
			raised[option] = strconv.Itoa(least)
		}
	}
	if len(raised) == 0 {
		return nil
	}
	res, err := p.Do(ctx, aria2rpc.NewCall("aria2.changeGlobalOption", raised))
	if err != nil {
		return err
	}
	if res[0].Err != nil {
		d.logger.Warn("aria2 keeps its own limits on downloads at once", "err", res[0].Err)
	}
	return nil
}

var saveSession = aria2rpc.NewCall("aria2.saveSession")

// sessionSaved hears how saving went. A daemon without a session file loses
// its jobs when it ends, and haul adds them again.
func (d *Driver) sessionSaved(err error) {
	if err == nil {
		return
	}
	e, ok := errors.AsType[*aria2rpc.Error](err)
	if ok && e.Message == "Filename is not given." {
		d.logger.Debug("this aria2 keeps no session file")
		return
	}
	d.logger.Warn("aria2 cannot save its session", "err", err)
}

// checkVersion fails with errs.DownloaderTooOld.
func checkVersion(v string) error {
	if older(v, minVersion) {
		return errs.New(errs.DownloaderTooOld, "This is aria2 %s; haul needs %s or newer.", v, minVersion)
	}
	return nil
}

// older compares versions of three numbers; what is no number counts as 0.
func older(a, b string) bool {
	va, vb := numbers(a), numbers(b)
	for i := range va {
		if va[i] != vb[i] {
			return va[i] < vb[i]
		}
	}
	return false
}
