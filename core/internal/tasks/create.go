package tasks

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"sync"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/options"
	"github.com/haul-dl/haul/core/internal/schedule"
	"github.com/haul-dl/haul/core/internal/store"
	"github.com/haul-dl/haul/sdk/errs"
)

// maxSources is how many sources one request may have.
const maxSources = 1000

// maxKeyLength is how long an idempotency key may be.
const maxKeyLength = 255

// Create checks every source before it stores any task.
func (s *Service) Create(ctx context.Context, req *core.NewTask) ([]core.TaskView, error) {
	who, err := core.Require(ctx, core.PermissionDownload)
	if err != nil {
		return nil, err
	}
	if req.IdempotencyKey != "" {
		earlier, err := s.repeated(ctx, who, req)
		if earlier != nil || err != nil {
			return earlier, err
		}
	}
	fresh, err := s.prepare(who, req)
	if err != nil {
		return nil, err
	}
	if err := s.checkConflicts(ctx, who, req, fresh); err != nil {
		return nil, err
	}
	if req.IdempotencyKey == "" {
		if err := s.store.CreateTasks(ctx, fresh); err != nil {
			return nil, err
		}
		return s.enqueue(who, fresh), nil
	}
	return s.createOnce(ctx, who, req, fresh)
}

// repeated answers with the tasks of an earlier request of the same key, as
// they are now; nil when there was none. It comes before the request is looked
// at, since what it names may be gone since.
func (s *Service) repeated(ctx context.Context, who *core.Identity, req *core.NewTask) ([]core.TaskView, error) {
	if len(req.IdempotencyKey) > maxKeyLength {
		return nil, errs.New(errs.InvalidRequest, "The Idempotency-Key is longer than %d characters.", maxKeyLength)
	}
	hash, err := hashRequest(req)
	if err != nil {
		return nil, err
	}
	var earlier []core.TaskID
	err = s.store.Update(ctx, func(tx *store.Tx) error {
		earlier, err = earlierTasks(tx, who, req.IdempotencyKey, hash)
		return err
	})
	if err != nil || earlier == nil {
		return nil, err
	}
	return s.viewAll(ctx, earlier)
}

// earlierTasks returns what an earlier request of the same key made, or nil.
func earlierTasks(tx *store.Tx, who *core.Identity, key, hash string) ([]core.TaskID, error) {
	known, err := tx.Idempotency(who.User, key)
	if err != nil || known == nil {
		return nil, err
	}
	if known.RequestHash != hash {
		return nil, errs.New(errs.IdempotencyReused, "The Idempotency-Key was used for another request.")
	}
	return known.Tasks, nil
}

// createOnce stores the tasks, unless the same request was made at the same
// time; then it answers with the tasks of that one.
func (s *Service) createOnce(ctx context.Context, who *core.Identity, req *core.NewTask, fresh []store.NewTask) ([]core.TaskView, error) {
	hash, err := hashRequest(req)
	if err != nil {
		return nil, err
	}
	var earlier []core.TaskID
	err = s.store.Update(ctx, func(tx *store.Tx) error {
		if earlier, err = earlierTasks(tx, who, req.IdempotencyKey, hash); earlier != nil || err != nil {
			return err
		}
		record := &store.Idempotency{RequestHash: hash, CreatedAt: s.now().UTC()}
		for i := range fresh {
			record.Tasks = append(record.Tasks, fresh[i].Task.ID)
			if err := tx.PutTask(&fresh[i].Task); err != nil {
				return err
			}
			if err := tx.PutContent(fresh[i].Task.ID, fresh[i].Content); err != nil {
				return err
			}
		}
		return tx.PutIdempotency(who.User, req.IdempotencyKey, record)
	})
	if err != nil {
		return nil, err
	}
	if earlier == nil {
		return s.enqueue(who, fresh), nil
	}
	return s.viewAll(ctx, earlier)
}

func (s *Service) viewAll(ctx context.Context, ids []core.TaskID) ([]core.TaskView, error) {
	views := make([]core.TaskView, 0, len(ids))
	for _, id := range ids {
		t, err := s.store.Task(ctx, id)
		if err != nil {
			return nil, err
		}
		views = append(views, *s.view(ctx, t))
	}
	return views, nil
}

// hashRequest tells requests apart. What a request may say since is left out of
// its JSON where it is empty, so that older hashes stay true.
func hashRequest(req *core.NewTask) (string, error) {
	b, err := json.Marshal(req)
	if err != nil {
		return "", fmt.Errorf("hash the request: %w", err)
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:]), nil
}

// enqueue hands stored tasks to the scheduler.
func (s *Service) enqueue(who *core.Identity, fresh []store.NewTask) []core.TaskView {
	now := s.now()
	s.mu.Lock()
	for i := range fresh {
		s.waiting.put(&fresh[i].Task, now)
	}
	s.mu.Unlock()
	s.Wake()
	candidates := sync.OnceValue(s.candidates)
	views := make([]core.TaskView, 0, len(fresh))
	for i := range fresh {
		v := s.nameAll(&fresh[i].Task)
		v.OwnerName = who.Name
		v.Progress.TotalBytes = v.TotalBytes
		if v.State == core.StateQueued {
			v.Waiting = s.whyQueued(&v.Task, candidates)
		}
		views = append(views, *v)
		s.log.Debug("task created", "task", v.ID, "kind", v.Source.Kind)
	}
	return views
}

// prepare turns a request into tasks, or says what is wrong with it.
func (s *Service) prepare(who *core.Identity, req *core.NewTask) ([]store.NewTask, error) {
	switch n := len(req.Sources); {
	case n == 0:
		return nil, errs.New(errs.InvalidSource, "There is no source.").WithField("sources", "must have at least one")
	case n > maxSources:
		return nil, errs.New(errs.InvalidRequest, "There are %d sources; %d is the most at once.", n, maxSources).WithField("sources", "too many")
	}
	if err := checkWishes(req); err != nil {
		return nil, err
	}
	template := core.Task{
		Owner: who.User, Wish: core.WishRun, State: core.StateQueued, Attempt: 1, CreatedAt: s.now().UTC(),
		OnConflict: req.OnConflict, Seed: req.Seed, Retries: core.Retries{Limit: s.retryLimit},
	}
	if req.Paused {
		template.Wish, template.State = core.WishPause, core.StatePaused
	}
	if err := s.resolveNames(&template, req); err != nil {
		return nil, err
	}
	var err error
	if template.Options, err = options.Parse(req.Options); err != nil {
		return nil, err
	}
	fresh := make([]store.NewTask, 0, len(req.Sources))
	candidates := s.registry.Candidates()
	for i := range req.Sources {
		src := &req.Sources[i]
		t := template
		t.ID = core.NewID[core.TaskID]()
		content, err := s.readSource(&t, src)
		if err != nil {
			return nil, inField(err, src.Field)
		}
		if err := choose(&t, req.Selection, content.known()); err != nil {
			return nil, err
		}
		if err := schedule.Check(schedule.WantOf(&t), candidates); err != nil {
			return nil, inField(err, src.Field)
		}
		fresh = append(fresh, store.NewTask{Task: t, Content: src.Content})
	}
	return fresh, nil
}

// resolveNames turns the names in a request into ids.
func (s *Service) resolveNames(t *core.Task, req *core.NewTask) error {
	var err error
	if t.Destination, err = s.resolveDestination(req.Destination, core.LocalStorageName); err != nil {
		return err
	}
	if req.Node != "" {
		n, err := s.registry.Node(req.Node)
		if err != nil {
			return errs.Wrap(err, errs.InvalidRequest, "There is no node %q.", req.Node).WithField("node", "does not exist")
		}
		t.WantedNode = n.ID
	}
	if req.Downloader != "" {
		d, err := s.registry.Downloader(req.Downloader)
		if err != nil {
			return errs.Wrap(err, errs.InvalidRequest, "There is no downloader %q.", req.Downloader).WithField("downloader", "does not exist")
		}
		t.WantedDownloader = d.ID
	}
	return nil
}

// inField says which source of the request an error is about.
func inField(err error, field string) error {
	if e, ok := err.(*errs.Error); ok && field != "" && len(e.Fields) == 0 { //nolint:errorlint // a wrapped one has its own field
		return e.WithField(field, errs.MessageOf(err))
	}
	return err
}
