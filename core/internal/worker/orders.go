package worker

import (
	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
	"github.com/haul-dl/haul/sdk/source"
)

// onOrders takes over what core wants. It is answered after the commit.
func (n *Node) onOrders(e ordered) {
	o := e.orders
	n.replies = append(n.replies, e.reply)
	n.orderStorages(o)
	n.orderDownloaders(o)
	wanted := make(map[core.JobID]bool, len(o.Jobs))
	for i := range o.Jobs {
		wanted[o.Jobs[i].ID] = true
		n.orderJob(&o.Jobs[i])
	}
	if o.Full {
		n.orphans.inform()
		n.dropUnwanted(wanted)
	}
	for _, id := range o.Forget {
		if j := n.jobs[id]; j != nil && j.Phase.Ended() {
			n.forget(j)
		}
	}
	if o.Full {
		for _, j := range n.jobs {
			n.failWithoutDownloader(j)
		}
		return
	}
	for id := range wanted {
		n.failWithoutDownloader(n.jobs[id])
	}
}

func (n *Node) put(key string, v any) {
	if err := n.pending.put(key, v); err != nil {
		n.log.Error("encode a record", "record", key, "err", err)
	}
}

func (n *Node) orderDownloaders(o *core.Orders) {
	wanted := map[core.DownloaderID]bool{}
	for _, d := range o.Downloaders {
		wanted[d.ID] = true
		n.orderDownloader(d)
	}
	for _, id := range o.RemovedDownloaders {
		n.dropDownloader(id)
	}
	if !o.Full {
		return
	}
	for id := range n.backends {
		if !wanted[id] {
			n.dropDownloader(id)
		}
	}
}

func (n *Node) orderDownloader(d core.DesiredDownloader) {
	b := n.backends[d.ID]
	if b == nil {
		b = newBackend(d)
		n.backends[d.ID] = b
	} else if d.Revision <= b.want.Revision && !b.removed {
		return
	}
	reopen := b.inst != nil && (!sameSpec(b.spec(), specOf(d)) || !d.Enabled)
	b.want, b.removed = d, false
	if err := n.pending.putDownloader(n.journal.box, d); err != nil {
		n.log.Error("encode a record", "downloader", d.Name, "err", err)
	}
	if reopen {
		n.shut(b)
	} else {
		n.open(b)
	}
	n.downloadersDirty = true
	for _, j := range n.jobs {
		if j.Job.Downloader == d.ID {
			n.touch(j)
		}
	}
}

// dropDownloader ends a downloader that core does not have any more. Its jobs
// cannot go on without it, but what is loaded is still delivered.
func (n *Node) dropDownloader(id core.DownloaderID) {
	b := n.backends[id]
	if b == nil || b.removed {
		return
	}
	b.removed = true
	n.pending.delete(keyDownloader + string(id))
	n.forgetOrphans(func(o *orphan) bool { return o.Kind == orphanJob && o.Downloader == id })
	n.downloadersDirty = true
	if b.inst == nil {
		n.discard(b)
	} else {
		n.shut(b)
	}
	for _, j := range n.jobs {
		if j.Job.Downloader == id {
			n.loseDownloader(j)
		}
	}
}

// discard ends what is left of a downloader that is gone.
func (n *Node) discard(b *backend) {
	delete(n.backends, b.want.ID)
	if err := n.host.Discard(string(b.want.ID)); err != nil {
		n.log.Warn("what a deleted downloader has kept stays", "downloader", b.want.Name, "err", err)
	}
}

func (n *Node) loseDownloader(j *job) {
	if !j.dataIsThere() {
		j.fail(errs.New(errs.DownloaderMissing, "The job's downloader was removed."), n.now())
	}
	n.touch(j)
}

// failWithoutDownloader ends a job whose downloader core does not have. Core
// tells of a downloader before it places jobs there.
func (n *Node) failWithoutDownloader(j *job) {
	if j != nil && n.backend(j.Job.Downloader) == nil && j.Ending == 0 && !j.Phase.Ended() {
		n.loseDownloader(j)
	}
}

// backend returns a downloader that core wants, or nil.
func (n *Node) backend(id core.DownloaderID) *backend {
	if b := n.backends[id]; b != nil && !b.removed {
		return b
	}
	return nil
}

// onClosed goes on after an instance has ended.
func (n *Node) onClosed(e instanceClosed) {
	b := n.backendOf(e.instance)
	if b == nil {
		return
	}
	b.inst, b.closing, b.running = nil, false, false
	b.checking, b.testing, b.watching = false, false, false
	b.status = emptyStatus
	b.health.Version = ""
	n.downloadersDirty = true
	if b.removed {
		n.discard(b)
		return
	}
	n.open(b)
}

func (n *Node) orderJob(d *core.DesiredJob) {
	j := n.jobs[d.ID]
	if j == nil {
		n.accept(d)
		return
	}
	n.dirty[d.ID] = struct{}{}
	if !j.order(d, n.now()) {
		return
	}
	n.unsaved[d.ID] = struct{}{}
	n.touch(j)
}

// accept begins a new job.
func (n *Node) accept(d *core.DesiredJob) {
	j := &job{record: record{Job: copyJob(d), Phase: core.JobAccepted, InfoHash: d.InfoHash}}
	for _, want := range d.Deliveries {
		r := newDeliveryRecord(want)
		r.JoinedAt = n.now().UTC()
		j.Deliveries = append(j.Deliveries, r)
	}
	n.jobs[d.ID] = j
	n.dirty[d.ID] = struct{}{}
	n.touch(j)
	j.save()
	switch {
	case d.Wish == core.JobRemove:
		j.Phase = core.JobRemoved
	case d.Source.Kind != downloader.SourceTorrent && d.Source.Kind != downloader.SourceMetalink:
	case d.Content == nil:
		j.fail(errs.New(errs.InvalidSource, "The torrent or metalink file is not there any more.").
			WithHint("Upload the file again as a new task."), n.now())
	default:
		n.acceptContent(j, d.Content)
	}
}

// acceptContent keeps the torrent or metalink file of a new job.
func (n *Node) acceptContent(j *job, content []byte) {
	j.newContent, j.Content = content, true
	if j.Job.Source.Kind != downloader.SourceTorrent {
		return
	}
	t, err := source.ParseTorrent(content)
	if err != nil {
		j.fail(err, n.now())
		return
	}
	j.Name = t.Name
	j.knowFiles(filesOfTorrent(t), n.now())
}

// dropUnwanted removes jobs that core does not have; it need not hear how
// those ended.
func (n *Node) dropUnwanted(wanted map[core.JobID]bool) {
	for id, j := range n.jobs {
		if wanted[id] {
			continue
		}
		if j.Phase.Ended() {
			n.forget(j)
			continue
		}
		if j.Job.Wish != core.JobRemove {
			j.Job.Wish = core.JobRemove
			for _, d := range j.Deliveries {
				d.Left = true
			}
			j.save()
			n.touch(j)
		}
	}
}

func (n *Node) forget(j *job) {
	id := j.Job.ID
	delete(n.jobs, id)
	delete(n.unsaved, id)
	delete(n.dirty, id)
	delete(n.reported, id)
	n.pending.deleteJob(id)
}
