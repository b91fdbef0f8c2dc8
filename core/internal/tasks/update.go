package tasks

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"time"
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

// nodeTimeout is how long a caller waits for what a node can say at once.
const nodeTimeout = 5 * time.Second

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
	if c.Seed != nil {
		if err := checkSeed(c.Seed.Policy); err != nil {
			return nil, err
		}
	}
	var files []downloader.File
	if c.Selection != nil {
		if files, err = s.knownFiles(ctx, t); err != nil {
			return nil, err
		}
	}
	return s.change(ctx, id, nil, func(s *Service, e *edit) error {
		return s.updateIn(e, c, name, files)
	})
}

func (s *Service) updateIn(e *edit, c *core.TaskChange, name string, files []downloader.File) error {
	if name != "" {
		e.task.Name, e.task.Named = name, true
	}
	if err := s.updateFiles(e, c.Selection, files); err != nil {
		return err
	}
	if err := updateOptions(e, c.Options); err != nil {
		return err
	}
	if err := updateSeed(e, c.Seed); err != nil {
		return err
	}
	if err := s.passOn(e, c); err != nil {
		return err
	}
	if c.Destination != nil {
		if err := s.moveTo(e, c.Destination); err != nil {
			return err
		}
	}
	e.said = changed(c)
	return nil
}

// changed says in words what a change is about; "" for nothing.
func changed(c *core.TaskChange) string {
	var what []string
	for _, part := range []struct {
		name string
		set  bool
	}{
		{"name", c.Name != nil},
		{"files", c.Selection != nil},
		{"destination", c.Destination != nil},
		{"seeding", c.Seed != nil},
		{"options", c.Options != nil},
	} {
		if part.set {
			what = append(what, part.name)
		}
	}
	if len(what) == 0 {
		return ""
	}
	return "Changed: " + strings.Join(what, ", ") + "."
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

// knownFiles returns the files of a task's source; nil where they are not known.
func (s *Service) knownFiles(ctx context.Context, t *core.Task) ([]downloader.File, error) {
	if t.Source.Stored() {
		stored, err := s.store.Content(ctx, t.ID)
		if err == nil {
			c, err := s.readContent(t.Source.Kind, stored)
			return c.known(), err
		}
		if !errs.Is(err, errs.NotFound) {
			return nil, err
		}
	}
	if !s.takesPart(t) || !seeds(t) {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, nodeTimeout)
	defer cancel()
	files, err := s.registry.JobFiles(ctx, t.Node, t.Job)
	if err != nil {
		return nil, nil // the node checks the selection when it knows the files
	}
	return files, nil
}

// updateFiles changes which files are wanted, while that still matters.
func (s *Service) updateFiles(e *edit, want *core.Selection, files []downloader.File) error {
	if want == nil {
		return nil
	}
	switch e.task.State {
	case core.StateTransferring, core.StateHeld, core.StateSeeding, core.StateCompleted:
		return errs.New(errs.WrongState, "The task is %s: its files are loaded already.", e.task.State).
			WithField("files", "cannot change any more")
	}
	if n := s.fileCount(e.task); n > 0 && len(want.Indexes) > 0 && want.Indexes[len(want.Indexes)-1] >= n {
		return wrongSelection(fmt.Sprintf("names file %d; the torrent has %d", want.Indexes[len(want.Indexes)-1], n))
	}
	before := e.task.Selection
	if err := choose(e.task, *want, files); err != nil {
		return err
	}
	c := e.candidate()
	if c != nil && !before.Equal(e.task.Selection) && hasJob(e.task) && !c.Has(downloader.CapabilitySelectFiles) {
		return errs.New(errs.NotOffered, "Downloader %q cannot load single files.", c.Name).WithField("files", "is not offered")
	}
	return nil
}

// fileCount returns the number of files of a task's job, 0 where it is not known.
func (s *Service) fileCount(t *core.Task) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if j := s.live.jobs[t.Job]; j != nil && j.tells(t) != nil {
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
	if c.Selection == nil && c.Options == nil && c.Seed == nil {
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
	d := job.Delivery(e.task.ID)
	if d == nil {
		return nil
	}
	owner, err := e.tx.User(e.task.Owner)
	if err != nil {
		return err
	}
	_, limits, err := s.jobOptions(e.tx, job.Downloader, e.task, owner)
	if err != nil {
		return err
	}
	if d.Selection.Equal(e.task.Selection) && reflect.DeepEqual(d.Limits, limits) {
		return nil
	}
	job.Change(e.task.ID, func(d *core.Delivery) { d.Selection, d.Limits = e.task.Selection, limits })
	return e.putJob(job)
}
