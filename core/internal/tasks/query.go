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

// defaultLimit is the length of a page unless told otherwise.
const defaultLimit = 50

// Get shows one task of the caller; an admin sees all.
func (s *Service) Get(ctx context.Context, id core.TaskID) (*core.TaskView, error) {
	t, err := s.mine(ctx, id)
	if err != nil {
		return nil, err
	}
	return s.view(ctx, t), nil
}

// mine returns a task that the caller may see.
func (s *Service) mine(ctx context.Context, id core.TaskID) (*core.Task, error) {
	who, err := core.IdentityFrom(ctx)
	if err != nil {
		return nil, err
	}
	t, err := s.store.Task(ctx, id)
	if err != nil {
		return nil, err
	}
	if !mayManage(who, t) {
		return nil, notFound(id)
	}
	return t, nil
}

// List shows the caller's tasks; an admin sees all.
func (s *Service) List(ctx context.Context, q *core.TaskQuery) (*core.Page[core.TaskView], error) {
	who, err := core.IdentityFrom(ctx)
	if err != nil {
		return nil, err
	}
	filter, err := s.filter(ctx, who, q)
	if err != nil || filter == nil {
		return &core.Page[core.TaskView]{}, err
	}
	tasks, next, err := s.store.Tasks(ctx, *filter)
	if err != nil {
		return nil, err
	}
	page := &core.Page[core.TaskView]{NextCursor: next, Items: make([]core.TaskView, 0, len(tasks))}
	for i := range tasks {
		page.Items = append(page.Items, *s.view(ctx, &tasks[i]))
	}
	return page, nil
}

// filter turns a query into one for the store; nil when nothing can match.
func (s *Service) filter(ctx context.Context, who *core.Identity, q *core.TaskQuery) (*store.TaskFilter, error) {
	f := &store.TaskFilter{
		States: q.States, Text: q.Text, OldestFirst: q.OldestFirst, Cursor: q.Cursor, Limit: q.Limit,
	}
	if f.Limit == 0 {
		f.Limit = defaultLimit
	}
	if q.Owner != "" {
		u, err := s.store.UserByName(ctx, q.Owner)
		if errs.Is(err, errs.NotFound) {
			u, err = &core.User{ID: core.UserID(q.Owner)}, nil
		}
		if err != nil {
			return nil, err
		}
		f.Owner = u.ID
	}
	if !who.IsAdmin() {
		if f.Owner != "" && f.Owner != who.User {
			return nil, nil
		}
		f.Owner = who.User
	}
	if q.Node != "" {
		n, err := s.registry.Node(q.Node)
		if err != nil {
			return nil, nil //nolint:nilerr // no such node: nothing is there
		}
		f.Node = n.ID
	}
	if q.Downloader != "" {
		d, err := s.registry.Downloader(q.Downloader)
		if err != nil {
			return nil, nil //nolint:nilerr // no such downloader: nothing is there
		}
		f.Downloader = d.ID
	}
	return f, nil
}

// view joins a task with what is known of it at this moment.
func (s *Service) view(ctx context.Context, t *core.Task) *core.TaskView {
	v := s.nameAll(t)
	v.OwnerName = s.owners.name(ctx, s.store, t.Owner)
	if t.State.Ended() || t.Job == "" {
		v.Progress.TotalBytes = t.TotalBytes
		if t.State == core.StateCompleted {
			v.Progress.DoneBytes = t.TotalBytes
			v.Delivery = delivered(t)
		}
		if t.State == core.StateQueued {
			v.Waiting = waitsFor(t, s.candidates())
		}
		return v
	}
	s.viewLive(v)
	return v
}

// waitsFor says why a task is still in the queue.
func waitsFor(t *core.Task, candidates []schedule.Candidate) *core.Waiting {
	if _, why := schedule.Place(schedule.WantOf(t), candidates); why != nil {
		return why
	}
	return &core.Waiting{Code: core.WaitingForSlot, Message: "There is a place for it: it starts in a moment."}
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
	v.Progress = j.seen.Progress
	if v.Progress.TotalBytes == 0 {
		v.Progress.TotalBytes = v.TotalBytes
	}
	for i := range j.seen.Deliveries {
		if d := &j.seen.Deliveries[i]; d.Task == v.ID {
			v.Delivery = d.Progress
		}
	}
	switch {
	case !online:
		v.Waiting = &core.Waiting{Code: errs.NodeOffline, Message: "The node is offline; the job goes on there by itself."}
	case v.Wish == core.WishCancel:
		v.Waiting = &core.Waiting{Code: core.WaitingForRemoval, Message: "The node has been told to stop it."}
	case j.seen.Revision == 0:
		v.Waiting = &core.Waiting{Code: core.WaitingForNode, Message: "The node has been told to start it."}
	default:
		v.Waiting = j.waiting(&v.Task)
	}
}

// waiting says why nothing moves, or why it does not stop. What the node says
// counts once it knows what is wanted.
func (j *liveJob) waiting(t *core.Task) *core.Waiting {
	known := j.seen.Revision >= j.revision
	switch {
	case known && j.seen.Waiting != nil:
		return j.seen.Waiting
	case t.Wish == core.WishPause && t.CanPause() && t.State != core.StatePaused:
		return &core.Waiting{Code: core.WaitingForPause, Message: "The downloader has been told to stop it."}
	case t.Wish == core.WishRun && t.State == core.StatePaused && !known:
		return &core.Waiting{Code: core.WaitingForNode, Message: "The node has been told to go on with it."}
	}
	return j.seen.Waiting
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
