package tasks

import (
	"context"
	"slices"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

// Files lists the files of a task, once they are known: those of its torrent, of
// its job, or what was delivered.
func (s *Service) Files(ctx context.Context, id core.TaskID) ([]core.TaskFile, error) {
	t, err := s.mine(ctx, id)
	if err != nil {
		return nil, err
	}
	if t.State == core.StateCompleted || t.State == core.StateSeeding {
		return deliveredFiles(t), nil
	}
	if s.takesPart(t) {
		files, err := s.jobFiles(ctx, t)
		if err == nil && len(files) > 0 {
			return files, nil
		}
		if err != nil && !errs.Is(err, errs.NotFound) && !errs.Is(err, errs.MetadataMissing) && !t.Source.Stored() {
			return nil, err
		}
	}
	if files, err := s.storedFiles(ctx, t); files != nil || err != nil {
		return files, err
	}
	return deliveredFiles(t), nil
}

// takesPart reports whether a task's node works for it: only then is what its
// job has the task's own.
func (s *Service) takesPart(t *core.Task) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	j := s.live.jobs[t.Job]
	return hasJob(t) && j != nil && j.tells(t) != nil
}

func deliveredFiles(t *core.Task) []core.TaskFile {
	out := make([]core.TaskFile, 0, len(t.Files))
	for _, f := range t.Files {
		out = append(out, core.TaskFile{
			Index: f.Index, Path: f.Path, Size: f.Size, DoneBytes: f.Size, Wanted: true, Delivered: !f.Skipped, Skipped: f.Skipped,
		})
	}
	return out
}

// storedFiles lists the files of the torrent or metalink in the store; nil
// without one.
func (s *Service) storedFiles(ctx context.Context, t *core.Task) ([]core.TaskFile, error) {
	if !t.Source.Stored() {
		return nil, nil
	}
	stored, err := s.store.Content(ctx, t.ID)
	if errs.Is(err, errs.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	c, err := s.readContent(t.Source.Kind, stored)
	if err != nil {
		return nil, err
	}
	out := make([]core.TaskFile, 0, len(c.files))
	for _, f := range c.files {
		out = append(out, core.TaskFile{Index: f.Index, Path: f.Path, Size: f.Size, Wanted: t.Selection.Wants(f)})
	}
	return out, nil
}

// jobFiles asks the node for the files of a task's job, and shows them as if
// nobody else wanted any.
func (s *Service) jobFiles(ctx context.Context, t *core.Task) ([]core.TaskFile, error) {
	ctx, cancel := context.WithTimeout(ctx, nodeTimeout)
	defer cancel()
	files, err := s.registry.JobFiles(ctx, t.Node, t.Job)
	if err != nil {
		return nil, err
	}
	failed := s.failedFiles(t)
	out := make([]core.TaskFile, 0, len(files))
	for _, f := range files {
		out = append(out, taskFile(t, f, failed[f.Index]))
	}
	return out, nil
}

func taskFile(t *core.Task, f downloader.File, failure *core.Failure) core.TaskFile {
	out := core.TaskFile{Index: f.Index, Path: f.Path, Size: f.Size, DoneBytes: f.DoneBytes, Wanted: t.Selection.Wants(f), Failure: failure}
	switch {
	case !out.Wanted:
		out.DoneBytes = 0 // what others load of it is not this task's
	case t.State == core.StatePaused:
		out.DoneBytes = -1
	}
	at := slices.IndexFunc(t.Files, func(d core.DeliveredFile) bool { return d.Index == f.Index })
	if at >= 0 {
		out.Path, out.Delivered, out.Skipped = t.Files[at].Path, !t.Files[at].Skipped, t.Files[at].Skipped
	}
	return out
}

// failedFiles returns why files of a held task could not be delivered.
func (s *Service) failedFiles(t *core.Task) map[int]*core.Failure {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[int]*core.Failure{}
	j := s.live.jobs[t.Job]
	if j == nil {
		return out
	}
	if d := j.tells(t); d != nil {
		for _, f := range d.Failed {
			out[f.Index] = f.Failure
		}
	}
	return out
}
