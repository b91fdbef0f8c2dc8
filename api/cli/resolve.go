package cli

import (
	"context"
	"strings"

	"github.com/google/uuid"

	"github.com/haul-dl/haul/api/client"
	"github.com/haul-dl/haul/sdk/errs"
)

// minSuffix is how much of an id's end is enough to look for it.
const minSuffix = 4

// findTask returns the task with that id, or with that end of an id.
func findTask(ctx context.Context, api *client.Client, ref string) (*client.Task, error) {
	id, err := resolveTask(ctx, api, ref)
	if err != nil {
		return nil, err
	}
	return api.Task(ctx, id)
}

// resolveTask returns the id that ref is, or is the end of. Ids begin with
// their time, so that their ends tell them apart.
func resolveTask(ctx context.Context, api *client.Client, ref string) (string, error) {
	ref = strings.ToLower(ref)
	if _, err := uuid.Parse(ref); err == nil {
		return ref, nil
	}
	if len(ref) < minSuffix {
		return "", errs.New(errs.NotFound, "There is no task %q.", ref).
			WithHint("Give a task's id, or at least the last %d letters of it: see haul ls.", minSuffix)
	}
	found := ""
	limit := pageSize
	params := &client.ListTasksParams{Limit: &limit}
	for {
		page, err := api.ListTasks(ctx, params)
		if err != nil {
			return "", err
		}
		for i := range page.Items {
			id := page.Items[i].ID
			if !strings.HasSuffix(id, ref) {
				continue
			}
			if found != "" {
				return "", errs.New(errs.InvalidRequest, "More than one task's id ends with %q.", ref).WithHint("Give more of the id.")
			}
			found = id
		}
		if page.NextCursor == nil {
			break
		}
		params.Cursor = page.NextCursor
	}
	if found == "" {
		return "", errs.New(errs.NotFound, "There is no task whose id is, or ends with, %q.", ref).WithHint("See haul ls --all.")
	}
	return found, nil
}
