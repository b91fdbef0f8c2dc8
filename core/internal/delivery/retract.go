package delivery

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

// Retract undoes what was done of a plan that will not be finished: what was
// moved goes back into the job's directory, copies, links and temporary files
// are removed. What was replaced by OnConflict is gone, and files that somebody
// changed since stay. It can be repeated. Errors: errs.PathNotWritable,
// errs.DestinationReadOnly, errs.InvalidDestination, ctx's.
func (m *Mover) Retract(ctx context.Context, job Job, p Plan) error {
	folder, err := openFolder(job)
	if isMissing(err) {
		return nil
	}
	if err != nil {
		return err
	}
	defer folder.Close()
	r, err := newRetraction(m, job, folder)
	if err != nil {
		return err
	}
	defer r.close()
	files := newAccount(job, p.Entries, nil)
	var failed []error
	for i := range p.Entries {
		if err := ctx.Err(); err != nil {
			return err
		}
		if e := &p.Entries[i]; e.As != "" {
			failed = append(failed, r.retract(ctx, e, files.listedIn(i)))
			m.at("retracted")
		}
	}
	if err := errors.Join(failed...); err != nil {
		return err
	}
	return destinationError(errors.Join(removeHidden(folder, job.Task), m.syncDir(folder, ".")), "removing temporary files")
}

// retraction is one call of Retract.
type retraction struct {
	*Mover
	job      Job
	from, to *os.Root // from is nil where the job's directory is gone
	fromAt   *folderCache
	toAt     *folderCache
	dirs     []*os.File
	// oneDevice says that both are on one file system.
	oneDevice bool
}

func newRetraction(m *Mover, job Job, folder *os.Root) (_ *retraction, err error) {
	r := &retraction{Mover: m, job: job, to: folder, oneDevice: true}
	defer func() {
		if err != nil {
			r.close()
		}
	}()
	toDir, err := folder.Open(".")
	if err != nil {
		return nil, destinationError(err, "opening the folder")
	}
	r.dirs, r.toAt = append(r.dirs, toDir), newFolderCache(folder, toDir)
	r.from, err = os.OpenRoot(job.Source)
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err != nil {
		return nil, sourceError(err)
	}
	fromDir, err := r.from.Open(".")
	if err != nil {
		return nil, sourceError(err)
	}
	r.dirs, r.fromAt = append(r.dirs, fromDir), newFolderCache(r.from, fromDir)
	r.oneDevice = sameDevice(fromDir, toDir)
	return r, nil
}

// close lets the directories go; nothing was written through them.
func (r *retraction) close() {
	r.fromAt.close()
	r.toAt.close()
	for _, d := range r.dirs {
		d.Close() //nolint:errcheck // see above
	}
	if r.from != nil {
		r.from.Close() //nolint:errcheck // see above
	}
}

func (r *retraction) retract(ctx context.Context, e *Entry, files []downloader.File) error {
	there, err := r.to.Lstat(e.As)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		removeEmptyParents(r.to, e.As)
		return nil
	case err == nil && !e.mayBe(there, r.oneDevice):
		return nil
	case err != nil:
		return destinationError(err, "looking at the folder")
	}
	if e.Claimed && !e.is(there, r.oneDevice) {
		if isEmpty(r.to, e.As, there) {
			return destinationError(r.to.Remove(e.As), "removing an empty name")
		}
		return nil
	}
	switch isCopy := e.Copy == inode(there); {
	case r.from == nil && !isCopy:
		return nil // it is the only one
	case e.Dir && !isCopy:
		return r.moveFolderBack(ctx, e, files)
	case !isCopy && !has(r.from, e.Name):
		return r.moveBack(e.As, e.Name)
	}
	delivered := make([]core.DeliveredFile, 0, len(files))
	for _, f := range files {
		delivered = append(delivered, core.DeliveredFile{Path: e.pathOf(f), Size: f.Size})
	}
	_, err = removeDelivered(ctx, r.to, delivered)
	return err
}

// mayBe reports whether a file is the entry, or a name that was claimed for it.
func (e *Entry) mayBe(there fs.FileInfo, oneDevice bool) bool {
	return e.is(there, oneDevice) || e.Claimed && there.IsDir() == e.Dir
}

// moveFolderBack moves a folder back as a whole, or file by file where somebody
// put something of their own into it.
func (r *retraction) moveFolderBack(ctx context.Context, e *Entry, files []downloader.File) error {
	ours := map[string]bool{}
	for _, f := range files {
		ours[e.pathOf(f)] = true
	}
	alone := !has(r.from, e.Name)
	err := walk(ctx, r.to, e.As, func(name string, info fs.FileInfo) error {
		alone = alone && (info.IsDir() || ours[name])
		return nil
	})
	if errs.Is(err, errs.UnsafeFile) {
		alone, err = false, nil // somebody's link
	}
	if err != nil {
		return destinationError(err, "looking at the folder")
	}
	if alone {
		return r.moveBack(e.As, e.Name)
	}
	for _, f := range files {
		as, name := e.pathOf(f), path.Clean(f.Path)
		info, err := r.to.Lstat(as)
		if err != nil || !info.Mode().IsRegular() || has(r.from, name) {
			continue
		}
		if err := r.moveBack(as, name); err != nil {
			return err
		}
	}
	return nil
}

// moveBack brings a file or folder to where the downloader had it.
func (r *retraction) moveBack(as, name string) error {
	if parent := path.Dir(name); parent != "." {
		if err := r.from.MkdirAll(parent, 0o755); err != nil {
			return sourceError(err)
		}
	}
	from, err := r.fromAt.open(path.Dir(name))
	if err != nil {
		return sourceError(err)
	}
	to, err := r.toAt.open(path.Dir(as))
	if err != nil {
		return destinationError(err, "opening a folder")
	}
	// Nothing of that name is there, and only we write to the job's directory.
	if err := r.names.rename(to, path.Base(as), from, path.Base(name)); err != nil {
		return errs.Wrap(err, errs.PathNotWritable, "%q cannot be moved back into the download folder.", as)
	}
	removeEmptyParents(r.to, as)
	return nil
}
