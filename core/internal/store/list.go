package store

import (
	"context"
	"iter"

	"github.com/haul-dl/haul/core"
)

// The lists below return up to limit records (0 means MaxRange), oldest first,
// and the cursor of the rest, which is empty at the end. A cursor that is not
// one of the list is errs.InvalidCursor. Damaged records are logged and left out.

// Users lists the users.
func (s *Store) Users(ctx context.Context, limit int, cursor string) ([]core.User, string, error) {
	return page(ctx, s, &s.kinds.user, source{prefix: s.kinds.user.prefix()}, limit, cursor)
}

// Groups lists the groups.
func (s *Store) Groups(ctx context.Context, limit int, cursor string) ([]core.Group, string, error) {
	return page(ctx, s, &s.kinds.group, source{prefix: s.kinds.group.prefix()}, limit, cursor)
}

// Tokens lists the tokens of all users.
func (s *Store) Tokens(ctx context.Context, limit int, cursor string) ([]core.Token, string, error) {
	return page(ctx, s, &s.kinds.token, source{prefix: s.kinds.token.prefix()}, limit, cursor)
}

// TokensOf lists the tokens of one user.
func (s *Store) TokensOf(ctx context.Context, user core.UserID, limit int, cursor string) ([]core.Token, string, error) {
	if !validID(string(user)) {
		return []core.Token{}, "", nil
	}
	return page(ctx, s, &s.kinds.token, source{prefix: tokenUserIndex + string(user) + "/", index: true}, limit, cursor)
}

// Nodes lists the nodes.
func (s *Store) Nodes(ctx context.Context, limit int, cursor string) ([]core.Node, string, error) {
	return page(ctx, s, &s.kinds.node, source{prefix: s.kinds.node.prefix()}, limit, cursor)
}

// Downloaders lists the downloaders, their settings in clear.
func (s *Store) Downloaders(ctx context.Context, limit int, cursor string) ([]core.Downloader, string, error) {
	return page(ctx, s, &s.kinds.downloader, source{prefix: s.kinds.downloader.prefix()}, limit, cursor)
}

// Storages lists the storages.
func (s *Store) Storages(ctx context.Context, limit int, cursor string) ([]core.Storage, string, error) {
	return page(ctx, s, &s.kinds.storage, source{prefix: s.kinds.storage.prefix()}, limit, cursor)
}

// KnowsAllWanted reports whether no list of jobs, downloaders or storages had to
// leave out a damaged record so far: what is not in them may be wanted all the same.
func (s *Store) KnowsAllWanted() bool {
	for _, name := range []string{s.kinds.job.name, s.kinds.downloader.name, s.kinds.storage.name} {
		if _, damaged := s.damaged.Load(name); damaged {
			return false
		}
	}
	return true
}

// JobFilter selects jobs.
type JobFilter struct {
	// Node is empty for all nodes.
	Node core.NodeID
}

// jobPiece is how many jobs are read at once.
const jobPiece = 200

// Jobs goes over the jobs, oldest first, while others may go on to change
// them. An error ends it. Damaged records are logged and left out.
func (s *Store) Jobs(ctx context.Context, f JobFilter) iter.Seq2[core.Job, error] {
	from := source{prefix: s.kinds.job.prefix()}
	if f.Node != "" {
		from = source{prefix: jobNodeIndex + string(f.Node) + "/", index: true}
	}
	return func(yield func(core.Job, error) bool) {
		if f.Node != "" && !validID(string(f.Node)) {
			return
		}
		for w := s.walk(from.prefix, "", false, from.index, jobPiece); ; w.skip() {
			e, err := w.peek(ctx)
			if e == nil && err == nil {
				return
			}
			var job *core.Job
			if err == nil {
				job, err = fetch(ctx, s, &s.kinds.job, e, from.index)
			}
			if err != nil {
				yield(core.Job{}, err)
				return
			}
			if job != nil && !yield(*job, nil) {
				return
			}
		}
	}
}

// TasksToClear returns the deleted tasks whose files have to go, oldest first.
func (s *Store) TasksToClear(ctx context.Context) ([]core.Task, error) {
	return s.tasksFrom(ctx, taskLateIndex, func(t *core.Task) bool { return t.FilesMustGo() })
}

// TasksOfJob returns all tasks that were given a job, deleted ones too, oldest first.
func (s *Store) TasksOfJob(ctx context.Context, id core.JobID) ([]core.Task, error) {
	if !validID(string(id)) {
		return nil, nil
	}
	return s.tasksFrom(ctx, taskJobIndex+string(id)+"/", func(t *core.Task) bool { return t.Job == id })
}

// tasksFrom returns the tasks of an index that it still fits.
func (s *Store) tasksFrom(ctx context.Context, prefix string, fits func(*core.Task) bool) ([]core.Task, error) {
	var out []core.Task
	for cursor := ""; ; {
		tasks, next, err := page(ctx, s, &s.kinds.task, source{prefix: prefix, index: true}, 0, cursor)
		if err != nil {
			return nil, err
		}
		for i := range tasks {
			if fits(&tasks[i]) {
				out = append(out, tasks[i])
			}
		}
		if next == "" {
			return out, nil
		}
		cursor = next
	}
}
