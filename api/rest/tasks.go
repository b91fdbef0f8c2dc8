package rest

import (
	"context"
	"strings"

	"github.com/haul-dl/haul/api/apigen"
	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/sdk/errs"
)

// CreateTasks creates a task for each source.
func (s *server) CreateTasks(ctx context.Context, r apigen.CreateTasksRequestObject) (apigen.CreateTasksResponseObject, error) {
	req, err := s.newTask(r)
	if err != nil {
		return nil, err
	}
	req.IdempotencyKey = value(r.Params.IdempotencyKey)
	views, err := s.Tasks.Create(ctx, req)
	if err != nil {
		return nil, err
	}
	return apigen.CreateTasks201JSONResponse{Items: tasksOf(views)}, nil
}

func (s *server) newTask(r apigen.CreateTasksRequestObject) (*core.NewTask, error) {
	if r.MultipartBody != nil {
		return s.readUpload(r.MultipartBody)
	}
	return newTaskOf(r.JSONBody)
}

// ListTasks lists tasks, newest first.
func (s *server) ListTasks(ctx context.Context, r apigen.ListTasksRequestObject) (apigen.ListTasksResponseObject, error) {
	states, err := statesOf(value(r.Params.State))
	if err != nil {
		return nil, err
	}
	page, err := s.Tasks.List(ctx, &core.TaskQuery{
		States: states, Owner: value(r.Params.Owner), Node: value(r.Params.Node),
		Downloader: value(r.Params.Downloader), Text: value(r.Params.Q),
		OldestFirst: value(r.Params.Sort) == apigen.SortOldestFirst,
		Cursor:      value(r.Params.Cursor), Limit: value(r.Params.Limit),
	})
	if err != nil {
		return nil, err
	}
	return apigen.ListTasks200JSONResponse{Items: tasksOf(page.Items), NextCursor: optional(page.NextCursor)}, nil
}

// statesOf reads lists separated by commas.
func statesOf(lists []string) ([]core.TaskState, error) {
	var states []core.TaskState
	for _, list := range lists {
		for name := range strings.SplitSeq(list, ",") {
			state := core.TaskState(strings.TrimSpace(name))
			if state == "" {
				continue
			}
			if !state.Valid() {
				return nil, errs.New(errs.InvalidParameter, "There is no state %q.", string(state)).
					WithField("state", "must be of "+strings.Join(texts(core.TaskStates), ", "))
			}
			states = append(states, state)
		}
	}
	return states, nil
}

// GetTask shows a task.
func (s *server) GetTask(ctx context.Context, r apigen.GetTaskRequestObject) (apigen.GetTaskResponseObject, error) {
	view, err := withTask(ctx, r.ID, s.Tasks.Get)
	if err != nil {
		return nil, err
	}
	return apigen.GetTask200JSONResponse{TaskJSONResponse: apigen.TaskJSONResponse(taskOf(view))}, nil
}

// DeleteTask stops a task and hides it.
func (s *server) DeleteTask(ctx context.Context, r apigen.DeleteTaskRequestObject) (apigen.DeleteTaskResponseObject, error) {
	id, err := taskID(r.ID)
	if err != nil {
		return nil, err
	}
	if err := s.Tasks.Delete(ctx, id, value(r.Params.Data) == apigen.DataDelete); err != nil {
		return nil, err
	}
	return apigen.DeleteTask204Response{}, nil
}

// ListTaskFiles lists a task's files.
func (s *server) ListTaskFiles(ctx context.Context, r apigen.ListTaskFilesRequestObject) (apigen.ListTaskFilesResponseObject, error) {
	files, err := withTask(ctx, r.ID, s.Tasks.Files)
	if err != nil {
		return nil, err
	}
	items := make([]apigen.File, len(files))
	for i := range files {
		items[i] = fileOf(&files[i])
	}
	return apigen.ListTaskFiles200JSONResponse{Items: items}, nil
}

// GetTaskHistory tells what happened to a task.
func (s *server) GetTaskHistory(ctx context.Context, r apigen.GetTaskHistoryRequestObject) (apigen.GetTaskHistoryResponseObject, error) {
	events, err := withTask(ctx, r.ID, s.Tasks.History)
	if err != nil {
		return nil, err
	}
	items := make([]apigen.HistoryEvent, len(events))
	for i := range events {
		items[i] = eventOf(&events[i])
	}
	return apigen.GetTaskHistory200JSONResponse{Items: items}, nil
}

// withTask calls a service with the id of a path.
func withTask[T any](ctx context.Context, id string, call func(context.Context, core.TaskID) (T, error)) (T, error) {
	parsed, err := taskID(id)
	if err != nil {
		var none T
		return none, err
	}
	return call(ctx, parsed)
}

// taskID reads the id of a path. What is no id cannot be one of a task.
func taskID(s string) (core.TaskID, error) {
	id, err := core.ParseID[core.TaskID](s)
	if err != nil {
		return "", errs.Wrap(err, errs.NotFound, "There is no such task.").WithHint("A task's id is a UUID; see GET /api/v1/tasks.")
	}
	return id, nil
}
