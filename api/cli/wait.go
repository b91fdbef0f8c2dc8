package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/haul-dl/haul/api/client"
	"github.com/haul-dl/haul/sdk/errs"
)

// wait looks at tasks until all have ended, shows how they fare, and fails
// with those that failed.
func (s *shell) wait(ctx context.Context, api *client.Client, tasks []client.Task) error {
	watch := s.newWatch()
	tick := time.NewTicker(s.Poll)
	defer tick.Stop()
	for watch.show(tasks); !allEnded(tasks); watch.show(tasks) {
		select {
		case <-ctx.Done():
			watch.close()
			return errs.Wrap(ctx.Err(), errs.Canceled, "Stopped waiting; the downloads go on.").WithHint("haul ls shows them.")
		case <-tick.C:
		}
		// What fails because nobody waits any more ends the loop by itself.
		if err := refresh(ctx, api, tasks); err != nil && ctx.Err() == nil {
			watch.close()
			return err
		}
	}
	watch.close()
	if s.format == formatJSON {
		if err := s.json(listed[client.Task]{tasks}); err != nil {
			return err
		}
	}
	return failures(tasks)
}

// refresh looks again at each task that has not ended.
func refresh(ctx context.Context, api *client.Client, tasks []client.Task) error {
	for i := range tasks {
		if ended(&tasks[i]) {
			continue
		}
		t, err := api.Task(ctx, tasks[i].ID)
		if err != nil {
			return err
		}
		tasks[i] = *t
	}
	return nil
}

func allEnded(tasks []client.Task) bool {
	for i := range tasks {
		if !ended(&tasks[i]) {
			return false
		}
	}
	return true
}

// ended reports whether waiting longer is of little use. The data of a held task
// is there, and haul tries again, but mostly somebody must do something first.
func ended(t *client.Task) bool {
	switch t.State {
	case client.StateCompleted, client.StateSeeding, client.StateHeld, client.StateFailed, client.StateCanceled:
		return true
	}
	return false
}

func failures(tasks []client.Task) error {
	var all []error
	for i := range tasks {
		t := &tasks[i]
		switch {
		case t.State == client.StateCompleted || t.State == client.StateSeeding:
		case t.Error != nil:
			// The kind is not the code's own: that a task's source was not found
			// does not mean that the task was not.
			all = append(all, &errs.Error{
				Code: errs.Code(t.Error.Code), Kind: errs.KindUnavailable, Hint: t.Error.Hint,
				Msg: fmt.Sprintf("%s: %s", t.Name, t.Error.Message),
			})
		default:
			all = append(all, errs.New(errs.Canceled, "%s: the task was %s.", t.Name, t.State))
		}
	}
	if len(all) == 1 {
		return all[0]
	}
	return errors.Join(all...)
}

// watch shows the way of tasks: a bar at a terminal, else a line for each
// change of state; nothing where the result shall be JSON.
type watch struct {
	shell *shell
	bar   *progressbar.ProgressBar
	last  map[string]string
}

func (s *shell) newWatch() *watch {
	w := &watch{shell: s, last: map[string]string{}}
	if tty := terminal(s.Err); tty != nil {
		w.bar = progressbar.NewOptions64(-1,
			progressbar.OptionSetWriter(s.Err), progressbar.OptionSetPredictTime(false),
			progressbar.OptionSetElapsedTime(false), progressbar.OptionFullWidth(), progressbar.OptionThrottle(s.Poll/2))
	}
	return w
}

func (w *watch) show(tasks []client.Task) {
	if w.bar != nil {
		w.draw(tasks)
		return
	}
	if w.shell.format == formatJSON {
		return
	}
	for i := range tasks {
		t := &tasks[i]
		line := string(t.State)
		if n := note(t); n != "" {
			line += ": " + n
		}
		if w.last[t.ID] == line {
			continue
		}
		w.last[t.ID] = line
		_, _ = fmt.Fprintf(w.shell.Out, "%s  %s  %s\n", t.ID, clean(t.Name), clean(line)) // the end of the task counts, not this
	}
}

// draw shows all tasks in one bar.
func (w *watch) draw(tasks []client.Task) {
	var done, total, rates int64
	known, left := true, 0
	for i := range tasks {
		p := &tasks[i].Progress
		done, rates = done+p.DoneBytes, rates+p.DownloadRate
		if p.TotalBytes != nil {
			total += *p.TotalBytes
		} else {
			known = false
		}
		if !ended(&tasks[i]) {
			left++
		}
	}
	what := fmt.Sprintf("%d of %d tasks", len(tasks)-left, len(tasks))
	if len(tasks) == 1 {
		what = clean(shorten(tasks[0].Name, 30)) + " " + string(tasks[0].State)
	}
	what += " " + size(done)
	if known && total > 0 {
		w.bar.ChangeMax64(total)
		what += " of " + size(total)
	}
	if r := rate(rates); r != "" {
		what += " " + r
	}
	w.bar.Describe(what)
	_ = w.bar.Set64(done) // a terminal that is gone does not stop the download
}

func (w *watch) close() {
	if w.bar != nil {
		_ = w.bar.Exit()
		_, _ = fmt.Fprintln(w.shell.Err)
	}
}
