package worker

import (
	"cmp"
	"slices"
	"time"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

// observe says how a job stands.
func (n *Node) observe(j *job) core.ObservedJob {
	o := core.ObservedJob{
		ID: j.Job.ID, Revision: j.Job.Revision, Phase: j.observedPhase(),
		Name: j.Name, InfoHash: j.InfoHash, FileCount: j.fileCount, Progress: j.observedProgress(), Waiting: n.waiting(j),
		Deliveries: make([]core.ObservedDelivery, 0, len(j.Deliveries)),
	}
	if j.Phase == core.JobFailed {
		o.Failure = j.Failure
	}
	for _, d := range j.Deliveries {
		if !d.Left || d.Done || d.Plan != nil || d.step != nil || j.Job.Wish == core.JobRemove {
			o.Deliveries = append(o.Deliveries, n.observeDelivery(j, d, &o))
		}
	}
	return o
}

// observeDelivery says how a job stands for one of its tasks.
func (n *Node) observeDelivery(j *job, d *deliveryRecord, o *core.ObservedJob) core.ObservedDelivery {
	out := core.ObservedDelivery{
		Task: d.Want.Task, Phase: j.phaseFor(d, o.Phase), Waiting: o.Waiting, Done: d.Done, Refused: d.Refused,
		Files: d.Files, Failed: d.Failed, Failure: d.Failure, Log: d.Log,
		HeldUntil: d.heldUntil(j.Job.Hold),
	}
	if d.Done {
		out.Storage, out.Path = d.Target.Storage, d.Target.Path
	}
	if !d.Refused { // else nothing of it is the task's own
		out.UploadedBytes = max(0, j.uploaded()-d.UploadedAt)
		out.TotalBytes, out.DoneBytes = j.share(d)
		out.Progress = j.deliveryProgress(d)
	}
	if d.Failure != nil && !d.retry.at.IsZero() {
		next := n.now().Add(time.Until(d.retry.at)).UTC()
		out.NextTry = &next
	}
	if j.Phase != core.JobFailed {
		out.Waiting = n.waitingFor(j, d, out.Phase, o.Waiting)
	}
	return out
}

func (j *job) deliveryProgress(d *deliveryRecord) core.DeliveryProgress {
	var p core.DeliveryProgress
	if d.Done {
		for _, f := range d.Files {
			p.TotalBytes += f.Size
		}
		p.DoneBytes, p.FilesTotal, p.FilesDone = p.TotalBytes, len(d.Files), len(d.Files)
		return p
	}
	if !j.dataIsThere() && !d.copies() {
		return p
	}
	p.TotalBytes = j.sizeOf(d)
	p.FilesTotal = d.fileCount
	p.DoneBytes, p.FilesDone = min(d.progress, p.TotalBytes), max(d.filesDone, len(d.Files))
	return p
}

// phaseFor returns where a job stands for one of its tasks.
func (j *job) phaseFor(d *deliveryRecord, phase core.JobPhase) core.JobPhase {
	switch {
	case d.Done && d.Seeded, d.Done && d.Want.Limits.Seed == nil:
		return core.JobDelivered
	case d.Done:
		return core.JobSeeding
	case d.Ended:
		return core.JobFailed
	case d.Refused:
		return core.JobAdding
	case phase.Ended():
		return phase
	case d.Want.Paused && d.Plan == nil && (j.dataIsThere() || j.Job.Wish != core.JobPause):
		return core.JobPaused
	case !j.dataIsThere() && !d.copies() && (d.HeldSince == nil || d.Failure == nil):
		return phase
	case d.Failure != nil:
		return core.JobHeld
	case d.Plan != nil:
		return core.JobDelivering
	}
	return core.JobDownloaded
}

// observedPhase is that of the job as a whole: of its data.
func (j *job) observedPhase() core.JobPhase {
	if j.Phase != core.JobQueued {
		return j.Phase
	}
	switch {
	case j.hasData:
		return core.JobDownloaded
	case j.phase == core.JobPaused && j.waitingForSpace() != nil:
		return core.JobDownloading // nobody wanted the pause
	}
	return cmp.Or(j.phase, core.JobQueued)
}

func (j *job) observedProgress() core.Progress {
	s := &j.status
	p := core.Progress{TotalBytes: s.TotalBytes, DoneBytes: s.DoneBytes, UploadedBytes: j.uploaded()}
	if j.Phase >= core.JobDownloaded && j.Phase <= core.JobDone {
		p.TotalBytes, p.DoneBytes = j.Total, j.Total
	}
	if j.Ending == 0 && (j.Phase == core.JobQueued || j.seeds() && j.dataIsThere()) {
		p.DownloadRate, p.UploadRate, p.Peers, p.Seeds = s.DownloadRate, s.UploadRate, s.Peers, s.Seeds
	}
	return p
}

// waiting says why the job does not move.
func (n *Node) waiting(j *job) *core.Waiting {
	switch {
	case j.Phase.Ended(), j.Phase == core.JobDelivered:
		return nil
	case n.journalErr != nil:
		return waitingFor(n.journalErr)
	case j.waiting != nil:
		return j.waiting
	case j.dataIsThere() && j.Ending == 0, j.Phase == core.JobAccepted:
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
	if w := j.waitingForSpace(); w != nil {
		return w
	}
	if w := n.waitingForOrder(j); w != nil {
		return w
	}
	return j.waitingInDaemon()
}

// waitingFor says why nothing moves for one task of a job.
func (n *Node) waitingFor(j *job, d *deliveryRecord, phase core.JobPhase, ofJob *core.Waiting) *core.Waiting {
	switch {
	case n.journalErr != nil:
		return ofJob
	case d.Refused:
		return &core.Waiting{Code: core.WaitingForSlot, Message: "There is a place for it: it starts in a moment."}
	case phase == core.JobDelivered, phase == core.JobSeeding, phase == core.JobFailed:
		return nil
	case phase == core.JobPaused && d.Want.Paused && (j.dataIsThere() || j.Job.Wish != core.JobPause):
		return nil // for this task it stands still, whatever the job does
	}
	if w := n.waitingForStorage(j, d); w != nil {
		return w
	}
	switch {
	case phase == core.JobHeld:
		return n.waitingHeld(j, d)
	case d.open() && d.Plan == nil && j.dataIsThere() && j.another(d):
		return &core.Waiting{Code: core.WaitingForCopy, Message: "Another task of yours brings the same files to the same folder first."}
	case d.copyWaits:
		return &core.Waiting{Code: core.WaitingForCopy, Message: "Other files are copied first."}
	}
	return ofJob
}

// waitingHeld tells when held files are tried again, and when they are given up.
func (n *Node) waitingHeld(j *job, d *deliveryRecord) *core.Waiting {
	text := "The files could not be delivered; they are kept, and tried again."
	if next := n.now().Add(time.Until(d.retry.at)).UTC(); !d.retry.at.IsZero() && next.After(n.now()) {
		text = "The files could not be delivered; they are kept. The next try is at " + next.Format(time.TimeOnly) + " UTC."
	}
	if until := d.heldUntil(j.Job.Hold); until != nil {
		text += " They are given up on " + until.Format("2006-01-02 at 15:04 UTC.")
	}
	return &core.Waiting{Code: core.WaitingForRetry, Message: text}
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
		o := core.ObservedPlugin{Kind: core.PluginKind(p.Kind), Description: p.Description, Path: p.Path, SHA256: p.SHA256, Active: p.Active}
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
		n.downloadersDirty, n.pluginsDirty, n.storagesDirty = false, false, false
		return
	}
	if len(n.dirty) == 0 && !n.downloadersDirty && !n.pluginsDirty && !n.storagesDirty {
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
	if n.storagesDirty {
		r.Storages = n.observedStorages()
	}
	n.downloadersDirty, n.pluginsDirty, n.storagesDirty = false, false, false
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
