package users

import (
	"regexp"
	"slices"
	"strings"

	"github.com/haul-dl/haul/sdk/errs"
)

// The home of a user is a folder of that name in every storage, some of which
// are shared with other systems: so a name is one that every file system
// takes, and that differs from others by more than the case of a letter.
var namePattern = regexp.MustCompile(`^[a-z0-9_-][a-z0-9._-]{0,31}$`)

// reservedNames would be misread: by Windows as devices, by the API as words.
var reservedNames = []string{"con", "prn", "aux", "nul", "me", "haul", "system", "shared", "anonymous"}

var reservedDevice = regexp.MustCompile(`^(com|lpt)\d$`)

// CheckName returns errs.InvalidRequest for what cannot be the name of a user.
func CheckName(name string) error { return checkName("user", name) }

func checkName(what, name string) error {
	var why string
	stem, _, _ := strings.Cut(name, ".")
	switch {
	case !namePattern.MatchString(name):
		why = "must be 1 to 32 lower-case letters, digits, dots, dashes or underscores, and not begin with a dot"
	case strings.HasSuffix(name, "."):
		why = "must not end with a dot"
	case slices.Contains(reservedNames, stem), reservedDevice.MatchString(stem):
		why = "is a word that cannot be a name"
	default:
		return nil
	}
	return errs.New(errs.InvalidRequest, "The %s's name %s.", what, why).WithField("name", why)
}
