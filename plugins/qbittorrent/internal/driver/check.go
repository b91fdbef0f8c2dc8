package driver

import (
	"context"

	"github.com/haul-dl/haul/plugins/qbittorrent/internal/qbittorrentrpc"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

// Check implements downloader.Driver: one request for what has changed since
// the last, shared by all calls of the same time; one more for the files of a
// torrent that loads, or now and then for links without metadata; and a few
// where jobs have just got another phase.
func (d *Driver) Check(ctx context.Context, refs []downloader.Ref) ([]downloader.Status, error) {
	if len(refs) == 0 {
		return nil, nil
	}
	snapshot, jobs, err := d.look(ctx, refs)
	if err != nil {
		return nil, err
	}
	if lost, err := d.lostName(ctx, jobs); err != nil {
		return nil, err
	} else if lost {
		d.client.Renew(ctx)
		if snapshot, jobs, err = d.look(ctx, refs); err != nil {
			return nil, err
		}
	}
	d.keepOrder(ctx, jobs)
	if err := d.learnFiles(ctx, jobs); err != nil {
		return nil, err
	}
	d.learnReasons(ctx, jobs)
	d.forget(snapshot)
	out := make([]downloader.Status, len(jobs))
	for i, j := range jobs {
		out[i] = d.status(j)
	}
	return out, nil
}

// look finds the torrents of jobs.
func (d *Driver) look(ctx context.Context, refs []downloader.Ref) (*qbittorrentrpc.Snapshot, []job, error) {
	snapshot, err := d.mirror.Refresh(ctx)
	if err != nil {
		return nil, nil, err
	}
	jobs := make([]job, len(refs))
	for i, ref := range refs {
		jobs[i].id = ref.JobID
		var ok bool
		if jobs[i].handle, ok = readHandle(ref); ok {
			jobs[i].torrent = snapshot.Find(jobs[i].handle.ids()...)
		}
	}
	return snapshot, jobs, nil
}

// forget drops what is known of torrents that are gone.
func (d *Driver) forget(s *qbittorrentrpc.Snapshot) {
	has := func(id string) bool { return s.Find(id) != nil }
	d.files.keep(has)
	d.reasons.keep(has)
	d.orders.keep(has)
}

func (d *Driver) status(j job) downloader.Status {
	s := downloader.Status{JobID: j.id, InfoHash: j.handle.V1, Phase: downloader.PhaseGone}
	if !d.isOurs(j) {
		return s
	}
	t := j.torrent
	if t.InfoHashV1 != "" {
		s.InfoHash = t.InfoHashV1
	}
	s.Name = t.Name
	if !j.handle.holds(t) {
		s.Phase = downloader.PhaseFailed
		s.Err = errs.New(errs.MovedAway, "The torrent was moved to another folder at qBittorrent.")
		return s
	}
	s.TotalBytes, s.UploadedBytes = max(0, t.Size), max(0, t.Uploaded)
	s.DoneBytes = min(s.TotalBytes, max(0, t.Completed))
	s.Seeds, s.Peers = max(0, t.Seeds), max(0, t.Seeds)+max(0, t.Leeches)
	d.setPhase(&s, j)
	if s.Phase == downloader.PhaseDownloading || s.Phase == downloader.PhaseMetadata || s.Phase == downloader.PhaseSeeding {
		s.DownloadRate, s.UploadRate = max(0, t.DownloadSpeed), max(0, t.UploadSpeed)
	}
	return s
}

func (d *Driver) setPhase(s *downloader.Status, j job) {
	phase, known := phaseOf(j.torrent)
	if !known && d.states.isNew(j.torrent.State) {
		d.logger.Warn("qBittorrent has a state that haul does not know", "state", j.torrent.State)
	}
	s.Phase = phase
	switch {
	case phase == downloader.PhaseFailed:
		s.Message, s.Err = d.failure(j)
	case phase == downloader.PhaseQueued:
		s.Message = "qBittorrent's queue holds the torrent back; haul has it started."
	case nothingWanted(j.torrent):
		s.Message = "All files are deselected at qBittorrent."
	}
	d.addFiles(s, j)
}

// addFiles puts what is known of the files into a status. One that has its data
// waits for its files.
func (d *Driver) addFiles(s *downloader.Status, j job) {
	known, fresh := d.files.get(j.torrent)
	if fresh && known.partial {
		// Of a selection the daemon counts whole pieces.
		s.TotalBytes = known.wanted
		s.DoneBytes = int64(float64(known.wanted) * min(1, max(0, j.torrent.Progress)))
	}
	switch {
	case !s.Phase.HasData():
		if known.reportable(s.Phase) {
			s.Files = known.files
		}
	case !fresh:
		s.Phase = downloader.PhaseUnknown
	case known.unsafe:
		s.Phase = downloader.PhaseFailed
		s.Err = errs.New(errs.UnsafeFile, "qBittorrent reports a file that is not inside of the job's folder.")
	default:
		s.Files, s.DoneBytes = known.files, s.TotalBytes
	}
}
