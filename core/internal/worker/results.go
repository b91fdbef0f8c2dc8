package worker

import (
	"errors"
	"time"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/delivery"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

// handle lets one event change the state. What has to be stored, begun or told
// follows in the turn.
func (n *Node) handle(e event) {
	switch e := e.(type) {
	case ordered:
		n.onOrders(e)
	case stepDone:
		n.onStepDone(e)
	case planLearnt:
		n.onPlanLearnt(e)
	case progressed:
		n.onProgressed(e)
	case copyWaits:
		n.onCopyWaits(e)
	case filesAsked:
		n.onFilesAsked(e)
	case storageAsked:
		n.onStorageAsked(e)
	case checked:
		n.onChecked(e)
	case watched:
		n.onWatched(e)
	case watchEnded:
		n.onWatchEnded(e)
	case tested:
		n.onTested(e)
	case instanceChanged:
		n.onInstanceChanged(e.id)
	case instanceClosed:
		n.onClosed(e)
	case storageClosed:
		n.onStorageClosed(e)
	case storageTested:
		n.onStorageTested(e)
	case storageTestAsked:
		n.onStorageTestAsked(e)
	case connected:
		n.onConnected(e.session)
	case pluginsScanned:
		n.pluginsDirty = true
	case testAsked:
		n.onTestAsked(e)
	default:
		n.onGuardEvent(e)
	}
}

// onInstanceChanged looks at what a plugin's process was started for.
func (n *Node) onInstanceChanged(id string) {
	if b := n.backends[core.DownloaderID(id)]; b != nil {
		n.look(b)
	} else if k := n.storages[core.StorageID(id)]; k != nil {
		n.lookAtStorage(k)
	}
}

// onStepDone takes in the result of a step.
func (n *Node) onStepDone(e stepDone) {
	s := e.step
	if s.pool != nil {
		s.pool.busy--
	}
	n.metrics.stepDone(s, e.err)
	if s.task != "" {
		n.onDeliveryStep(e)
		return
	}
	j := n.jobs[s.job]
	if j == nil || j.step != s {
		return
	}
	j.step = nil
	n.touch(j)
	n.dirty[s.job] = struct{}{}
	switch s.kind {
	case stepAdd:
		n.onAdded(j, e)
	case stepAdjust:
		n.onAdjusted(j, e)
	case stepRelease:
		n.onReleased(j, e)
	case stepRemove:
		n.onRemoved(j, e)
		n.spaceChanged()
	}
}

// onDeliveryStep takes in the result of a delivery's step.
func (n *Node) onDeliveryStep(e stepDone) {
	j, d := n.deliveryOf(e.step)
	if d == nil {
		return
	}
	d.step = nil
	n.touch(j)
	n.dirty[j.Job.ID] = struct{}{}
	switch e.step.kind {
	case stepCheck:
		n.onDestinationChecked(j, d, e)
	case stepPlan:
		n.onPlanned(j, d, e)
	case stepDeliver:
		n.onDelivered(j, d, e)
		n.spaceChanged()
	case stepRetract:
		n.onRetracted(j, d, e)
	}
}

// onReleased adds a job again whose data is to be verified.
func (n *Node) onReleased(j *job, e stepDone) {
	switch b := e.step.back; {
	case e.err == nil:
		j.Rechecks = e.rechecks
		if !j.shared() { // who has not asked for it must not wonder who has
			j.note(n.now(), core.EventRecheck, "What is loaded is verified.")
		}
		for _, d := range j.Deliveries {
			if d.open() {
				d.retry, d.Failure, d.HeldSince = retry{}, nil, nil
			}
		}
		j.beginAnew()
	case scopeOf(e.err) == scopeGivenUp:
	case scopeOf(e.err) == scopeDownloader:
		n.troubled(j, b, e)
	default:
		j.again(e.err)
	}
}

func (n *Node) onAdded(j *job, e stepDone) {
	defer func() { j.early = nil }()
	switch b := e.step.back; {
	case e.err == nil:
		j.Ref, j.Phase = e.ref, core.JobQueued
		j.phase, j.status, j.addedAt = core.JobQueued, downloader.Status{}, n.tick()
		j.retry, j.waiting = retry{}, nil
		j.added(e.request)
		j.save()
		n.succeeded(b, e.step.since, true)
		n.follow(j)
		if j.early != nil {
			n.onStatus(b, j.early, n.counter)
		}
	case isNodeError(e.err):
		j.again(e.err)
	case scopeOf(e.err) == scopeGivenUp:
	case scopeOf(e.err) == scopeDownloader:
		n.troubled(j, b, e)
	case scopeOf(e.err) == scopeRetry && j.retry.tries+1 < maxTries:
		j.again(e.err)
	default:
		j.fail(e.err, n.now())
	}
}

// onFilesAsked answers with the files of a job as far as they are known.
func (n *Node) onFilesAsked(e filesAsked) {
	if j := n.jobs[e.job]; j != nil {
		e.reply <- append([]downloader.File{}, j.Files...)
		return
	}
	e.reply <- nil
}

func (n *Node) onRemoved(j *job, e stepDone) {
	if e.err != nil {
		j.forgetPlans(e.undone)
	}
	switch b := e.step.back; {
	case e.err == nil:
		for _, r := range e.left {
			n.noteRemnant(r)
		}
		j.Phase, j.Ending = j.Ending, 0
		j.Ref, j.Files, j.retry, j.waiting = nil, nil, retry{}, nil
		j.choice = nil
		if j.Content {
			j.Content = false
			n.pending.delete(keyContent + string(j.Job.ID))
		}
		j.save()
	case isNodeError(e.err):
		j.again(e.err)
	case scopeOf(e.err) == scopeGivenUp:
	case isUntidy(e.err):
		if j.untidy.IsZero() {
			j.untidy = time.Now()
		}
		j.again(e.err)
	case scopeOf(e.err) == scopeDownloader:
		n.troubled(j, b, e)
	default:
		// It is tried for ever: a job must not be left behind at the downloader.
		n.log.Warn("removing at the downloader failed", "job", j.Job.ID, "err", e.err)
		j.again(e.err)
	}
}

// forgetPlans forgets what was taken back: what gets the names of those files later
// is not the job's.
func (j *job) forgetPlans(undone []core.TaskID) {
	for _, task := range undone {
		if d := j.delivery(task); d != nil {
			d.Plan = nil
			j.save()
		}
	}
}

// again tries the same step later.
func (j *job) again(err error) {
	j.retry.failed(time.Now())
	j.waiting = waitingFor(err)
}

// troubled lets a job wait until its downloader is well. One that is failing
// already holds the job back; otherwise the job waits a moment by itself.
func (n *Node) troubled(j *job, b *backend, e stepDone) {
	n.failed(b, e.step.since, e.err)
	if b.ready() {
		j.again(e.err)
	}
}

// onStatus takes in what a downloader says of a job; since is the loop's
// counter when it was asked.
func (n *Node) onStatus(b *backend, s *downloader.Status, since uint64) {
	id := core.JobID(s.JobID)
	if _, ok := b.at[id]; !ok {
		return
	}
	j := n.jobs[id]
	if j.dataIsThere() {
		n.onShared(j, s, since)
		return
	}
	n.notice(j, s.Phase, since)
	switch {
	case s.Phase == downloader.PhaseGone:
		n.onGone(j, since)
	case s.Phase == downloader.PhaseFailed:
		err := s.Err
		if err == nil {
			err = errs.New(errs.DownloaderError, "The downloader gave up without saying why.")
		}
		n.log.Info("download failed", "job", id, "code", errs.CodeOf(err))
		n.log.Debug("the daemon's reason", "job", id, "err", err) // may hold a URL
		n.learn(j, s)
		if !errs.Is(err, errs.MovedAway) && n.failLoading(j, err, false) {
			j.hasData, j.SeedDone = true, true
			break
		}
		j.fail(err, n.now())
	case s.Phase.HasData() && (j.mustSelect() || j.step != nil && j.step.kind == stepAdjust || since < j.addedAt):
		// It is complete as it was ordered before, not as it is wanted now.
		if !n.learn(j, s) {
			return
		}
	case s.Phase.HasData() && j.forgotSelection(s):
		n.learn(j, s)
		j.selectAgain()
	case s.Phase.HasData():
		n.learn(j, s)
		j.hasData = j.Ending == 0
		if s.Phase == downloader.PhaseComplete {
			j.SeedDone = true
		}
	default:
		if !n.learn(j, s) {
			return
		}
		if what, _ := n.adjusts(j); what == adjustNone && !j.changed {
			n.dirty[id] = struct{}{}
			return
		}
	}
	n.dirty[id] = struct{}{}
	n.touch(j)
}

// onGone adds a job again that its downloader has lost.
func (n *Node) onGone(j *job, since uint64) {
	if since < j.addedAt {
		return // asked before it was added
	}
	j.note(n.now(), core.EventLost, "The downloader had lost the job; it was added again.")
	j.lose()
	n.metrics.lost.Inc()
	n.log.Warn("the downloader has lost a job, adding it again", "job", j.Job.ID, "times", j.Lost)
}

// lose begins a job anew at its downloader. The tries of orders that it could
// not follow any more do not count for the next Add.
func (j *job) lose() {
	j.beginAnew()
	j.Lost++
	if j.Lost > 1 {
		j.retry.at = time.Now().Add(pause(j.Lost - 1))
	}
}

// beginAnew adds a job again that its downloader does not have any more, with
// the data that is there.
func (j *job) beginAnew() {
	j.Uploaded, j.UploadedBefore = j.uploaded(), j.uploaded()
	j.Phase, j.Ref, j.Applied, j.Verify = core.JobAdding, nil, applied{Selected: j.Applied.Selected}, true
	j.hasData, j.Unsure, j.status = false, false, downloader.Status{}
	j.reselected = 0
	j.retry, j.waiting = retry{}, nil
	j.save()
}

// learn keeps a status, and reports whether it tells anything new.
func (n *Node) learn(j *job, s *downloader.Status) bool {
	n.noticeSize(j, s)
	n.noticeBytes(j, s)
	phase, known := daemonPhases[s.Phase]
	if !known {
		phase = j.phase
	}
	if phase == j.phase && len(s.Files) <= len(j.Files) && sameStatus(&j.status, s) {
		j.knowFiles(s.Files, n.now()) // what is loaded of each
		return false
	}
	j.status, j.phase = *s, phase
	j.status.Files, j.status.JobID = nil, string(j.Job.ID) // which is in memory already
	if j.knowFiles(s.Files, n.now()) && !s.Phase.HasData() && len(s.Files) > 1 {
		j.save() // of a single file nothing is chosen; with the data the plan is stored
	}
	if s.Name != "" {
		j.Name = s.Name
	}
	if s.InfoHash != "" {
		j.InfoHash = s.InfoHash
	}
	return true
}

var daemonPhases = map[downloader.Phase]core.JobPhase{
	downloader.PhaseQueued: core.JobQueued, downloader.PhaseMetadata: core.JobMetadata,
	downloader.PhaseChecking: core.JobDownloading, downloader.PhaseDownloading: core.JobDownloading,
	downloader.PhasePaused: core.JobPaused,
}

// sameStatus compares what is reported of a running job; its files are not.
func sameStatus(a, b *downloader.Status) bool {
	return a.Phase == b.Phase && a.Name == b.Name && a.InfoHash == b.InfoHash &&
		a.TotalBytes == b.TotalBytes && a.DoneBytes == b.DoneBytes && a.UploadedBytes == b.UploadedBytes &&
		a.DownloadRate == b.DownloadRate && a.UploadRate == b.UploadRate &&
		a.Peers == b.Peers && a.Seeds == b.Seeds
}

func isReplan(err error) bool { return errors.Is(err, delivery.ErrReplan) }
