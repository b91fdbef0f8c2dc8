package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/haul-dl/haul/api/client"
)

func (s *shell) lsCommand() *cobra.Command {
	var q listQuery
	c := &cobra.Command{
		Use:   "ls",
		Short: "List tasks, newest first",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return s.list(c.Context(), &q) },
	}
	f := c.Flags()
	f.StringSliceVar(&q.states, "state", nil, "only tasks in these states (queued, downloading, completed, …)")
	f.StringVar(&q.owner, "owner", "", "only tasks of this user")
	f.StringVar(&q.node, "node", "", "only tasks on this node")
	f.StringVar(&q.downloader, "downloader", "", "only tasks at this downloader")
	f.StringVarP(&q.text, "query", "q", "", "only tasks whose name contains this text")
	f.BoolVar(&q.oldest, "oldest", false, "oldest first")
	f.IntVar(&q.limit, "limit", 50, "how many at most")
	f.BoolVar(&q.all, "all", false, "all of them, however many")
	return c
}

// listQuery is what the flags of ls say.
type listQuery struct {
	states                        []string
	owner, node, downloader, text string
	oldest, all                   bool
	limit                         int
}

const (
	// pageSize is how many tasks are asked for at once.
	pageSize = 1000
	// shownID is how much of an id a table shows: its end, which is random.
	shownID = 12
)

func (q *listQuery) params() *client.ListTasksParams {
	p := &client.ListTasksParams{
		Owner: given(q.owner), Node: given(q.node), Downloader: given(q.downloader), Q: given(q.text),
	}
	if len(q.states) > 0 {
		p.State = &q.states
	}
	if q.oldest {
		sort := client.SortOldestFirst
		p.Sort = &sort
	}
	return p
}

func given(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func (s *shell) list(ctx context.Context, q *listQuery) error {
	if q.limit < 1 {
		return usagef("--limit must be at least 1")
	}
	api, err := s.client()
	if err != nil {
		return err
	}
	tasks, more := []client.Task{}, false
	params := q.params()
	for {
		limit := pageSize
		if !q.all {
			limit = min(pageSize, q.limit-len(tasks))
		}
		params.Limit = &limit
		page, err := api.ListTasks(ctx, params)
		if err != nil {
			return err
		}
		tasks = append(tasks, page.Items...)
		more = page.NextCursor != nil
		if !more || !q.all && len(tasks) >= q.limit {
			break
		}
		params.Cursor = page.NextCursor
	}
	if s.format == formatJSON {
		return s.json(listed[client.Task]{tasks})
	}
	if err := s.taskTable(tasks); err != nil || !more {
		return err
	}
	_, err = fmt.Fprintf(s.Err, "There are more: use --limit or --all.\n")
	return writeError(err)
}

func (s *shell) taskTable(tasks []client.Task) error {
	rows := make([][]string, len(tasks))
	for i := range tasks {
		t := &tasks[i]
		total := ""
		if t.Progress.TotalBytes != nil {
			total = size(*t.Progress.TotalBytes)
		}
		rows[i] = []string{
			shortID(t.ID), string(t.State), percent(t.Progress.DoneBytes, t.Progress.TotalBytes), total,
			rate(t.Progress.DownloadRate), duration(t.Progress.EtaSeconds), shorten(t.Name, 60), note(t),
		}
	}
	return s.table([]string{"ID", "STATE", "DONE", "SIZE", "RATE", "ETA", "NAME", "NOTE"}, rows)
}

func shortID(id string) string { return id[max(0, len(id)-shownID):] }

func shorten(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}

// note says why nothing moves, or what went wrong. A queued task has an error
// where it is tried again: then what it waits for tells more.
func note(t *client.Task) string {
	if t.Error == nil || t.State == client.StateQueued && t.Waiting != nil {
		return waitingOf(t)
	}
	return errorOf(t)
}

func errorOf(t *client.Task) string {
	if t.Error == nil {
		return ""
	}
	return fmt.Sprintf("%s (%s)", t.Error.Message, t.Error.Code)
}

func (s *shell) rmCommand() *cobra.Command {
	var data bool
	c := &cobra.Command{
		Use: "rm ID…", Short: "Stop tasks and take them off the list", Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			remove := func(api *client.Client, ctx context.Context, id string) (*client.Task, error) {
				t, err := api.Task(ctx, id)
				if err != nil {
					return nil, err
				}
				return t, api.DeleteTask(ctx, id, data)
			}
			return s.each(c.Context(), args, remove)
		},
	}
	c.Flags().BoolVar(&data, "data", false, "delete the delivered files, too")
	return c
}

// each does something to every task named. One that goes wrong does not keep
// the others from their turn.
func (s *shell) each(ctx context.Context, refs []string, do func(*client.Client, context.Context, string) (*client.Task, error)) error {
	api, err := s.client()
	if err != nil {
		return err
	}
	done, failed := []client.Task{}, []error(nil)
	for _, ref := range refs {
		id, err := resolveTask(ctx, api, ref)
		if err != nil {
			failed = append(failed, err)
			continue
		}
		t, err := do(api, ctx, id)
		if err != nil {
			failed = append(failed, err)
			continue
		}
		done = append(done, *t)
	}
	if s.format == formatJSON {
		failed = append(failed, s.json(listed[client.Task]{done}))
	} else {
		ids := make([]string, len(done))
		for i, t := range done {
			ids[i] = t.ID + "\n"
		}
		_, err := fmt.Fprint(s.Out, strings.Join(ids, ""))
		failed = append(failed, writeError(err))
	}
	return errors.Join(failed...)
}
