package delivery

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"github.com/haul-dl/haul/sdk/errs"
)

// Plan looks at the job's data and at the destination, and chooses names for
// all files, also those that Job.Only leaves out. What it writes is gone when it
// returns: it may try at the destination whether names are possible. In the
// job's directory it makes listed files of no bytes that are not there. Errors:
// errs.FilesMissing, errs.UnsafeFile, errs.PathNotWritable,
// errs.InvalidDestination, errs.DestinationReadOnly, errs.DestinationExists.
func (m *Mover) Plan(ctx context.Context, job Job) (Plan, error) {
	source, err := os.OpenRoot(job.Source)
	if err != nil {
		return Plan{}, sourceError(err)
	}
	defer source.Close()
	entries, err := inspect(ctx, source, job.Files)
	if err != nil {
		return Plan{}, sourceError(err)
	}
	folder, err := openFolder(job)
	switch {
	case isMissing(err):
		folder = nil // Execute makes it
	case err != nil:
		return Plan{}, err
	default:
		defer folder.Close()
	}
	traits, err := m.traitsOf(job)
	if err != nil {
		return Plan{}, destinationError(err, "trying names")
	}
	n := newNaming(job, folder, traits)
	if err := n.nameAll(source, entries); err != nil {
		return Plan{}, destinationError(err, "finding a name")
	}
	return n.plan, nil
}

// isMissing recognises openFolder's error for a folder that is not there yet.
func isMissing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) && !hasCode(err)
}

// traitsOf finds out what names the destination takes, as far as it matters.
func (m *Mover) traitsOf(job Job) (Traits, error) {
	folder, err := openNearest(job)
	if err != nil {
		return Traits{}, err
	}
	defer folder.Close()
	return m.probe(folder, probeName(job.Task), doubtsOf(job.Files))
}

// Replan chooses other names for those entries whose names were taken, and
// keeps what is already delivered. Errors are those of Plan.
func (m *Mover) Replan(ctx context.Context, job Job, p Plan) (Plan, error) {
	x, err := m.begin(job, p, Hooks{})
	if err != nil {
		return Plan{}, err
	}
	defer x.close()
	n := newNaming(job, x.to, p.Traits)
	n.plan = x.plan
	for i := range x.plan.Entries {
		n.reserve(&x.plan.Entries[i])
	}
	for i := range x.plan.Entries {
		if err := ctx.Err(); err != nil {
			return Plan{}, err
		}
		err := x.look(&x.plan.Entries[i])
		if errors.Is(err, ErrReplan) {
			err = n.rename(&x.plan.Entries[i])
		}
		if err != nil && !isStanding(err) && !isOwn(err) {
			return Plan{}, destinationError(err, "finding a name")
		}
	}
	n.plan.Entries = x.plan.Entries
	return n.plan, nil
}

// isOwn reports whether an error concerns one file; Execute reports it.
func isOwn(err error) bool { return hasCode(err) && !endsAll(err) }

// Check looks, before anything was loaded, whether a delivery would fail as its
// names are taken. Of job it needs Root, Path, OnConflict and, as far as they
// are known, the paths of Files. Errors: errs.DestinationExists,
// errs.InvalidDestination, errs.DestinationReadOnly.
func (m *Mover) Check(ctx context.Context, job Job) error {
	folder, err := openFolder(job)
	if isMissing(err) {
		return nil
	}
	if err != nil {
		return err
	}
	defer folder.Close()
	seen := map[string]bool{}
	for _, f := range job.Files {
		if err := ctx.Err(); err != nil {
			return err
		}
		top, _, _ := cutPath(f.Path)
		if job.policy() != failPolicy || seen[top] {
			continue
		}
		seen[top] = true
		switch _, err := folder.Lstat(visible(top)); {
		case err == nil:
			return errExists(top)
		case !errors.Is(err, fs.ErrNotExist) && !nameRefused(err):
			return destinationError(err, "looking at the folder")
		}
	}
	return nil
}

func errExists(name string) error {
	return errs.New(errs.DestinationExists, "%q exists at the destination.", name)
}

// Discard removes the temporary files of a delivery that is given up.
func (m *Mover) Discard(job Job, _ Plan) error {
	folder, err := openFolder(job)
	if isMissing(err) {
		return nil
	}
	if err != nil {
		return err
	}
	defer folder.Close()
	return destinationError(removeHidden(folder, job.Task), "removing temporary files")
}
