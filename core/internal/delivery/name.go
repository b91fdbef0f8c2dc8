package delivery

import (
	"fmt"
	"path"
	"strings"
	"unicode/utf8"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/sdk/errs"
)

const (
	// maxName is the length of a name in bytes that all usual file systems take.
	maxName = 255
	// maxNumber bounds the search for a free name.
	maxNumber = 9999
)

// limit is how long names may be.
func (t Traits) limit() int {
	if t.MaxName > 0 {
		return t.MaxName
	}
	return maxName
}

// mend returns a name that the destination takes, and why it is another one.
func (t Traits) mend(name string, dir bool) (string, string) {
	mended, why := name, ""
	if len(mended) > t.limit() {
		mended = shortened(mended, dir, t.limit())
		why = "Names that are too long for the destination were shortened."
	}
	if !t.Strict {
		return mended, why
	}
	possible := strings.Map(func(r rune) rune {
		if isReserved(r) {
			return '_'
		}
		return r
	}, strings.ToValidUTF8(mended, "_"))
	if stem := strings.TrimRight(possible, ". "); stem != possible {
		possible = stem + "_"
	}
	if possible != mended {
		why = "The destination does not take some characters in names: each became _."
	}
	return possible, why
}

// shortened cuts a name so that it keeps its extension.
func shortened(name string, dir bool, limit int) string {
	stem, ext := splitExt(name, dir)
	if len(ext) > limit/2 {
		stem, ext = name, ""
	}
	return cut(stem, limit-len(ext)) + ext
}

// visible keeps a name from looking like one of ours, which are removed as
// left-overs.
func visible(name string) string {
	if strings.HasPrefix(name, core.TemporaryPrefix) {
		return "_" + name
	}
	return name
}

// freeName returns name, or "name (1).ext" and so on, whichever is not taken.
func freeName(name string, dir bool, limit int, taken func(string) (bool, error)) (string, error) {
	for n := range maxNumber {
		candidate := numbered(name, dir, n, limit)
		used, err := taken(candidate)
		if err != nil {
			return "", err
		}
		if !used {
			return candidate, nil
		}
	}
	return "", errs.New(errs.DestinationExists, "The destination has more than %d files of that name.", maxNumber)
}

// numbered puts " (n)" before the extension of a file, or behind the name of a
// folder, and cuts the rest so that the whole is short enough.
func numbered(name string, dir bool, n, limit int) string {
	if n == 0 {
		return name
	}
	stem, ext := splitExt(name, dir)
	if strings.HasSuffix(ext, " ") {
		stem, ext = name, ""
	}
	suffix := fmt.Sprintf(" (%d)%s", n, ext)
	if len(suffix) > limit/2 {
		stem, suffix = name, fmt.Sprintf(" (%d)", n)
	}
	return cut(stem, limit-len(suffix)) + suffix
}

// splitExt splits a file's name before its extension; ".profile" has none, nor
// has a folder.
func splitExt(name string, dir bool) (stem, ext string) {
	if !dir {
		ext = path.Ext(name)
	}
	if stem = strings.TrimSuffix(name, ext); stem == "" {
		return name, ""
	}
	return stem, ext
}

// cut shortens s to at most n bytes without splitting a character.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for at := n; at > max(n-utf8.UTFMax, 0); at-- {
		if utf8.RuneStart(s[at]) {
			return s[:at]
		}
	}
	return s[:n] // it is no text
}

// hiddenFolder is where a task's copies are made.
func hiddenFolder(task core.TaskID) string {
	return fmt.Sprintf("%s%s.part", core.TemporaryPrefix, task)
}

// temporary is the path of an entry's copy until it is whole.
func (e *Entry) temporary(task core.TaskID) string {
	if e.Temp != "" {
		return path.Join(hiddenFolder(task), e.Temp)
	}
	return path.Join(hiddenFolder(task), e.As)
}
