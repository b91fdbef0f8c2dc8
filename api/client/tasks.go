package client

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"mime/multipart"
	"net/http"

	"github.com/haul-dl/haul/api/apigen"
	"github.com/haul-dl/haul/sdk/errs"
)

// maxProblem is how much is read of a problem in place of a file.
const maxProblem = 1 << 20

// Upload is a .torrent file.
type Upload struct {
	Name    string
	Content []byte
}

// CreateTasks creates a task for each source and each file, all or none. With
// a key of the caller's choice it may be repeated without new tasks.
func (c *Client) CreateTasks(ctx context.Context, req CreateTasksRequest, files []Upload, key string) ([]Task, error) {
	params := &apigen.CreateTasksParams{}
	if key != "" {
		params.IdempotencyKey = &key
	}
	if len(files) > 0 {
		return c.uploadTasks(ctx, params, req, files)
	}
	r, err := c.raw.CreateTasksWithResponse(ctx, params, req)
	if err != nil {
		return nil, c.failed(err)
	}
	return items(result(c, r.JSON201, r.HTTPResponse, r.Body))
}

func (c *Client) uploadTasks(ctx context.Context, params *apigen.CreateTasksParams, req CreateTasksRequest, files []Upload) ([]Task, error) {
	body, contentType, err := uploadBody(&req, files)
	if err != nil {
		return nil, errs.Wrap(err, errs.Internal, "The upload cannot be put together.")
	}
	r, err := c.raw.CreateTasksWithBodyWithResponse(ctx, params, contentType, bytes.NewReader(body))
	if err != nil {
		return nil, c.failed(err)
	}
	return items(result(c, r.JSON201, r.HTTPResponse, r.Body))
}

// uploadBody puts files and, unless it is nil, what is asked for them into a body.
func uploadBody(req *CreateTasksRequest, files []Upload) (body []byte, contentType string, err error) {
	var buf bytes.Buffer
	w := multipart.NewWriter(&buf)
	if req != nil {
		part, err := w.CreateFormField("request")
		if err != nil {
			return nil, "", err
		}
		if err := json.NewEncoder(part).Encode(req); err != nil {
			return nil, "", err
		}
	}
	for _, f := range files {
		part, err := w.CreateFormFile("torrent", f.Name)
		if err != nil {
			return nil, "", err
		}
		if _, err := part.Write(f.Content); err != nil {
			return nil, "", err
		}
	}
	if err := w.Close(); err != nil {
		return nil, "", err
	}
	return buf.Bytes(), w.FormDataContentType(), nil
}

func items(created *apigen.CreatedTasks, err error) ([]Task, error) {
	if err != nil {
		return nil, err
	}
	return created.Items, nil
}

// ListTasks returns a part of the list of tasks.
func (c *Client) ListTasks(ctx context.Context, params *ListTasksParams) (*TaskList, error) {
	r, err := c.raw.ListTasksWithResponse(ctx, params)
	if err != nil {
		return nil, c.failed(err)
	}
	return result(c, r.JSON200, r.HTTPResponse, r.Body)
}

// Task shows a task.
func (c *Client) Task(ctx context.Context, id string) (*Task, error) {
	r, err := c.raw.GetTaskWithResponse(ctx, id)
	if err != nil {
		return nil, c.failed(err)
	}
	return result(c, r.JSON200, r.HTTPResponse, r.Body)
}

// UpdateTask changes a task; nil fields stay.
func (c *Client) UpdateTask(ctx context.Context, id string, req UpdateTaskRequest) (*Task, error) {
	r, err := c.raw.UpdateTaskWithResponse(ctx, id, req)
	if err != nil {
		return nil, c.failed(err)
	}
	return result(c, r.JSON200, r.HTTPResponse, r.Body)
}

// PauseTask stops a task for a while.
func (c *Client) PauseTask(ctx context.Context, id string) (*Task, error) {
	r, err := c.raw.PauseTaskWithResponse(ctx, id)
	if err != nil {
		return nil, c.failed(err)
	}
	return result(c, r.JSON200, r.HTTPResponse, r.Body)
}

// ResumeTask lets a paused task go on.
func (c *Client) ResumeTask(ctx context.Context, id string) (*Task, error) {
	r, err := c.raw.ResumeTaskWithResponse(ctx, id)
	if err != nil {
		return nil, c.failed(err)
	}
	return result(c, r.JSON200, r.HTTPResponse, r.Body)
}

// ActOnTasks does the same to up to 1,000 tasks; the answer tells what came of
// it for each.
func (c *Client) ActOnTasks(ctx context.Context, action TaskAction, ids []string) ([]TaskActionResult, error) {
	r, err := c.raw.ActOnTasksWithResponse(ctx, apigen.TaskActionRequest{Action: action, Ids: ids})
	if err != nil {
		return nil, c.failed(err)
	}
	answer, err := result(c, r.JSON200, r.HTTPResponse, r.Body)
	if err != nil {
		return nil, err
	}
	return answer.Items, nil
}

// CancelTask ends a task before it is complete.
func (c *Client) CancelTask(ctx context.Context, id string) (*Task, error) {
	r, err := c.raw.CancelTaskWithResponse(ctx, id)
	if err != nil {
		return nil, c.failed(err)
	}
	return result(c, r.JSON200, r.HTTPResponse, r.Body)
}

// RetryTask starts a failed or canceled task again, or a held delivery.
func (c *Client) RetryTask(ctx context.Context, id string, req RetryTaskRequest) (*Task, error) {
	r, err := c.raw.RetryTaskWithResponse(ctx, id, req)
	if err != nil {
		return nil, c.failed(err)
	}
	return result(c, r.JSON200, r.HTTPResponse, r.Body)
}

// RecheckTask verifies what is there, and loads what is missing.
func (c *Client) RecheckTask(ctx context.Context, id string) (*Task, error) {
	r, err := c.raw.RecheckTaskWithResponse(ctx, id)
	if err != nil {
		return nil, c.failed(err)
	}
	return result(c, r.JSON200, r.HTTPResponse, r.Body)
}

// DeleteTask stops a task and hides it; with deleteData its delivered files
// go, too.
func (c *Client) DeleteTask(ctx context.Context, id string, deleteData bool) error {
	data := apigen.DataKeep
	if deleteData {
		data = apigen.DataDelete
	}
	r, err := c.raw.DeleteTaskWithResponse(ctx, id, &apigen.DeleteTaskParams{Data: &data})
	if err != nil {
		return c.failed(err)
	}
	return c.done(r.HTTPResponse, r.Body)
}

// TaskFiles lists a task's files.
func (c *Client) TaskFiles(ctx context.Context, id string) (*FileList, error) {
	r, err := c.raw.ListTaskFilesWithResponse(ctx, id)
	if err != nil {
		return nil, c.failed(err)
	}
	return result(c, r.JSON200, r.HTTPResponse, r.Body)
}

// TaskHistory tells what happened to a task, oldest first.
func (c *Client) TaskHistory(ctx context.Context, id string) (*History, error) {
	r, err := c.raw.GetTaskHistoryWithResponse(ctx, id)
	if err != nil {
		return nil, c.failed(err)
	}
	return result(c, r.JSON200, r.HTTPResponse, r.Body)
}

// Inspect tells what a source is, without a task.
func (c *Client) Inspect(ctx context.Context, source Source) (*SourceInfo, error) {
	r, err := c.raw.InspectSourceWithResponse(ctx, apigen.InspectRequest{Source: source})
	if err != nil {
		return nil, c.failed(err)
	}
	return result(c, r.JSON200, r.HTTPResponse, r.Body)
}

// InspectUpload tells what a .torrent file is.
func (c *Client) InspectUpload(ctx context.Context, file Upload) (*SourceInfo, error) {
	body, contentType, err := uploadBody(nil, []Upload{file})
	if err != nil {
		return nil, errs.Wrap(err, errs.Internal, "The upload cannot be put together.")
	}
	r, err := c.raw.InspectSourceWithBodyWithResponse(ctx, contentType, bytes.NewReader(body))
	if err != nil {
		return nil, c.failed(err)
	}
	return result(c, r.JSON200, r.HTTPResponse, r.Body)
}

// OpenFile returns the content of a delivered file. The caller closes it. A
// file that is cut off ends with io.ErrUnexpectedEOF.
func (c *Client) OpenFile(ctx context.Context, id string, index int) (io.ReadCloser, error) {
	resp, err := c.raw.GetTaskFileContent(ctx, id, index)
	if err != nil {
		return nil, c.failed(err)
	}
	if resp.StatusCode == http.StatusOK {
		return resp.Body, nil
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxProblem))
	if closeErr := resp.Body.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return nil, c.failed(err)
	}
	return nil, c.problem(resp, body)
}
