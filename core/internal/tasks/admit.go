package tasks

import (
	"context"
	"encoding/json"
	"time"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/failpoint"
	"github.com/haul-dl/haul/core/internal/options"
	"github.com/haul-dl/haul/core/internal/schedule"
	"github.com/haul-dl/haul/core/internal/store"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

// admitBatch is how many tasks get a place in one transaction: enough to make
// the write cheap, few enough that a node hears of the first ones at once.
const admitBatch = 512

// admitRetry is the pause after a failed write.
const admitRetry = time.Second

// admitLoop gives queued tasks a place whenever there may be one.
func (s *Service) admitLoop(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.wakeup:
		}
		if err := s.admit(ctx); err != nil && ctx.Err() == nil {
			s.log.Error("start queued tasks", "err", err)
			select {
			case <-ctx.Done():
			case <-time.After(admitRetry):
				s.Wake()
			}
		}
	}
}

// admit starts queued tasks until no place is left.
func (s *Service) admit(ctx context.Context) error {
	for {
		assigned := s.assign()
		if len(assigned) == 0 {
			return nil
		}
		if err := s.startJobs(ctx, assigned); err != nil {
			s.putBack(assigned)
			return err
		}
	}
}

func (s *Service) assign() []schedule.Assignment {
	candidates := s.registry.Candidates()
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range candidates {
		candidates[i].Active = s.live.places[candidates[i].ID]
	}
	return s.queue.Assign(candidates, admitBatch)
}

func (s *Service) putBack(assigned []schedule.Assignment) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range assigned {
		s.queue.Push(a.Want, a.Task)
	}
}

// started is a task with its new job, which is nil where it cannot have one.
type started struct {
	task *core.Task
	job  *core.Job
}

// startJobs stores a job for each task, then tells the nodes: the intent comes
// before the deed.
func (s *Service) startJobs(ctx context.Context, assigned []schedule.Assignment) error {
	var batch []started
	failpoint.Hit("tasks.before-start")
	err := s.store.Update(ctx, func(tx *store.Tx) error {
		batch = batch[:0]
		for _, a := range assigned {
			st, err := s.startJob(tx, a)
			if errs.Is(err, errs.Internal) {
				// A damaged record must not keep the others from starting.
				s.log.Error("a queued task cannot be read", "task", a.Task, "err", err)
				continue
			}
			if err != nil {
				return err
			}
			if st != nil {
				batch = append(batch, *st)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	failpoint.Hit("tasks.after-start")
	byNode := map[core.NodeID][]core.JobID{}
	s.mu.Lock()
	for _, st := range batch {
		if st.job == nil {
			continue
		}
		s.live.add(st.job, *st.task)
		byNode[st.job.Node] = append(byNode[st.job.Node], st.job.ID)
	}
	s.mu.Unlock()
	for node, jobs := range byNode {
		s.registry.Dispatch(node, jobs...)
	}
	failpoint.Hit("tasks.after-dispatch")
	for _, st := range batch {
		if st.job == nil {
			s.logMoved(st.task)
			continue
		}
		s.onTransition(core.StateStarting)
		s.log.Info("task started", "task", st.task.ID, "job", st.job.ID, "downloader", s.registry.DownloaderName(st.job.Downloader))
	}
	return nil
}

// startJob makes the job of one task; nil when the task does not wait any more.
func (s *Service) startJob(tx *store.Tx, a schedule.Assignment) (*started, error) {
	t, err := tx.Task(a.Task)
	if errs.Is(err, errs.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if t.State != core.StateQueued || t.DeletedAt != nil {
		return nil, nil
	}
	now := s.now()
	owner, err := tx.User(t.Owner)
	if errs.Is(err, errs.NotFound) {
		gone := errs.New(errs.InvalidDestination, "The task's owner does not exist any more.")
		t.Fail(core.NewFailure(gone, now), now)
		return &started{task: t}, tx.PutTask(t)
	}
	if err != nil {
		return nil, err
	}
	opts, limits, err := s.jobOptions(a.Downloader, t)
	if err != nil {
		t.Fail(core.NewFailure(err, now), now)
		return &started{task: t}, tx.PutTask(t)
	}
	job := &core.Job{
		ID: core.NewID[core.JobID](), Node: a.Node, Downloader: a.Downloader, Revision: 1, Wish: core.JobRun,
		Source: t.Source, InfoHash: t.InfoHash, CreatedAt: now.UTC(),
		Options: opts, Limits: limits, Resumes: t.Resumes,
		Deliveries: []core.Delivery{{
			Task: t.ID, Storage: t.Destination.Storage, Path: inHome(owner, t.Destination.Path), Attempt: t.Attempt,
			Owner: t.Owner, Selection: t.Selection, OnConflict: t.OnConflict, Limits: limits,
		}},
	}
	if t.Source.Uploaded {
		job.ContentOf = t.ID
	}
	if !t.Start(job, now) {
		return nil, nil
	}
	if err := tx.PutJob(job); err != nil {
		return nil, err
	}
	return &started{t, job}, tx.PutTask(t)
}

// jobOptions lays a task's options over those of its downloader, and takes out
// what haul itself knows.
func (s *Service) jobOptions(id core.DownloaderID, t *core.Task) (json.RawMessage, downloader.Limits, error) {
	var under json.RawMessage
	if d, err := s.registry.Downloader(string(id)); err == nil { // else it has just been deleted
		under = d.Options
	}
	merged, err := options.Merge(under, t.Options)
	if err != nil {
		return nil, downloader.Limits{}, err
	}
	return options.Split(merged)
}
