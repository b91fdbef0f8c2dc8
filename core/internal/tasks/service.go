// Package tasks is the task service: it takes in what users ask for, starts it
// as far as there is room, follows what the nodes report, and shows it.
package tasks

import (
	"context"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/store"
)

// Options configure a Service.
type Options struct {
	Store    *store.Store
	Registry Registry
	Logger   hclog.Logger
	Clock    core.Clock
	// TorrentLimit is the size in bytes of the largest torrent file taken.
	TorrentLimit int64
	// Deadlines end jobs that get nowhere.
	Deadlines core.Deadlines
	// Hold is how long data is kept that cannot be delivered; 0 is for ever.
	Hold time.Duration
	// RetryLimit is how often haul tries a task again by itself.
	RetryLimit int
	// OnTransition is called after a task's new state is stored; nil for none.
	OnTransition func(to core.TaskState)
}

// Service implements core.TaskService, and takes in what the nodes report.
type Service struct {
	store        *store.Store
	registry     Registry
	log          hclog.Logger
	now          core.Clock
	torrentLimit int64
	deadlines    core.Deadlines
	hold         time.Duration
	retryLimit   int
	onTransition func(core.TaskState)

	mu      sync.Mutex // guards live and waiting
	live    *liveJobs
	waiting *waitingRoom

	owners ownerNames
	late   *lateFiles

	wakeup  chan struct{} // holds one token while the queue is worth a look
	cancel  context.CancelFunc
	running sync.WaitGroup
}

var _ core.TaskService = (*Service)(nil)

// New reads the unfinished tasks and jobs from the store.
func New(ctx context.Context, o Options) (*Service, error) {
	s := &Service{
		store: o.Store, registry: o.Registry, log: o.Logger, now: o.Clock,
		torrentLimit: o.TorrentLimit, deadlines: o.Deadlines, hold: o.Hold, retryLimit: o.RetryLimit,
		onTransition: o.OnTransition,
		live:         newLiveJobs(), waiting: newWaitingRoom(), late: newLateFiles(), wakeup: make(chan struct{}, 1),
	}
	if s.onTransition == nil {
		s.onTransition = func(core.TaskState) {}
	}
	if err := s.loadJobs(ctx); err != nil {
		return nil, err
	}
	if err := s.loadQueue(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// Start begins to give queued tasks a place.
func (s *Service) Start() {
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	s.running.Go(func() { s.admitLoop(ctx) })
	s.running.Go(func() { s.resolveLoop(ctx) })
	s.running.Go(func() { s.removeLoop(ctx) })
	s.running.Go(func() { s.sweepLoop(ctx) })
	s.Wake()
}

// Stop ends what Start began and waits for it.
func (s *Service) Stop() {
	if s.cancel != nil {
		s.cancel()
	}
	s.running.Wait()
}

// Wake makes the service look whether queued tasks can start.
func (s *Service) Wake() {
	select {
	case s.wakeup <- struct{}{}:
	default:
	}
}

// ActiveJobs returns the number of places taken at each downloader.
func (s *Service) ActiveJobs() map[core.DownloaderID]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.live.active()
}

// Rates returns the sum of the progress of the jobs at each downloader.
func (s *Service) Rates() map[core.DownloaderID]core.Progress {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[core.DownloaderID]core.Progress{}
	for _, j := range s.live.jobs {
		sum := out[j.downloader]
		sum.DownloadRate += j.seen.Progress.DownloadRate
		sum.UploadRate += j.seen.Progress.UploadRate
		out[j.downloader] = sum
	}
	return out
}

func (s *Service) loadJobs(ctx context.Context) error {
	for job, err := range s.store.Jobs(ctx, store.JobFilter{}) {
		if err != nil {
			return err
		}
		tasks, err := s.store.TasksOfJob(ctx, job.ID)
		if err != nil {
			return err
		}
		s.live.add(&job, tasks...).unseen = true
	}
	return nil
}

func (s *Service) loadQueue(ctx context.Context) error {
	now := s.now()
	for t, err := range s.store.TasksIn(ctx, core.StateQueued) {
		if err != nil {
			return err
		}
		s.waiting.put(t, now)
	}
	return nil
}
