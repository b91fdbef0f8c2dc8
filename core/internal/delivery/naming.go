package delivery

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/sdk/downloader"
)

const failPolicy = core.ConflictFail

// policy returns the job's conflict policy.
func (j *Job) policy() core.ConflictPolicy {
	if j.OnConflict == "" {
		return core.ConflictRename
	}
	return j.OnConflict
}

// naming chooses the names of one plan.
type naming struct {
	job    Job
	folder *os.Root // nil where it does not exist yet
	plan   Plan
	// files and folders are the keys of the paths that are given.
	files map[string]bool
	// folders has the given path of each key, dirs that of each of the job's.
	folders, dirs map[string]string
}

func newNaming(job Job, folder *os.Root, t Traits) *naming {
	return &naming{
		job: job, folder: folder, plan: Plan{Traits: t},
		files: map[string]bool{}, folders: map[string]string{}, dirs: map[string]string{".": "."},
	}
}

// nameAll fills the plan with entries.
func (n *naming) nameAll(source *os.Root, entries []Entry) error {
	inside := map[string][]downloader.File{}
	for _, f := range n.job.Files {
		top, _, _ := cutPath(f.Path)
		inside[top] = append(inside[top], f)
	}
	for _, e := range entries {
		if n.job.policy() == failPolicy {
			if found, err := n.there(visible(e.Name)); err != nil {
				return err
			} else if found != nil {
				return errExists(e.Name)
			}
		}
		if err := n.add(source, e, inside[e.Name]); err != nil {
			return err
		}
	}
	return nil
}

// add names a top-level entry, or where that cannot come as a whole its files.
func (n *naming) add(source *os.Root, e Entry, files []downloader.File) error {
	if !e.Dir {
		return n.append(e)
	}
	merges, err := n.merges(e.Name)
	if err != nil {
		return err
	}
	if !merges && n.fits(files) {
		return n.append(e)
	}
	for _, f := range files {
		name := path.Clean(f.Path)
		info, err := source.Lstat(name)
		if err != nil {
			return sourceError(err)
		}
		if err := n.append(entryOf(name, info)); err != nil {
			return err
		}
	}
	return nil
}

// merges reports whether a folder's files go into one that is there.
func (n *naming) merges(top string) (bool, error) {
	if n.mayRename() || n.job.policy() == failPolicy {
		return false, nil
	}
	found, err := n.there(visible(top))
	return found != nil && found.IsDir(), err
}

// fits reports whether the destination takes all names in a folder as they are.
func (n *naming) fits(files []downloader.File) bool {
	t := n.plan.Traits
	spelled, seen := map[string]string{}, map[string]bool{}
	for _, f := range files {
		for name := path.Clean(f.Path); name != "." && !seen[name]; name = path.Dir(name) {
			seen[name] = true
			if mended, _ := t.mend(path.Base(name), false); mended != path.Base(name) && path.Dir(name) != "." {
				return false
			}
			key := t.key(name)
			if other, ok := spelled[key]; ok && other != name {
				return false
			}
			spelled[key] = name
		}
	}
	return true
}

func (n *naming) mayRename() bool { return n.job.policy() == core.ConflictRename }

// append names an entry and puts it into the plan.
func (n *naming) append(e Entry) error {
	if err := n.choose(&e); err != nil {
		return err
	}
	n.plan.Entries = append(n.plan.Entries, e)
	return nil
}

// choose gives an entry its name at the destination; "" where none is possible.
func (n *naming) choose(e *Entry) error {
	parent, err := n.dirAs(path.Dir(e.Name))
	if err != nil || parent == "" {
		e.As = ""
		return err
	}
	e.As, err = n.nameIn(parent, path.Base(e.Name), e.Dir)
	if err == nil && e.As != "" {
		n.reserve(e)
	}
	return err
}

// dirAs names a folder of the job whose files come one by one.
func (n *naming) dirAs(dir string) (string, error) {
	if as, ok := n.dirs[dir]; ok {
		return as, nil
	}
	parent, err := n.dirAs(path.Dir(dir))
	if err != nil || parent == "" {
		return "", err
	}
	name, ok := n.mended(parent, path.Base(dir), true)
	as := path.Join(parent, name)
	given, shared := n.folders[n.plan.Traits.key(as)]
	switch {
	case !ok:
		as = ""
	case shared && parent != ".":
		as = given // both folders are the same there
	case !n.mayRename() && n.given(as):
		as = ""
	case n.mayRename() && (parent == "." || n.given(as)):
		as, err = n.nameIn(parent, path.Base(dir), true)
	}
	n.dirs[dir] = as
	if err == nil && as != "" {
		n.folders[n.plan.Traits.key(as)] = as
	}
	return as, err
}

// mended makes a name possible in a folder of the destination, where the policy
// allows that.
func (n *naming) mended(parent, name string, dir bool) (string, bool) {
	if parent == "." {
		name = visible(name)
	}
	mended, why := n.plan.Traits.mend(name, dir)
	if mended == name {
		return name, true
	}
	if !n.mayRename() {
		return "", false
	}
	n.plan.because(why)
	return mended, true
}

// nameIn chooses a name in a folder of the destination.
func (n *naming) nameIn(parent, name string, dir bool) (string, error) {
	name, ok := n.mended(parent, name, dir)
	if !ok {
		return "", nil
	}
	if !n.mayRename() {
		if as := path.Join(parent, name); !n.given(as) {
			return as, nil
		}
		return "", nil
	}
	free, err := freeName(name, dir, min(n.plan.Traits.limit(), maxName), func(candidate string) (bool, error) {
		as := path.Join(parent, candidate)
		if n.given(as) {
			return true, nil
		}
		found, err := n.there(as)
		return found != nil, err
	})
	return path.Join(parent, free), err
}

// given reports whether the plan has given a path to something else.
func (n *naming) given(as string) bool {
	key := n.plan.Traits.key(as)
	_, folder := n.folders[key]
	return folder || n.files[key]
}

// reserve notes that an entry has its path, and its temporary file another.
func (n *naming) reserve(e *Entry) {
	for _, as := range []string{e.As, e.Temp} {
		if as != "" {
			n.files[n.plan.Traits.key(as)] = true
		}
	}
}

// rename gives an entry another name, as its own was taken.
func (n *naming) rename(e *Entry) error {
	as, err := n.nameIn(path.Dir(e.As), path.Base(e.Name), e.Dir)
	if err != nil {
		return err
	}
	if e.Temp == "" {
		e.Temp = e.As // what was copied stays where it is
	}
	e.As, e.Claimed = as, false
	n.reserve(e)
	return nil
}

// there returns what has a path at the destination, or nil.
func (n *naming) there(as string) (fs.FileInfo, error) {
	if n.folder == nil {
		return nil, nil
	}
	info, err := n.folder.Lstat(as)
	if errors.Is(err, fs.ErrNotExist) || nameRefused(err) {
		return nil, nil
	}
	return info, err
}

// because adds a sentence to what the plan's owner is told.
func (p *Plan) because(why string) {
	if why == "" || strings.Contains(p.Why, why) {
		return
	}
	p.Why = strings.TrimSpace(p.Why + " " + why)
}
