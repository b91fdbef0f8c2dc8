package tasks

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/options"
	"github.com/haul-dl/haul/core/internal/schedule"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

// maxName is how long a name may be, in characters.
const maxName = 255

// Update changes a task. Its options may be anything that a downloader takes
// until it has a job; from then on only the limits change.
func (s *Service) Update(ctx context.Context, id core.TaskID, c *core.TaskChange) (*core.TaskView, error) {
	t, err := s.mine(ctx, id)
	if err != nil {
		return nil, err
	}
	name, err := cleanName(c.Name)
	if err != nil {
		return nil, err
	}
	torrent, err := s.uploaded(ctx, t, c)
	if err != nil {
		return nil, err
	}
	return s.change(ctx, id, func(s *Service, e *edit) error {
		if name != "" {
			e.task.Name, e.task.Named = name, true
		}
		if err := s.updateFiles(e, c.Selection, torrent); err != nil {
			return err
		}
		if err := updateOptions(e, c.Options); err != nil {
			return err
		}
		return s.passOn(e, c)
	})
}

// cleanName returns the name without the space around it; "" for none.
func cleanName(name *string) (string, error) {
	if name == nil {
		return "", nil
	}
	clean := strings.TrimSpace(*name)
	why := ""
	switch {
	case clean == "":
		why = "must not be empty"
	case utf8.RuneCountInString(clean) > maxName:
		why = "is too long"
	case !utf8.ValidString(clean) || strings.ContainsFunc(clean, unicode.IsControl):
		why = "contains characters that cannot be shown"
	default:
		return clean, nil
	}
	return "", errs.New(errs.InvalidRequest, "The name %s.", why).WithField("name", why)
}

// uploaded returns the torrent whose files are to be chosen, where it is in the
// store.
func (s *Service) uploaded(ctx context.Context, t *core.Task, c *core.TaskChange) (*content, error) {
	if c.Selection == nil || !t.Source.Stored() {
		return nil, nil
	}
	content, err := s.store.Content(ctx, t.ID)
	if errs.Is(err, errs.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var scratch core.Task
	return s.readContent(&scratch, t.Source.Kind, content)
}

// updateFiles changes which files are wanted, while that still matters.
func (s *Service) updateFiles(e *edit, files *core.Selection, torrent *content) error {
	if files == nil {
		return nil
	}
	wanted := *files
	switch e.task.State {
	case core.StateTransferring, core.StateHeld, core.StateSeeding, core.StateCompleted:
		return errs.New(errs.WrongState, "The task is %s: its files are loaded already.", e.task.State).
			WithField("files", "cannot change any more")
	}
	if n := s.fileCount(e.task.Job); n > 0 && len(wanted.Indexes) > 0 && wanted.Indexes[len(wanted.Indexes)-1] >= n {
		return wrongSelection(fmt.Sprintf("names file %d; the torrent has %d", wanted.Indexes[len(wanted.Indexes)-1], n))
	}
	before := e.task.Selection
	if err := choose(e.task, wanted, torrent.known()); err != nil {
		return err
	}
	c := e.candidate()
	if c != nil && !before.Equal(e.task.Selection) && hasJob(e.task) && !c.Has(downloader.CapabilitySelectFiles) {
		return errs.New(errs.NotOffered, "Downloader %q cannot load single files.", c.Name).WithField("files", "is not offered")
	}
	return nil
}

// fileCount returns the number of files of a job, 0 where it is not known.
func (s *Service) fileCount(id core.JobID) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if j := s.live.jobs[id]; j != nil {
		return j.seen.FileCount
	}
	return 0
}

// hasJob reports whether a downloader works for the task.
func hasJob(t *core.Task) bool { return t.Job != "" && !t.State.Ended() }

// updateOptions lays options over those of the task.
func updateOptions(e *edit, raw []byte) error {
	if raw == nil {
		return nil
	}
	merged, err := options.Merge(e.task.Options, raw)
	if err != nil {
		return err
	}
	changed, err := options.Changed(e.task.Options, merged)
	if err != nil {
		return err
	}
	if err := stillChangeable(e.task, changed); err != nil {
		return err
	}
	e.task.Options = merged
	c := e.candidate()
	if len(changed) == 0 || !hasJob(e.task) || c == nil {
		return nil
	}
	return c.CheckOptions(string(merged))
}

// stillChangeable refuses what comes too late: limits when nothing happens any
// more, other options once the downloader has them.
func stillChangeable(t *core.Task, changed []string) error {
	if !hasJob(t) && t.State != core.StateCompleted {
		return nil
	}
	wrong := errs.New(errs.WrongState, "The task is %s: only its limits can still change.", t.State).
		WithHint("Set options before the task starts, or cancel it, set them, and retry it.")
	if t.State == core.StateCompleted {
		wrong = errs.New(errs.WrongState, "The task is completed: its options do not matter any more.")
	}
	for _, key := range changed {
		if t.State == core.StateCompleted || !options.IsLimit(key) {
			wrong = wrong.WithField("options."+key, "cannot change any more")
		}
	}
	if len(wrong.Fields) == 0 {
		return nil
	}
	return wrong
}

// passOn gives the job what is wanted now; without one, somebody must still be
// able to take the task.
func (s *Service) passOn(e *edit, c *core.TaskChange) error {
	if c.Selection == nil && c.Options == nil {
		return nil
	}
	if e.task.Wish == core.WishCancel && !e.task.State.Ended() {
		return errs.New(errs.WrongState, "The task is being canceled.")
	}
	if !hasJob(e.task) {
		return schedule.Check(schedule.WantOf(e.task), e.candidates())
	}
	job, err := e.running()
	if job == nil || err != nil {
		return err
	}
	_, limits, err := s.jobOptions(job.Downloader, e.task)
	if err != nil {
		return err
	}
	d := job.Delivery(e.task.ID)
	if d == nil {
		return nil
	}
	limits.Seed = d.Limits.Seed
	if d.Selection.Equal(e.task.Selection) && reflect.DeepEqual(d.Limits, limits) {
		return nil
	}
	job.Change(e.task.ID, func(d *core.Delivery) { d.Selection, d.Limits = e.task.Selection, limits })
	return e.putJob(job)
}
