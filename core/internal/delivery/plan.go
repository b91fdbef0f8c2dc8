package delivery

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

// Plan looks at the job's data and at the destination, and chooses names. It
// changes nothing there; in the job's directory it makes listed files of no bytes
// that are not there. Errors: errs.FilesMissing, errs.UnsafeFile,
// errs.PathNotWritable, errs.InvalidDestination, errs.DestinationReadOnly,
// errs.DestinationExists.
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
	case errors.Is(err, fs.ErrNotExist) && !errs.Is(err, errs.DestinationReadOnly):
		folder = nil // Execute makes it
	case err != nil:
		return Plan{}, err
	default:
		defer folder.Close()
	}
	p := Plan{Entries: entries}
	for i := range p.Entries {
		if err := p.name(i, folder); err != nil {
			return Plan{}, destinationError(err, "finding a name")
		}
	}
	return p, nil
}

// Replan chooses other names for those entries whose names were taken, and
// keeps what is already delivered. Errors are those of Plan.
func (m *Mover) Replan(ctx context.Context, job Job, p Plan) (Plan, error) {
	x, err := m.begin(job, p, Hooks{})
	if err != nil {
		return Plan{}, err
	}
	defer x.close()
	for i := range x.plan.Entries {
		if err := ctx.Err(); err != nil {
			return Plan{}, err
		}
		e := &x.plan.Entries[i]
		err := x.look(e)
		if err == nil {
			continue // the name is still free
		}
		if !errors.Is(err, errDone) && !errors.Is(err, ErrReplan) {
			return Plan{}, err
		}
		if errors.Is(err, ErrReplan) {
			e.Claimed = false
			if err := x.plan.name(i, x.to); err != nil {
				return Plan{}, destinationError(err, "finding a name")
			}
		}
	}
	return x.plan, nil
}

// Discard removes the temporary files of a delivery that is given up.
func (m *Mover) Discard(job Job, p Plan) error {
	folder, err := openFolder(job)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer folder.Close()
	for i := range p.Entries {
		if err := folder.RemoveAll(temporaryName(job.Task, i)); err != nil {
			return destinationError(err, "removing a temporary file")
		}
	}
	return nil
}

// name chooses the i-th entry's name, apart from those of the others.
func (p *Plan) name(i int, folder *os.Root) error {
	e := &p.Entries[i]
	as, err := freeName(e.Name, e.Dir, func(name string) (bool, error) {
		for j := range p.Entries {
			if j != i && p.Entries[j].As == name {
				return true, nil
			}
		}
		if folder == nil {
			return false, nil
		}
		_, err := folder.Lstat(name)
		if errors.Is(err, fs.ErrNotExist) {
			return false, nil
		}
		return err == nil, err
	})
	e.As = as
	return err
}

// result lists what a plan delivers.
func (p *Plan) result(files []downloader.File) Result {
	as := make(map[string]string, len(p.Entries))
	for _, e := range p.Entries {
		as[e.Name] = e.As
	}
	r := Result{Files: make([]core.DeliveredFile, 0, len(files))}
	for _, f := range files {
		top, rest, nested := cutPath(f.Path)
		to := as[top]
		if nested {
			to += "/" + rest
		}
		r.Files = append(r.Files, core.DeliveredFile{Index: f.Index, Path: to, Size: f.Size})
	}
	return r
}
