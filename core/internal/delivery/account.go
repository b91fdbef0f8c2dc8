package delivery

import (
	"path"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

// fate is what became of an entry.
type fate int

const (
	fateOpen fate = iota
	fateArrived
	fateSkipped
	fateFailed
)

// account keeps what became of each file, and tells how far the delivery is.
type account struct {
	files    []downloader.File
	progress func(done int64, files int)
	// owner and have are by file: its entry, and how much of it has come.
	owner []int
	have  []int64
	// index is that of a file in files, by its path.
	index map[string]int
	// inside, fates, errors are by entry.
	inside [][]int
	fates  []fate
	errors []error
	first  error
	only   map[int]bool
	// done and arrivals are sums, methods is bytes by the way they came.
	done     int64
	arrivals int
	methods  map[Method]int64
}

func newAccount(job Job, entries []Entry, progress func(int64, int)) *account {
	a := &account{
		files: job.Files, progress: progress, owner: make([]int, len(job.Files)), have: make([]int64, len(job.Files)),
		index: make(map[string]int, len(job.Files)), methods: map[Method]int64{}, only: map[int]bool{},
	}
	for _, i := range job.Only {
		a.only[i] = true
	}
	byName := make(map[string]int, len(entries))
	for i, e := range entries {
		byName[e.Name] = i
	}
	a.grow(len(entries))
	for f, file := range job.Files {
		name := path.Clean(file.Path)
		a.index[name] = f
		a.owner[f] = -1
		for ; name != "." && name != "/"; name = path.Dir(name) {
			if i, ok := byName[name]; ok {
				a.own(i, f)
				break
			}
		}
	}
	return a
}

// grow makes room for entries.
func (a *account) grow(n int) {
	for len(a.fates) < n {
		a.inside, a.fates, a.errors = append(a.inside, nil), append(a.fates, fateOpen), append(a.errors, nil)
	}
}

// own notes that a file belongs to an entry.
func (a *account) own(entry, file int) {
	a.owner[file] = entry
	a.inside[entry] = append(a.inside[entry], file)
}

// listedIn returns the files of an entry.
func (a *account) listedIn(entry int) []downloader.File {
	out := make([]downloader.File, 0, len(a.inside[entry]))
	for _, f := range a.inside[entry] {
		out = append(out, a.files[f])
	}
	return out
}

// indexOf returns a file's place in the account, or -1 where a file system
// spells its name in another way.
func (a *account) indexOf(name string) int {
	if f, ok := a.index[path.Clean(name)]; ok {
		return f
	}
	return -1
}

func (a *account) open(entry int) bool { return a.fates[entry] == fateOpen }

// wanted counts the files of an entry that this attempt is for.
func (a *account) wanted(entry int) (n int) {
	for _, f := range a.inside[entry] {
		if len(a.only) == 0 || a.only[a.files[f].Index] {
			n++
		}
	}
	return n
}

func (a *account) leftOut(entry int) bool { return a.wanted(entry) == 0 }

// reached notes how much of a file has come.
func (a *account) reached(file int, bytes int64) {
	a.done += bytes - a.have[file]
	a.have[file] = bytes
	a.tell()
}

func (a *account) tell() {
	if a.progress != nil {
		a.progress(a.done, a.arrivals)
	}
}

// arrived notes that an entry is at its destination; m is "" where its files
// are counted already.
func (a *account) arrived(entry int, m Method) {
	if a.fates[entry] == fateArrived {
		return
	}
	a.fates[entry] = fateArrived
	a.arrivals += len(a.inside[entry])
	for _, f := range a.inside[entry] {
		a.done += a.files[f].Size - a.have[f]
		a.have[f] = a.files[f].Size
		a.came(m, a.files[f].Size)
	}
	a.tell()
}

// came counts bytes by the way they came.
func (a *account) came(m Method, bytes int64) {
	if m != "" {
		a.methods[m] += bytes + 1 // empty files count too
	}
}

func (a *account) skipped(entry int) { a.fates[entry] = fateSkipped }

func (a *account) failed(entry int, err error) {
	a.fates[entry], a.errors[entry] = fateFailed, err
	if a.first == nil {
		a.first = err
	}
}

// firstFailure prefers what went wrong over what was left out.
func (a *account) firstFailure() error {
	for _, err := range a.errors {
		if err != nil && !errs.Is(err, errs.NotDelivered) {
			return err
		}
	}
	return a.first
}

// method returns how most bytes came.
func (a *account) method() (most Method) {
	for _, m := range []Method{MethodRename, MethodLink, MethodClone, MethodCopy} {
		if a.methods[m] > 0 && a.methods[m] >= a.methods[most] {
			most = m
		}
	}
	return most
}

// result tells what became of all files, in their order.
func (x *execution) result() Result {
	r := Result{Files: make([]core.DeliveredFile, 0, len(x.files)), Method: x.method(), Why: x.plan.Why}
	for f, file := range x.files {
		i := x.owner[f]
		if i < 0 {
			continue
		}
		e := &x.plan.Entries[i]
		switch x.fates[i] {
		case fateArrived, fateSkipped:
			r.Files = append(r.Files, core.DeliveredFile{
				Index: file.Index, Path: e.pathOf(file), Size: file.Size, Skipped: x.fates[i] == fateSkipped,
			})
		case fateFailed:
			r.Failed = append(r.Failed, FileError{Index: file.Index, Err: x.errors[i]})
		}
	}
	return r
}

// pathOf returns where a file of the entry is at the destination.
func (e *Entry) pathOf(f downloader.File) string {
	return e.As + path.Clean(f.Path)[len(e.Name):]
}
