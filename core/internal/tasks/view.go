package tasks

import (
	"cmp"
	"context"
	"sync"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/schedule"
	"github.com/haul-dl/haul/core/internal/store"
	"github.com/haul-dl/haul/sdk/errs"
)

// view joins a task with what is known of it at this moment.
func (s *Service) view(ctx context.Context, t *core.Task) *core.TaskView {
	return s.viewAmong(ctx, t, s.candidates)
}

func (s *Service) viewAmong(ctx context.Context, t *core.Task, candidates func() []schedule.Candidate) *core.TaskView {
	v := s.nameAll(t)
	v.OwnerName = s.owners.name(ctx, s.store, t.Owner)
	v.Progress = core.Progress{TotalBytes: t.TotalBytes, DoneBytes: t.DoneBytes, UploadedBytes: t.UploadedBytes}
	switch {
	case t.State == core.StateCompleted:
		v.Progress.DoneBytes = t.TotalBytes
		v.Delivery = delivered(t)
	case t.State == core.StateQueued:
		v.Waiting = s.whyQueued(t, candidates)
	case hasJob(t):
		s.viewLive(v)
	}
	return v
}

// viewLive adds what the task's job does now.
func (s *Service) viewLive(v *core.TaskView) {
	online := s.registry.Online(v.Node)
	s.mu.Lock()
	defer s.mu.Unlock()
	j := s.live.jobs[v.Job]
	if j == nil {
		return
	}
	d := j.tells(&v.Task)
	if d != nil {
		v.Delivery = d.Progress
		v.Progress = progressOf(&v.Task, &j.seen, d)
	}
	switch {
	case !online:
		v.Waiting = &core.Waiting{Code: errs.NodeOffline, Message: "The node is offline; the job goes on there by itself."}
	case v.Wish == core.WishCancel:
		v.Waiting = &core.Waiting{Code: core.WaitingForRemoval, Message: "The node has been told to stop it."}
	case d == nil:
		v.Waiting = &core.Waiting{Code: core.WaitingForNode, Message: "The node has been told to start it."}
	default:
		v.Waiting = j.waiting(&v.Task, d)
	}
}

// progressOf shows a task's own part of a job: what others load or share with it
// is not to be seen while the task itself does not move.
func progressOf(t *core.Task, o *core.ObservedJob, d *core.ObservedDelivery) core.Progress {
	p := core.Progress{TotalBytes: cmp.Or(d.TotalBytes, t.TotalBytes), DoneBytes: d.DoneBytes, UploadedBytes: d.UploadedBytes}
	switch {
	case t.State == core.StatePaused:
		p.DoneBytes, p.UploadedBytes = t.DoneBytes, t.UploadedBytes
	case d.Phase == core.JobSeeding:
		p.UploadRate, p.Peers, p.Seeds = o.Progress.UploadRate, o.Progress.Peers, o.Progress.Seeds
	case d.Phase < core.JobDownloaded && d.Phase != core.JobPaused:
		p.DownloadRate, p.UploadRate = o.Progress.DownloadRate, o.Progress.UploadRate
		p.Peers, p.Seeds = o.Progress.Peers, o.Progress.Seeds
	}
	return p
}

// waiting says why nothing moves, or why it does not stop. What the node says
// counts once it knows what is wanted.
func (j *liveJob) waiting(t *core.Task, d *core.ObservedDelivery) *core.Waiting {
	known := j.seen.Revision >= j.revision
	switch {
	case known && d.Waiting != nil:
		return d.Waiting
	case t.Wish == core.WishPause && t.CanPause() && t.State != core.StatePaused:
		return &core.Waiting{Code: core.WaitingForPause, Message: "The downloader has been told to stop it."}
	case t.Wish == core.WishRun && t.State == core.StatePaused && !known:
		return &core.Waiting{Code: core.WaitingForNode, Message: "The node has been told to go on with it."}
	}
	return d.Waiting
}

func delivered(t *core.Task) core.DeliveryProgress {
	p := core.DeliveryProgress{FilesTotal: len(t.Files), FilesDone: len(t.Files)}
	for _, f := range t.Files {
		p.TotalBytes += f.Size
	}
	p.DoneBytes = p.TotalBytes
	return p
}

// candidates returns the downloaders with their taken places.
func (s *Service) candidates() []schedule.Candidate {
	cs := s.registry.Candidates()
	active := s.ActiveJobs()
	for i := range cs {
		cs[i].Active = active[cs[i].ID]
	}
	return cs
}

// nameAll puts names to a task's ids.
func (s *Service) nameAll(t *core.Task) *core.TaskView {
	v := &core.TaskView{Task: *t}
	v.Options = s.registry.RedactOptions(cmp.Or(t.Downloader, t.WantedDownloader), t.Options)
	if t.Node != "" {
		v.NodeName = s.registry.NodeName(t.Node)
	}
	if t.Downloader != "" {
		v.DownloaderName = s.registry.DownloaderName(t.Downloader)
	}
	if st, err := s.registry.Storage(string(t.Destination.Storage)); err == nil {
		v.StorageName = st.Name
	}
	return v
}

// ownerNames remembers the names of users, which do not change.
type ownerNames struct{ names sync.Map }

func (o *ownerNames) name(ctx context.Context, st *store.Store, id core.UserID) string {
	if known, ok := o.names.Load(id); ok {
		if name, ok := known.(string); ok {
			return name
		}
	}
	u, err := st.User(ctx, id)
	if err != nil {
		return string(id)
	}
	o.names.Store(id, u.Name)
	return u.Name
}
