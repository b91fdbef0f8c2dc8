package tasks

import (
	"context"
	"time"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/failpoint"
	"github.com/haul-dl/haul/core/internal/schedule"
	"github.com/haul-dl/haul/core/internal/store"
	"github.com/haul-dl/haul/sdk/errs"
)

// admitBatch is how many tasks get a place in one transaction: enough to make
// the write cheap, few enough that a node hears of the first ones at once.
const admitBatch = 512

// admitRetry is the pause after a failed write, damagedRetry that before a record
// which cannot be read is looked at again: an admin may have mended it.
const (
	admitRetry   = time.Second
	damagedRetry = time.Minute
)

// admitLoop gives queued tasks a place whenever there may be one, or when their
// next try is due.
func (s *Service) admitLoop(ctx context.Context) {
	for {
		if err := s.admit(ctx); err != nil && ctx.Err() == nil {
			s.log.Error("start queued tasks", "err", err)
			select {
			case <-ctx.Done():
			case <-time.After(admitRetry):
				s.Wake()
			}
		}
		due, stop := s.nextDue()
		select {
		case <-ctx.Done():
			stop()
			return
		case <-s.wakeup:
		case <-due:
		}
		stop()
	}
}

// nextDue returns a timer for the next task that is due at a time, and what
// stops it.
func (s *Service) nextDue() (<-chan time.Time, func() bool) {
	s.mu.Lock()
	at, ok := s.waiting.later.next()
	s.mu.Unlock()
	if !ok {
		return nil, func() bool { return false }
	}
	timer := time.NewTimer(at.Sub(s.now()))
	return timer.C, timer.Stop
}

// admit starts queued tasks until no place is left.
func (s *Service) admit(ctx context.Context) error {
	s.releaseDue(ctx)
	s.resumeSources()
	for {
		candidates, assigned := s.assign()
		if len(assigned) == 0 {
			return nil
		}
		if err := s.startJobs(ctx, assigned, candidates); err != nil {
			s.putBack(assigned)
			return err
		}
	}
}

// resumeSources goes on with the sources whose node has come back.
func (s *Service) resumeSources() {
	s.mu.Lock()
	stalled := len(s.waiting.sources.stalled) > 0
	s.mu.Unlock()
	if !stalled {
		return
	}
	online := s.registry.OnlineNodes()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting.sources.resume(online)
}

func (s *Service) assign() ([]schedule.Candidate, []schedule.Assignment) {
	candidates := s.registry.Candidates()
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range candidates {
		candidates[i].Active = s.live.places[candidates[i].ID]
	}
	return candidates, s.waiting.queue.Assign(candidates, admitBatch)
}

func (s *Service) putBack(assigned []schedule.Assignment) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range assigned {
		s.waiting.queue.Push(a.Want, a.Task)
	}
}

// started is what became of an assigned task: it has a job, waits for the end
// of one, or has ended.
type started struct {
	task   *core.Task
	want   schedule.Want
	job    *core.Job // with the task in it; nil where it has none
	joined bool      // job was there before
	parked core.JobID
}

// admission is one transaction of startJobs.
type admission struct {
	tx         *store.Tx
	candidates []schedule.Candidate
	// fresh are the jobs that it has made.
	fresh map[core.JobID]bool
}

// startJobs stores a job for each task, then tells the nodes: the intent comes
// before the deed.
func (s *Service) startJobs(ctx context.Context, assigned []schedule.Assignment, candidates []schedule.Candidate) error {
	var batch []started
	var damaged []core.TaskID
	failpoint.Hit("tasks.before-start")
	err := s.store.Update(ctx, func(tx *store.Tx) error {
		batch, damaged = batch[:0], damaged[:0]
		adm := &admission{tx: tx, candidates: candidates, fresh: map[core.JobID]bool{}}
		for _, a := range assigned {
			st, err := s.startJob(adm, a)
			if errs.Is(err, errs.Internal) {
				// A damaged record must not keep the others from starting.
				s.log.Error("a queued task cannot be read", "task", a.Task, "err", err)
				damaged = append(damaged, a.Task)
				continue
			}
			if err != nil {
				return err
			}
			if st != nil {
				st.want = a.Want
				batch = append(batch, *st)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	failpoint.Hit("tasks.after-start")
	s.afterStart(batch)
	s.lookLater(damaged)
	return nil
}

func (s *Service) lookLater(damaged []core.TaskID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range damaged {
		s.waiting.later.put(id, s.now().Add(damagedRetry))
	}
}

// afterStart brings the memory up to what was stored, and tells the nodes.
func (s *Service) afterStart(batch []started) {
	orders := map[core.NodeID][]core.JobID{}
	s.mu.Lock()
	for i := range batch {
		st := &batch[i]
		switch {
		case st.parked != "":
			s.park(st)
		case st.job == nil:
			s.waiting.put(st.task, s.now())
		case st.joined:
			s.live.order(st.job)
			s.live.keep(st.task)
		default:
			s.live.add(st.job, *st.task)
		}
		if st.job != nil {
			orders[st.job.Node] = append(orders[st.job.Node], st.job.ID)
		}
	}
	s.mu.Unlock()
	s.dispatch(orders)
	failpoint.Hit("tasks.after-dispatch")
	for i := range batch {
		switch st := &batch[i]; {
		case st.job != nil:
			s.onTransition(core.StateStarting)
			s.log.Info("task started", "task", st.task.ID, "job", st.job.ID, "downloader", s.registry.DownloaderName(st.job.Downloader))
		case st.parked == "":
			s.logMoved(st.task)
		}
	}
}

// park lets a task wait for the end of a job. One that has gone meanwhile is
// not followed any more; the task looks again a little later.
func (s *Service) park(st *started) {
	if s.live.jobs[st.parked] == nil {
		s.waiting.later.put(st.task.ID, s.now().Add(admitRetry))
		return
	}
	s.waiting.parked.put(st.task.ID, st.want, st.parked)
}

// dispatch tells each node of its changed jobs, each once.
func (s *Service) dispatch(orders map[core.NodeID][]core.JobID) {
	for node, jobs := range orders {
		seen := make(map[core.JobID]bool, len(jobs))
		once := jobs[:0]
		for _, id := range jobs {
			if !seen[id] {
				seen[id] = true
				once = append(once, id)
			}
		}
		s.registry.Dispatch(node, once...)
	}
}
