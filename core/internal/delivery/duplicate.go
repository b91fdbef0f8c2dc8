package delivery

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"syscall"
)

const (
	// savesPerRun bounds how often a plan is stored that many small files learn
	// something for: storing it takes as long as it is large.
	savesPerRun = 32
	// readyFiles and readyBytes are how much waits, at least, for one storing.
	readyFiles = 32
	readyBytes = 64 << 20
	// hiddenMode keeps others from looking at what is not whole.
	hiddenMode = 0o700
)

// link gives a file a second name at the destination, or copies it.
func (x *execution) link(ctx context.Context, i int) error {
	e := &x.plan.Entries[i]
	if err := x.flush(ctx, e.Name); err != nil {
		return sourceError(err)
	}
	from, err := x.fromAt.open(path.Dir(e.Name))
	if err != nil {
		return sourceError(err)
	}
	to, name, err := x.target(e)
	if err != nil {
		return err
	}
	err = x.names.link(from, path.Base(e.Name), to, name)
	switch {
	case err == nil:
		x.at("linked")
		x.arrived(i, MethodLink)
		return nil
	case !cannotLink(err):
		return entryError(taken(err), e, "linking")
	}
	if info, statErr := x.from.Lstat(e.Name); statErr == nil {
		x.plan.because(whyNotLinkable(err, info))
	}
	x.noLink = errors.Is(err, syscall.EXDEV)
	return x.duplicate(ctx, i)
}

// duplicate makes a copy of an entry, or a folder of links, under a temporary
// name, and leaves the source where it is.
func (x *execution) duplicate(ctx context.Context, i int) error {
	e := &x.plan.Entries[i]
	if err := x.unchangedSince(i); err != nil {
		return err
	}
	if x.job.Data == DataLink {
		if err := x.flush(ctx, e.Name); err != nil {
			return sourceError(err)
		}
	}
	if err := x.build(ctx, e); err != nil {
		return err
	}
	x.at("copied")
	if err := x.unchangedSince(i); err != nil {
		return errors.Join(err, x.to.RemoveAll(e.temporary(x.job.Task)))
	}
	return x.readyToSettle(i)
}

// build makes the temporary tree of an entry; what an earlier call has made of
// it stays.
func (x *execution) build(ctx context.Context, e *Entry) error {
	temporary := e.temporary(x.job.Task)
	if err := x.to.MkdirAll(path.Dir(temporary), hiddenMode); err != nil {
		return entryError(err, e, "making a folder")
	}
	sums := account{methods: map[Method]int64{}}
	var folders []string
	err := x.walkListed(ctx, e.Name, func(name string, info fs.FileInfo) error {
		to := temporary + name[len(e.Name):]
		if info.IsDir() {
			folders = append(folders, to)
			return entryError(x.makeTemporaryFolder(to, info), e, "making a folder")
		}
		m, err := x.put(ctx, name, to, info)
		sums.came(m, info.Size())
		return entryError(err, &Entry{Name: name}, "making a file")
	})
	if err != nil {
		return sourceError(err)
	}
	e.Method = sums.method()
	if x.bulk {
		return nil // syncCopies covers it
	}
	for _, dir := range append(folders, path.Dir(temporary)) {
		if err := x.syncDir(x.to, dir); err != nil {
			return destinationError(err, "writing the folder to the disk")
		}
	}
	return nil
}

func (x *execution) makeTemporaryFolder(name string, info fs.FileInfo) error {
	err := x.to.Mkdir(name, deliveredMode(info)|hiddenMode)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	return err
}

// put makes one file of a temporary tree.
func (x *execution) put(ctx context.Context, from, to string, info fs.FileInfo) (Method, error) {
	there, err := x.to.Lstat(to)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return "", err
	case os.SameFile(there, info) && x.job.Data == DataLink:
		x.whole(from, info)
		return MethodLink, nil
	case isFinished(there, info) && names(there) == 1:
		x.whole(from, info)
		return MethodCopy, nil
	case !there.Mode().IsRegular() || names(there) != 1:
		// Writing to a second name of the download would destroy it.
		if err := x.to.RemoveAll(to); err != nil {
			return "", err
		}
	}
	if x.job.Data == DataLink && !x.noLink {
		err := x.linkTo(from, to)
		if err == nil {
			x.whole(from, info)
			return MethodLink, nil
		}
		if !cannotLink(err) {
			return "", err
		}
		x.noLink = errors.Is(err, syscall.EXDEV)
		x.plan.because(whyNotLinkable(err, info))
	}
	return x.copyOne(ctx, from, to, info)
}

// linkTo makes a hard link under a temporary name.
func (x *execution) linkTo(from, to string) error {
	fromDir, err := x.fromAt.open(path.Dir(from))
	if err != nil {
		return sourceError(err)
	}
	toDir, err := x.toAt.open(path.Dir(to))
	if err != nil {
		return err
	}
	if err := x.to.Remove(to); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return x.names.link(fromDir, path.Base(from), toDir, path.Base(to))
}

// whole notes that a file of a temporary tree is complete.
func (x *execution) whole(name string, info fs.FileInfo) {
	if f := x.indexOf(name); f >= 0 {
		x.reached(f, info.Size())
	}
}

// hasCopy reports whether an earlier call finished an entry's copy.
func (x *execution) hasCopy(e *Entry) bool {
	if e.Copy == 0 {
		return false
	}
	info, err := x.to.Lstat(e.temporary(x.job.Task))
	return err == nil && inode(info) == e.Copy && e.resembles(info)
}

// dropCopy removes an entry's copy that is not needed.
func (x *execution) dropCopy(e *Entry) error {
	return destinationError(x.to.RemoveAll(e.temporary(x.job.Task)), "removing a temporary file")
}

// readyToSettle notes that an entry's copy is whole.
func (x *execution) readyToSettle(i int) error {
	x.ready = append(x.ready, i)
	for _, f := range x.inside[i] {
		x.readyBytes += x.files[f].Size
	}
	return nil
}

func (x *execution) readyIsFull() bool {
	return len(x.ready) >= max(readyFiles, len(x.plan.Entries)/savesPerRun) || x.readyBytes >= readyBytes
}

// settleReady gives the finished copies their names. Which files they are is
// stored before, so that they are recognised after a crash.
func (x *execution) settleReady(ctx context.Context) error {
	ready := x.ready
	x.ready, x.readyBytes = nil, 0
	if err := x.syncCopies(); err != nil {
		return err
	}
	for _, i := range ready {
		e := &x.plan.Entries[i]
		info, err := x.to.Lstat(e.temporary(x.job.Task))
		if err != nil {
			return destinationError(err, "looking at the copy")
		}
		e.Copy = inode(info)
	}
	x.plan.Half = nil
	if err := x.save(ctx); err != nil {
		return err
	}
	x.at("copy stored")
	for _, i := range ready {
		if err := x.settleCopy(ctx, i); err != nil {
			return err
		}
	}
	return nil
}

func (x *execution) settleCopy(ctx context.Context, i int) error {
	e := &x.plan.Entries[i]
	temporary := e.temporary(x.job.Task)
	dir, err := x.to.OpenFile(path.Dir(temporary), os.O_RDONLY|syscall.O_DIRECTORY, 0)
	if err != nil {
		return destinationError(err, "opening a folder")
	}
	defer dir.Close()
	err = x.settle(ctx, i, dir, path.Base(temporary))
	switch {
	case err == nil:
		x.arrived(i, e.Method)
		return nil
	case errors.Is(err, ErrReplan) && x.job.policy() != renamePolicy:
		x.queue = append(x.queue, i) // the policy says what then
		return nil
	}
	return x.fail(ctx, i, entryError(err, e, "renaming"))
}
