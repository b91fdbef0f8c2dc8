package delivery

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"
	"unicode/utf8"

	"golang.org/x/sys/unix"
	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/sdk/downloader"
)

// Traits are what a destination does to names.
type Traits struct {
	// Caseless takes "a" and "A" for the same, Formless the spellings of Unicode.
	Caseless bool `json:"caseless,omitempty"`
	Formless bool `json:"formless,omitempty"`
	// Strict refuses or changes names that Windows does not take.
	Strict bool `json:"strict,omitempty"`
	// MaxName is the longest name in bytes.
	MaxName int `json:"max_name,omitempty"`
}

// key is equal for names that are the same at the destination.
func (t Traits) key(name string) string {
	if t.Formless {
		name = norm.NFC.String(name)
	}
	if t.Caseless {
		name = cases.Fold().String(name)
	}
	return name
}

// doubts are what of a download's names a destination may not take as they are.
type doubts struct {
	// same reports that two names differ only in case or spelling.
	same bool
	// marks are reserved characters that occur.
	marks string
}

// reserved are the characters that Windows takes in no name.
const reserved = `<>:"|?*\`

func doubtsOf(files []downloader.File) doubts {
	var d doubts
	broad := Traits{Caseless: true, Formless: true}
	spelled, seen := map[string]string{}, map[string]bool{}
	marks := map[rune]bool{}
	for _, f := range files {
		for name := path.Clean(f.Path); name != "." && !seen[name]; name = path.Dir(name) {
			seen[name] = true
			key := broad.key(name)
			if other, ok := spelled[key]; ok && other != name {
				d.same = true
			}
			spelled[key] = name
			addMarks(marks, path.Base(name))
		}
	}
	for r := range marks {
		d.marks += string(r)
	}
	if marks[utf8.RuneError] {
		d.marks = strings.ReplaceAll(d.marks, string(utf8.RuneError), "") + "\xff"
	}
	// Dots and spaces are refused at the end only.
	if marks['.'] || marks[' '] {
		d.marks = strings.Map(func(r rune) rune {
			if r == '.' || r == ' ' {
				return -1
			}
			return r
		}, d.marks) + "."
	}
	return d
}

func addMarks(marks map[rune]bool, name string) {
	if !utf8.ValidString(name) {
		marks[utf8.RuneError] = true
	}
	for _, r := range name {
		if isReserved(r) {
			marks[r] = true
		}
	}
	if last := name[len(name)-1]; last == '.' || last == ' ' {
		marks[rune(last)] = true
	}
}

func isReserved(r rune) bool { return r < ' ' || r == 0x7f || strings.ContainsRune(reserved, r) }

// prober finds out about a folder's names as far as there are doubts. It may
// make things named name in there, and removes them.
type prober func(folder *os.Root, name string, d doubts) (Traits, error)

// probeNames tries, as nothing else tells for certain: the same kind of file
// system behaves in one or the other way by its options.
func probeNames(folder *os.Root, name string, d doubts) (t Traits, err error) {
	if t.MaxName, err = maxNameIn(folder); err != nil || !d.same && d.marks == "" {
		return t, err
	}
	if err := folder.RemoveAll(name); err != nil {
		return t, err
	}
	if err := folder.Mkdir(name, 0o700); err != nil {
		return t, err
	}
	defer func() { err = errors.Join(err, folder.RemoveAll(name)) }()
	if d.same {
		if err := touch(folder, path.Join(name, "\u00e9")); err != nil && !refusesName(err) {
			return t, err
		}
		t.Caseless = has(folder, path.Join(name, "\u00c9"))
		t.Formless = has(folder, path.Join(name, "e\u0301"))
	}
	if d.marks != "" {
		t.Strict, err = refuses(folder, name, "x"+d.marks)
	}
	return t, err
}

// refuses reports whether a name in a folder is refused, or is another one then.
func refuses(folder *os.Root, dir, name string) (bool, error) {
	err := touch(folder, path.Join(dir, name))
	if refusesName(err) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	names, err := list(folder, dir)
	return !slices.Contains(names, name), err
}

// refusesName recognises what systems say of a name that they do not take.
func refusesName(err error) bool {
	for _, e := range []error{syscall.EINVAL, syscall.EILSEQ, syscall.ENOENT, syscall.EIO, syscall.EPROTO} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

func touch(folder *os.Root, name string) error {
	f, err := folder.OpenFile(name, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

func has(folder *os.Root, name string) bool {
	_, err := folder.Lstat(name)
	return !errors.Is(err, fs.ErrNotExist) && err == nil
}

func maxNameIn(folder *os.Root) (int, error) {
	dir, err := folder.Open(".")
	if err != nil {
		return 0, err
	}
	defer dir.Close()
	var s unix.Statfs_t
	if err := unix.Fstatfs(int(dir.Fd()), &s); err != nil {
		return 0, err
	}
	return nameLimit(&s), nil
}

// probeName is what a task's probe is named.
func probeName(task core.TaskID) string { return core.TemporaryPrefix + "probe-" + string(task) }
