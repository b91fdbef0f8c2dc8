package tasks

import (
	"context"
	"fmt"
	"time"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/schedule"
	"github.com/haul-dl/haul/sdk/errs"
)

// waitingRoom has every queued task in the one place where it waits: for its
// next try, for its torrent file, for the end of a job that it cannot join, or
// for a downloader with room. The service's mutex guards it.
type waitingRoom struct {
	queue   *schedule.Queue
	later   *later
	sources *sources
	parked  *parked
}

func newWaitingRoom() *waitingRoom {
	return &waitingRoom{queue: schedule.NewQueue(), later: newLater(), sources: newSources(), parked: newParked()}
}

// put gives a task, as it is stored now, the place where it belongs, or none.
func (w *waitingRoom) put(t *core.Task, now time.Time) {
	w.remove(t.ID)
	switch {
	case t.State != core.StateQueued || t.DeletedAt != nil:
	case t.Retries.NextAt != nil && t.Retries.NextAt.After(now):
		w.later.put(t.ID, *t.Retries.NextAt)
	case t.Source.MustFetch():
		w.sources.add(t.ID)
	default:
		w.queue.Push(schedule.WantOf(t), t.ID)
	}
}

func (w *waitingRoom) remove(id core.TaskID) {
	w.queue.Remove(id)
	w.later.remove(id)
	w.sources.remove(id)
	w.parked.remove(id)
}

// unpark lets the tasks that wait for a job look again.
func (w *waitingRoom) unpark(job core.JobID) bool {
	waiting := w.parked.take(job)
	for _, p := range waiting {
		w.queue.Push(p.want, p.task)
	}
	return len(waiting) > 0
}

// parked are tasks whose torrent a downloader loads already, in a job that they
// cannot join any more.
type parked struct {
	tasks map[core.TaskID]*parkedTask
	jobs  map[core.JobID]map[core.TaskID]*parkedTask
}

type parkedTask struct {
	task core.TaskID
	want schedule.Want
	job  core.JobID
}

func newParked() *parked {
	return &parked{tasks: map[core.TaskID]*parkedTask{}, jobs: map[core.JobID]map[core.TaskID]*parkedTask{}}
}

func (p *parked) put(task core.TaskID, want schedule.Want, job core.JobID) {
	entry := &parkedTask{task: task, want: want, job: job}
	p.tasks[task] = entry
	if p.jobs[job] == nil {
		p.jobs[job] = map[core.TaskID]*parkedTask{}
	}
	p.jobs[job][task] = entry
}

func (p *parked) remove(task core.TaskID) {
	entry := p.tasks[task]
	if entry == nil {
		return
	}
	delete(p.tasks, task)
	delete(p.jobs[entry.job], task)
	if len(p.jobs[entry.job]) == 0 {
		delete(p.jobs, entry.job)
	}
}

// take returns what waits for a job, and takes it out.
func (p *parked) take(job core.JobID) map[core.TaskID]*parkedTask {
	waiting := p.jobs[job]
	delete(p.jobs, job)
	for task := range waiting {
		delete(p.tasks, task)
	}
	return waiting
}

// whyQueued says what a queued task waits for. One that is parked says what any
// task says that is about to start: that somebody else loads the same torrent
// is nobody's business.
func (s *Service) whyQueued(t *core.Task, candidates func() []schedule.Candidate) *core.Waiting {
	if next := t.Retries.NextAt; next != nil && next.After(s.now()) {
		return waitsForRetry(t, *next)
	}
	if t.Source.MustFetch() {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.waiting.sources.why(t.ID)
	}
	if _, why := schedule.Place(schedule.WantOf(t), candidates()); why != nil {
		return why
	}
	return &core.Waiting{Code: core.WaitingForSlot, Message: "There is a place for it: it starts in a moment."}
}

func waitsForRetry(t *core.Task, next time.Time) *core.Waiting {
	why := "The last try failed."
	if t.Error != nil {
		why = t.Error.Message
	}
	return &core.Waiting{
		Code: core.WaitingForRetry,
		Message: fmt.Sprintf("%s haul tries again at %s (retry %d of %d).",
			why, next.UTC().Format(time.RFC3339), t.Retries.Used, t.Retries.Limit),
	}
}

// releaseDue gives the tasks whose time has come their next place.
func (s *Service) releaseDue(ctx context.Context) {
	now := s.now()
	s.mu.Lock()
	ids := s.waiting.later.take(now)
	s.mu.Unlock()
	for _, id := range ids {
		if s.again(id) {
			continue
		}
		t, err := s.store.Task(ctx, id)
		s.mu.Lock()
		switch {
		case err == nil:
			s.waiting.put(t, now)
		case !errs.Is(err, errs.NotFound):
			s.log.Error("a waiting task cannot be read", "task", id, "err", err)
			s.waiting.later.put(id, now.Add(damagedRetry))
		}
		s.mu.Unlock()
	}
}

// again goes on to fetch a task's source, and reports whether that was due.
func (s *Service) again(id core.TaskID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.waiting.sources.again(id)
}
