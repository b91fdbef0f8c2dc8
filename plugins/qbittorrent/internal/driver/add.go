package driver

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"strconv"

	"github.com/haul-dl/haul/plugins/qbittorrent/internal/qbittorrentrpc"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
	"github.com/haul-dl/haul/sdk/source"
)

// Add implements downloader.Driver. A torrent of which some files are wanted is
// added stopped, and started when the others are deselected, so that nothing
// is loaded in vain. Its job's tag comes last: a torrent in the job's directory
// without it is an Add that was cut off, and is gone on with.
func (d *Driver) Add(ctx context.Context, req downloader.AddRequest) (downloader.Ref, error) {
	if err := validate(req); err != nil {
		return downloader.Ref{}, err
	}
	user, err := d.userOptions.read(req.Options)
	if err != nil {
		return downloader.Ref{}, err
	}
	h, torrent, err := readSource(req)
	if err != nil {
		return downloader.Ref{}, err
	}
	unlock, err := d.locks.lock(ctx, h.ids()[0])
	if err != nil {
		return downloader.Ref{}, err
	}
	defer unlock()
	a := addition{AddRequest: req, handle: h, torrent: torrent, user: user}
	if err := d.add(ctx, a); err != nil {
		return downloader.Ref{}, err
	}
	return h.ref(req.JobID), nil
}

// addition is a job that is being added.
type addition struct {
	downloader.AddRequest
	handle  handle
	torrent *source.Torrent // nil for a magnet link
	user    map[string]string
}

func (d *Driver) add(ctx context.Context, a addition) error {
	t, err := d.lookUp(ctx, a.handle.ids()...)
	if err != nil {
		return err
	}
	if t == nil {
		if t, err = d.send(ctx, a); err != nil {
			return err
		}
	}
	if !a.handle.holds(t) {
		return errElsewhere()
	}
	if t.HasTag(d.jobTag(a.JobID)) {
		return nil
	}
	return d.finish(ctx, a, t)
}

func errElsewhere() error {
	return errs.New(errs.InUse, "qBittorrent has this torrent already, in another folder.").
		WithHint("Remove it at qBittorrent, or wait until the other task with it has ended; then retry.")
}

// send gives the torrent to the daemon and waits until it is listed.
func (d *Driver) send(ctx context.Context, a addition) (*qbittorrentrpc.Torrent, error) {
	if err := d.sharing.check(ctx, d); err != nil {
		return nil, err
	}
	session, err := d.client.Open(ctx)
	if err != nil {
		return nil, err
	}
	taken, err := d.client.Add(ctx, d.fields(a, session.API), a.Source.Content)
	if err != nil {
		return nil, addFailure(err, a.Source.Kind)
	}
	if !taken {
		// It gives no reason; a torrent that it has got meanwhile is one.
		t, err := d.find(ctx, a.handle)
		if err == nil && t == nil {
			err = errRefused(a.Source.Kind)
		}
		return t, err
	}
	t, ok, err := d.until(ctx, a.handle.ids(), func(t *qbittorrentrpc.Torrent) bool { return t != nil && t.SavePath != "" })
	if err == nil && !ok {
		err = errs.New(errs.DownloaderError, "qBittorrent took the torrent and does not list it.").
			WithHint("Its log says why.")
	}
	return t, err
}

// fields are those of torrents/add. What the user may set cannot be among the
// driver's own, as those keys are reserved.
func (d *Driver) fields(a addition, api qbittorrentrpc.APIVersion) map[string]string {
	f := map[string]string{
		"savepath":        a.Dir,
		"autoTMM":         "false",
		"useDownloadPath": "false",
		"contentLayout":   "Original",
		"skip_checking":   "false",
		"stopCondition":   "None",
		"tags":            haulTag,
		"dlLimit":         strconv.FormatInt(a.Limits.DownloadRate, 10),
		"upLimit":         strconv.FormatInt(a.Limits.UploadRate, 10),
	}
	maps.Copy(f, shareLimits(a.Limits.Seed))
	maps.Copy(f, a.user)
	if a.Source.Kind == downloader.SourceMagnet {
		f["urls"] = a.Source.URI
	}
	if !d.inTwoSteps(a) {
		f["tags"] += "," + d.jobTag(a.JobID)
	}
	if tag := idleTagOf(a.Limits.Seed); tag != "" && !api.EndsIdleSeeding() {
		f["tags"] += "," + tag
	}
	if a.Source.Kind == downloader.SourceMagnet && len(a.Files) > 0 {
		f["stopCondition"] = "MetadataReceived"
	}
	stopped := strconv.FormatBool(a.Paused || d.inTwoSteps(a))
	f["stopped"], f["paused"] = stopped, stopped // the newer name and the older
	return f
}

// inTwoSteps reports whether the torrent is added stopped first.
func (d *Driver) inTwoSteps(a addition) bool { return a.torrent != nil && len(a.Files) > 0 }

// finish does what is left of an Add: for one in two steps, or cut off.
func (d *Driver) finish(ctx context.Context, a addition, t *qbittorrentrpc.Torrent) error {
	if d.inTwoSteps(a) {
		if err := d.selectFiles(ctx, job{id: a.JobID, handle: a.handle, torrent: t}, a.Files); err != nil {
			return err
		}
	}
	if !a.Paused && (d.inTwoSteps(a) || !t.HasTag(haulTag)) {
		if err := d.client.Start(ctx, t.ID); err != nil {
			return err
		}
	}
	return d.client.AddTags(ctx, t.ID, haulTag, d.jobTag(a.JobID))
}

// addFailure puts the daemon's refusal into the terms of the source's kind.
func addFailure(err error, kind downloader.SourceKind) error {
	e, ok := errors.AsType[*qbittorrentrpc.StatusError](err)
	switch {
	case !ok:
		return err
	case e.Status == http.StatusUnsupportedMediaType:
		return errs.Wrap(err, errs.InvalidTorrent, "qBittorrent cannot read the torrent.")
	case e.Status == http.StatusBadRequest && kind == downloader.SourceMagnet:
		return errs.Wrap(err, errs.InvalidMagnet, "qBittorrent does not take this magnet link.")
	}
	return errs.Wrap(err, errs.DownloaderError, "qBittorrent refuses to add the torrent (status %d).", e.Status)
}

func errRefused(kind downloader.SourceKind) error {
	if kind == downloader.SourceMagnet {
		return errs.New(errs.InvalidMagnet, "qBittorrent does not take this magnet link.")
	}
	return errs.New(errs.InvalidTorrent, "qBittorrent does not take this torrent.").
		WithHint("It may be damaged; qBittorrent's log may say more.")
}
