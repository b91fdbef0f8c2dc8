package tasks

import (
	"cmp"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/sdk/errs"
)

// Limits of a destination path, in bytes.
const (
	maxDestination     = 1024
	maxDestinationPart = 255
)

// cleanDestination returns a path below a home in its shortest form, or
// errs.InvalidDestination where it leads outside or could not be made.
func cleanDestination(p string) (string, error) {
	refuse := func(why string) (string, error) {
		return "", errs.New(errs.InvalidDestination, "The destination %s.", why).WithField("destination", why)
	}
	switch {
	case p == "":
		return "", nil
	case len(p) > maxDestination:
		return refuse("is too long")
	case !utf8.ValidString(p) || strings.ContainsFunc(p, unicode.IsControl):
		return refuse("contains characters that no folder may have")
	case strings.ContainsRune(p, '\\'):
		return refuse("contains a backslash; separate folders by '/'")
	case path.IsAbs(p):
		return refuse("is absolute; give a path relative to your home")
	}
	for part := range strings.SplitSeq(p, "/") {
		switch {
		case part == "..":
			return refuse("leads outside of your home")
		case len(part) > maxDestinationPart:
			return refuse("has a folder name that is too long")
		case strings.HasPrefix(part, core.TemporaryPrefix):
			return refuse("begins with " + core.TemporaryPrefix + ", which haul keeps for itself")
		}
	}
	if p = path.Clean(p); p == "." {
		return "", nil
	}
	return p, nil
}

// inHome returns a path below a user's home as one below the storage's root.
func inHome(owner *core.User, p string) string { return path.Join(owner.Home(), p) }

// resolveDestination turns the name of a storage into its id. An empty name is
// that of otherwise.
func (s *Service) resolveDestination(d core.NewDestination, otherwise string) (core.Destination, error) {
	name := cmp.Or(d.Storage, otherwise)
	storage, err := s.registry.Storage(name)
	if err != nil {
		return core.Destination{}, errs.New(errs.InvalidDestination, "There is no storage %q.", name).
			WithField("destination.storage", "does not exist").
			WithHint("GET /storages, or haul storage ls, lists those that there are.")
	}
	path, err := cleanDestination(d.Path)
	return core.Destination{Storage: storage.ID, Path: path}, err
}

// moveTo gives a task another destination, for all that is not delivered yet. An
// empty name of a storage leaves the task with its own.
func (s *Service) moveTo(e *edit, to *core.NewDestination) error {
	switch {
	case e.task.State == core.StateCompleted || e.task.State == core.StateSeeding:
		return errs.New(errs.WrongState, "The task is %s: its files are delivered already.", e.task.State).
			WithField("destination", "cannot change any more")
	case e.task.Wish == core.WishCancel && !e.task.State.Ended():
		return errs.New(errs.WrongState, "The task is being canceled.")
	}
	dest, err := s.resolveDestination(*to, string(e.task.Destination.Storage))
	if err != nil || dest == e.task.Destination {
		return err
	}
	e.task.Destination, e.task.Files = dest, nil
	job, err := e.running()
	if err != nil || job == nil || job.Delivery(e.task.ID) == nil {
		return err
	}
	owner, err := e.tx.User(e.task.Owner)
	if err != nil {
		return err
	}
	job.Change(e.task.ID, func(d *core.Delivery) {
		d.Storage, d.Path = dest.Storage, inHome(owner, dest.Path)
		d.Attempt, d.Only = d.Attempt+1, nil
	})
	return e.putJob(job)
}
