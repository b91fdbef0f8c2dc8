package rest

import (
	"context"
	"net/http"

	"github.com/haul-dl/haul/api/apigen"
	"github.com/haul-dl/haul/core"
)

// UpdateTask changes a task.
func (s *server) UpdateTask(ctx context.Context, r apigen.UpdateTaskRequestObject) (apigen.UpdateTaskResponseObject, error) {
	change := &core.TaskChange{
		Name: r.Body.Name, Options: value(r.Body.Options),
		Destination: newDestination(r.Body.Destination), Seed: seedChange(r.Body.Seed),
	}
	if r.Body.Files.Given {
		selection, err := selectionOf(r.Body.Files)
		if err != nil {
			return nil, err
		}
		change.Selection = &selection
	}
	view, err := withTask(ctx, r.ID, func(ctx context.Context, id core.TaskID) (*core.TaskView, error) {
		return s.Tasks.Update(ctx, id, change)
	})
	if err != nil {
		return nil, err
	}
	return apigen.UpdateTask200JSONResponse{TaskJSONResponse: apigen.TaskJSONResponse(taskOf(view))}, nil
}

// PauseTask stops a task for a while.
func (s *server) PauseTask(ctx context.Context, r apigen.PauseTaskRequestObject) (apigen.PauseTaskResponseObject, error) {
	view, err := withTask(ctx, r.ID, s.Tasks.Pause)
	if err != nil {
		return nil, err
	}
	return apigen.PauseTask200JSONResponse{TaskJSONResponse: apigen.TaskJSONResponse(taskOf(view))}, nil
}

// ResumeTask lets a paused task go on.
func (s *server) ResumeTask(ctx context.Context, r apigen.ResumeTaskRequestObject) (apigen.ResumeTaskResponseObject, error) {
	view, err := withTask(ctx, r.ID, s.Tasks.Resume)
	if err != nil {
		return nil, err
	}
	return apigen.ResumeTask200JSONResponse{TaskJSONResponse: apigen.TaskJSONResponse(taskOf(view))}, nil
}

// CancelTask ends a task before it is complete.
func (s *server) CancelTask(ctx context.Context, r apigen.CancelTaskRequestObject) (apigen.CancelTaskResponseObject, error) {
	view, err := withTask(ctx, r.ID, s.Tasks.Cancel)
	if err != nil {
		return nil, err
	}
	return apigen.CancelTask200JSONResponse{TaskJSONResponse: apigen.TaskJSONResponse(taskOf(view))}, nil
}

// RetryTask starts a task again.
func (s *server) RetryTask(ctx context.Context, r apigen.RetryTaskRequestObject) (apigen.RetryTaskResponseObject, error) {
	var o core.RetryOptions
	if r.Body != nil {
		o = core.RetryOptions{Files: value(r.Body.Files), Destination: newDestination(r.Body.Destination)}
	}
	view, err := withTask(ctx, r.ID, func(ctx context.Context, id core.TaskID) (*core.TaskView, error) {
		return s.Tasks.Retry(ctx, id, o)
	})
	if err != nil {
		return nil, err
	}
	return apigen.RetryTask200JSONResponse{TaskJSONResponse: apigen.TaskJSONResponse(taskOf(view))}, nil
}

// RecheckTask verifies what is there.
func (s *server) RecheckTask(ctx context.Context, r apigen.RecheckTaskRequestObject) (apigen.RecheckTaskResponseObject, error) {
	view, err := withTask(ctx, r.ID, s.Tasks.Recheck)
	if err != nil {
		return nil, err
	}
	return apigen.RecheckTask200JSONResponse{TaskJSONResponse: apigen.TaskJSONResponse(taskOf(view))}, nil
}

// ActOnTasks does the same to many tasks.
func (s *server) ActOnTasks(ctx context.Context, r apigen.ActOnTasksRequestObject) (apigen.ActOnTasksResponseObject, error) {
	items := make([]apigen.TaskActionResult, len(r.Body.Ids))
	var ids []core.TaskID
	var places []int
	for i, text := range r.Body.Ids {
		items[i] = apigen.TaskActionResult{ID: text}
		id, err := taskID(text)
		if err != nil {
			items[i].Error = s.itemProblem(err)
			continue
		}
		ids, places = append(ids, id), append(places, i)
	}
	if len(ids) > 0 || len(items) == 0 {
		results, err := s.Tasks.Act(ctx, core.TaskAction(r.Body.Action), ids)
		if err != nil {
			return nil, err
		}
		for i := range results {
			s.actionResult(&items[places[i]], &results[i])
		}
	}
	return apigen.ActOnTasks200JSONResponse{Items: items}, nil
}

func (s *server) actionResult(item *apigen.TaskActionResult, result *core.TaskResult) {
	if result.Err != nil {
		item.Error = s.itemProblem(result.Err)
		return
	}
	item.Ok = true
	if result.Task != nil {
		task := taskOf(result.Task)
		item.Task = &task
	}
}

// itemProblem describes what went wrong with one of many.
func (s *server) itemProblem(err error) *apigen.Problem {
	err = withCode(err)
	status := statusOf(err)
	if status == http.StatusInternalServerError {
		s.log.Error("action on a task failed", "err", err)
	}
	return problemOf(err, status)
}
