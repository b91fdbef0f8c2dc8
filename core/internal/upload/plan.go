package upload

import (
	"context"
	"os"
	"path"
	"strings"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/delivery"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
	"github.com/haul-dl/haul/sdk/storage"
)

// Plan looks at the job's data and at the storage, and chooses names. It changes
// nothing at the storage. Errors: errs.FilesMissing, errs.UnsafeFile,
// errs.PathNotWritable, errs.InvalidDestination, errs.DestinationExists, and
// those of the storage.
func (u *Uploader) Plan(ctx context.Context, job delivery.Job) (delivery.Plan, error) {
	to, err := openTarget(job)
	if err != nil {
		return delivery.Plan{}, err
	}
	source, err := os.OpenRoot(job.Source)
	if err != nil {
		return delivery.Plan{}, delivery.SourceError(err)
	}
	defer source.Close()
	entries, err := delivery.Inspect(ctx, source, job.Files)
	if err != nil {
		return delivery.Plan{}, err
	}
	p := planner{target: to, policy: policy(job), files: job.Files, plan: delivery.Plan{Entries: entries}}
	if err := p.run(ctx); err != nil {
		return delivery.Plan{}, err
	}
	return p.plan, nil
}

// Check tells before anything is loaded whether the files could be delivered:
// errs.InvalidDestination, errs.DestinationExists where the policy is to fail,
// and errors of the storage. Without files it looks at the destination alone.
func (u *Uploader) Check(ctx context.Context, job delivery.Job) error {
	to, err := openTarget(job)
	if err != nil {
		return err
	}
	p := planner{target: to, policy: policy(job), files: job.Files}
	for _, name := range p.tops() {
		p.plan.Entries = append(p.plan.Entries, delivery.Entry{Name: name})
	}
	if err := p.look(ctx); err != nil || p.policy != core.ConflictFail {
		return err
	}
	return p.chooseAll(ctx)
}

// planner makes one plan.
type planner struct {
	target
	policy core.ConflictPolicy
	files  []downloader.File
	plan   delivery.Plan
	// empty reports that the folder does not exist yet.
	empty bool
	// there is what has the names of entries.
	there []*storage.Object
}

func (p *planner) run(ctx context.Context) error {
	if err := p.look(ctx); err != nil {
		return err
	}
	if err := p.chooseAll(ctx); err != nil {
		return err
	}
	p.list()
	if p.policy == core.ConflictSkip {
		return p.skip(ctx)
	}
	return nil
}

// tops lists the top-level names of the files.
func (p *planner) tops() []string {
	var names []string
	known := map[string]bool{}
	for _, f := range p.files {
		top, _, _ := strings.Cut(path.Clean(f.Path), "/")
		if !known[top] {
			known[top] = true
			names = append(names, top)
		}
	}
	return names
}

// look finds out what has the names of the entries.
func (p *planner) look(ctx context.Context) error {
	p.there = make([]*storage.Object, len(p.plan.Entries))
	folder, err := p.find(ctx, p.folder)
	switch {
	case err != nil:
		return err
	case folder == nil:
		p.empty = p.folder != "."
	case !folder.Dir:
		return errs.New(errs.DestinationReadOnly, "A part of the destination is not a folder.").
			WithHint("Remove or rename the file that is in the way, then retry the task.")
	}
	if p.empty {
		return nil
	}
	return each(ctx, len(p.there), func(ctx context.Context, i int) (err error) {
		p.there[i], err = p.find(ctx, p.path(p.plan.Entries[i].Name))
		return err
	})
}

// chooseAll gives each entry a name, and marks those that nothing had.
func (p *planner) chooseAll(ctx context.Context) error {
	used := make(map[string]bool, len(p.plan.Entries))
	for i := range p.plan.Entries {
		e := &p.plan.Entries[i]
		if err := p.choose(ctx, e, p.there[i], used); err != nil {
			return err
		}
		used[e.As] = true
	}
	return nil
}

func (p *planner) choose(ctx context.Context, e *delivery.Entry, there *storage.Object, used map[string]bool) (err error) {
	e.As, e.Claimed = e.Name, there == nil
	switch {
	case p.policy == core.ConflictRename:
		e.Claimed = true
		e.As, err = delivery.FreeName(e.Name, e.Dir, func(name string) (bool, error) {
			if name == e.Name || p.empty || used[name] {
				return used[name] || name == e.Name && there != nil, nil
			}
			o, err := p.find(ctx, p.path(name))
			return o != nil, err
		})
		return err
	case there == nil:
		return nil
	case p.policy == core.ConflictFail:
		return errExists(e.Name)
	case p.policy == core.ConflictOverwrite && there.Dir != e.Dir:
		return errExists(e.Name).WithHint("One is a file and the other a folder: remove or rename the one at the destination, then retry the task.")
	}
	return nil
}

func errExists(name string) *errs.Error {
	return errs.New(errs.DestinationExists, "%q exists at the destination.", path.Base(name))
}

// list makes an upload of each file.
func (p *planner) list() {
	as := make(map[string]string, len(p.plan.Entries))
	for _, e := range p.plan.Entries {
		as[e.Name] = e.As
	}
	p.plan.Uploads = make([]delivery.Upload, 0, len(p.files))
	for _, f := range p.files {
		name := path.Clean(f.Path)
		top, rest, _ := strings.Cut(name, "/")
		p.plan.Uploads = append(p.plan.Uploads, delivery.Upload{
			Index: f.Index, Name: name, As: path.Join(as[top], rest), Size: f.Size,
		})
	}
}

// skip leaves out the files whose names are taken.
func (p *planner) skip(ctx context.Context) error {
	there := make(map[string]*storage.Object, len(p.there))
	for i, e := range p.plan.Entries {
		there[e.Name] = p.there[i]
		if p.there[i] != nil && p.there[i].Dir != e.Dir {
			there[e.Name] = &storage.Object{} // nothing of it can be delivered
		}
	}
	return each(ctx, len(p.plan.Uploads), func(ctx context.Context, i int) error {
		u := &p.plan.Uploads[i]
		top, _, _ := strings.Cut(u.Name, "/")
		o := there[top]
		if o != nil && o.Dir {
			var err error
			if o, err = p.find(ctx, p.path(u.As)); err != nil {
				return err
			}
		}
		u.Skipped, u.Done = o != nil, o != nil
		return nil
	})
}

// each calls fn for 0 to n-1, a few at once, until one fails.
func each(ctx context.Context, n int, fn func(ctx context.Context, i int) error) error {
	g, ctx := errgroup.WithContext(ctx)
	var next atomic.Int64
	for range min(n, looksAtOnce) {
		g.Go(func() error {
			for {
				i := int(next.Add(1)) - 1
				if i >= n || ctx.Err() != nil {
					return ctx.Err()
				}
				if err := fn(ctx, i); err != nil {
					return err
				}
			}
		})
	}
	return g.Wait()
}
