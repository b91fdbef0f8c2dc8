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

// freeName returns name, or "name (1).ext" and so on, whichever is not taken.
func freeName(name string, dir bool, taken func(string) (bool, error)) (string, error) {
	if strings.HasPrefix(name, core.TemporaryPrefix) {
		// Names of that kind are removed as left-overs.
		name = "_" + name
	}
	for n := range maxNumber {
		candidate := numbered(name, dir, n)
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
func numbered(name string, dir bool, n int) string {
	if n == 0 {
		return name
	}
	ext := ""
	if !dir {
		ext = path.Ext(name)
	}
	stem := strings.TrimSuffix(name, ext)
	if stem == "" || strings.HasSuffix(ext, " ") {
		stem, ext = name, "" // ".profile" has no extension
	}
	suffix := fmt.Sprintf(" (%d)%s", n, ext)
	if len(suffix) > maxName/2 {
		stem, suffix = name, fmt.Sprintf(" (%d)", n)
	}
	return cut(stem, maxName-len(suffix)) + suffix
}

// cut shortens s to at most n bytes without splitting a character.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// temporaryName is that of the copy of a task's n-th entry.
func temporaryName(task core.TaskID, n int) string {
	return fmt.Sprintf("%s%s-%d.part", core.TemporaryPrefix, task, n)
}
