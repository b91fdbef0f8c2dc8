package tasks

import (
	"path"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/sdk/errs"
)

// Limits of a destination path, in bytes.
const (
	maxDestination     = 1024
	maxDestinationPart = 255
)

// cleanDestination returns a path below a home in its shortest form, or
// errs.InvalidDestination where it leads outside or could not be made.
func cleanDestination(p string) (string, error) {
	refuse := func(why string) (string, error) {
		return "", errs.New(errs.InvalidDestination, "The destination %s.", why).WithField("destination", why)
	}
	switch {
	case p == "":
		return "", nil
	case len(p) > maxDestination:
		return refuse("is too long")
	case !utf8.ValidString(p) || strings.ContainsFunc(p, unicode.IsControl):
		return refuse("contains characters that no folder may have")
	case strings.ContainsRune(p, '\\'):
		return refuse("contains a backslash; separate folders by '/'")
	case path.IsAbs(p):
		return refuse("is absolute; give a path relative to your home")
	}
	for part := range strings.SplitSeq(p, "/") {
		switch {
		case part == "..":
			return refuse("leads outside of your home")
		case len(part) > maxDestinationPart:
			return refuse("has a folder name that is too long")
		case strings.HasPrefix(part, core.TemporaryPrefix):
			return refuse("begins with " + core.TemporaryPrefix + ", which haul keeps for itself")
		}
	}
	if p = path.Clean(p); p == "." {
		return "", nil
	}
	return p, nil
}

// inHome returns a path below a user's home as one below the storage's root.
func inHome(owner *core.User, p string) string { return path.Join(owner.Home(), p) }
