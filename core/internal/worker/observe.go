package worker

import (
	"cmp"
	"slices"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

// observe says how a job stands.
func (n *Node) observe(j *job) core.ObservedJob {
	o := core.ObservedJob{
		ID: j.Job.ID, Revision: j.Job.Revision, Phase: j.observedPhase(),
		Name: j.Name, InfoHash: j.InfoHash, FileCount: j.fileCount, Progress: j.observedProgress(), Waiting: n.waiting(j),
	}
	if j.Phase == core.JobFailed {
		o.Failure = j.Failure
	}
	size := total(j.Files)
	for i := range j.Deliveries {
		o.Deliveries = append(o.Deliveries, j.Deliveries[i].observe(size, len(j.Files)))
	}
	return o
}

func (d *deliveryRecord) observe(size int64, files int) core.ObservedDelivery {
	o := core.ObservedDelivery{Task: d.Task, Done: d.Done, Files: d.Files, Failure: d.Failure}
	if d.Done {
		for _, f := range d.Files {
			o.Progress.TotalBytes += f.Size
		}
		o.Progress.DoneBytes = o.Progress.TotalBytes
		o.Progress.FilesTotal, o.Progress.FilesDone = len(d.Files), len(d.Files)
		return o
	}
	o.Progress = core.DeliveryProgress{TotalBytes: size, DoneBytes: min(d.progress, size), FilesTotal: files}
	return o
}

func (j *job) observedPhase() core.JobPhase {
	switch j.Phase {
	case core.JobQueued:
		return cmp.Or(j.phase, core.JobQueued)
	case core.JobDownloaded:
		phase := core.JobDownloaded
		for i := range j.Deliveries {
			d := &j.Deliveries[i]
			switch {
			case d.Done:
			case d.Failure != nil:
				return core.JobHeld
			case d.Plan != nil:
				phase = core.JobDelivering
			}
		}
		return phase
	}
	return j.Phase
}

func (j *job) observedProgress() core.Progress {
	s := &j.status
	p := core.Progress{TotalBytes: s.TotalBytes, DoneBytes: s.DoneBytes, UploadedBytes: s.UploadedBytes}
	switch {
	case j.Phase >= core.JobDownloaded && j.Phase <= core.JobDone:
		p.TotalBytes, p.DoneBytes, p.UploadedBytes = j.Total, j.Total, j.Uploaded
	case j.Phase == core.JobQueued && j.Ending == 0:
		p.DownloadRate, p.UploadRate, p.Peers, p.Seeds = s.DownloadRate, s.UploadRate, s.Peers, s.Seeds
	}
	return p
}

// waiting says why nothing moves.
func (n *Node) waiting(j *job) *core.Waiting {
	switch {
	case j.Phase.Ended(), j.Phase == core.JobDelivered:
		return nil
	case n.journalErr != nil:
		return waitingFor(n.journalErr)
	case j.waiting != nil:
		return j.waiting
	case j.Phase == core.JobDownloaded && j.Ending == 0:
		if j.observedPhase() != core.JobHeld {
			return nil
		}
		return &core.Waiting{Code: core.WaitingForRetry, Message: "The files could not be delivered. The next try is at most a minute away."}
	case j.Phase == core.JobAccepted, j.Phase == core.JobResolving:
		return nil
	}
	b := n.backend(j.Job.Downloader)
	if b == nil {
		return &core.Waiting{Code: errs.DownloaderMissing, Message: "The node does not know the downloader yet."}
	}
	if w := b.trouble(); w != nil {
		return w
	}
	if j.Ending != 0 {
		return &core.Waiting{Code: core.WaitingForRemoval, Message: "The downloader has not confirmed the removal yet."}
	}
	if w := j.waitingForOrder(); w != nil {
		return w
	}
	return j.waitingInDaemon()
}

// waitingInDaemon says why a healthy downloader does not load.
func (j *job) waitingInDaemon() *core.Waiting {
	if j.Phase != core.JobQueued || j.hasData {
		return nil
	}
	torrent := j.Job.Source.Kind == downloader.SourceMagnet || j.Job.Source.Kind == downloader.SourceTorrent
	switch {
	case j.status.Phase == downloader.PhaseQueued:
		return &core.Waiting{Code: core.WaitingInDaemon, Message: "The downloader's own queue holds it."}
	case torrent && j.status.Peers == 0 && j.status.DownloadRate == 0 &&
		(j.phase == core.JobMetadata || j.phase == core.JobDownloading):
		return &core.Waiting{Code: core.WaitingForPeers, Message: "Nobody to load from is connected."}
	}
	return nil
}

// observedDownloaders says how all downloaders fare.
func (n *Node) observedDownloaders() []core.ObservedDownloader {
	out := make([]core.ObservedDownloader, 0, len(n.backends))
	for id, b := range n.backends {
		if b.removed {
			continue
		}
		o := core.ObservedDownloader{
			ID: id, Health: b.health, Restarts: b.status.Restarts,
			PluginPID: b.status.PID, PluginVersion: b.status.Version,
		}
		if why := b.status.UpgradeErr; why != nil && b.health.State == core.HealthOK {
			o.Health.Code = errs.CodeOf(why)
			o.Health.Message = "A newer version of the plugin does not start, the old one goes on: " + errs.MessageOf(why)
		}
		if n.journalErr != nil && b.health.State == core.HealthOK {
			// Nothing begins on this node: core shall place its jobs elsewhere.
			o.Health.State = core.HealthDegraded
			o.Health.Code, o.Health.Message = errs.CodeOf(n.journalErr), errs.MessageOf(n.journalErr)
		}
		out = append(out, o)
	}
	slices.SortFunc(out, func(a, b core.ObservedDownloader) int { return cmp.Compare(a.ID, b.ID) })
	return out
}

func (n *Node) observedPlugins() []core.ObservedPlugin {
	found := n.host.Plugins()
	out := make([]core.ObservedPlugin, 0, len(found))
	for _, p := range found {
		o := core.ObservedPlugin{Description: p.Description, Path: p.Path, SHA256: p.SHA256, Active: p.Active}
		if p.Err != nil {
			o.Failure = core.NewFailure(p.Err, n.now())
		}
		out = append(out, o)
	}
	return out
}

// publish hands what has changed to the session. A job whose change is not in
// the journal yet shows as it was, with the reason.
func (n *Node) publish() {
	if n.session == nil || n.session.isClosed() {
		clear(n.dirty)
		n.downloadersDirty, n.pluginsDirty = false, false
		return
	}
	if len(n.dirty) == 0 && !n.downloadersDirty && !n.pluginsDirty {
		return
	}
	r := core.Report{Jobs: make([]core.ObservedJob, 0, len(n.dirty))}
	for id := range n.dirty {
		if j := n.jobs[id]; j != nil {
			r.Jobs = append(r.Jobs, n.report(j))
		}
	}
	clear(n.dirty)
	if n.downloadersDirty {
		r.Downloaders = n.observedDownloaders()
	}
	if n.pluginsDirty {
		r.Plugins = n.observedPlugins()
	}
	n.downloadersDirty, n.pluginsDirty = false, false
	n.session.fold(&r)
}

func (n *Node) report(j *job) core.ObservedJob {
	o := n.observe(j)
	if n.journalErr != nil && j.changed {
		o = n.reported[j.Job.ID]
		o.ID, o.Phase = j.Job.ID, cmp.Or(o.Phase, core.JobAccepted)
		o.Waiting = waitingFor(n.journalErr)
	}
	n.reported[j.Job.ID] = o
	return o
}
