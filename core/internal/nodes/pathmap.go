package nodes

import (
	"fmt"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/sdk/errs"
)

// Bounds of a path map.
const (
	maxMappings = 32
	maxPath     = 4096
)

// wrongPathMap names the fields of a path map that are wrong.
func wrongPathMap(m []core.PathMapping) []errs.Field {
	if len(m) > maxMappings {
		return []errs.Field{{Name: "path_map", Message: fmt.Sprintf("must have at most %d entries", maxMappings)}}
	}
	var out []errs.Field
	daemons, nodes := map[string]int{}, map[string]int{}
	for i, entry := range m {
		for _, side := range []struct {
			name, path string
			seen       map[string]int
		}{{"daemon", entry.Daemon, daemons}, {"node", entry.Node, nodes}} {
			message := wrongPath(side.path)
			if first, twice := side.seen[side.path]; message == "" && twice {
				message = fmt.Sprintf("is the same as path_map[%d].%s", first, side.name)
			}
			if message != "" {
				out = append(out, errs.Field{Name: fmt.Sprintf("path_map[%d].%s", i, side.name), Message: message})
				continue
			}
			side.seen[side.path] = i
		}
	}
	return out
}

// wrongPath says what is wrong with a path, if anything.
func wrongPath(p string) string {
	switch {
	case p == "":
		return "is required"
	case len(p) > maxPath:
		return "is too long"
	case !utf8.ValidString(p) || strings.ContainsFunc(p, unicode.IsControl):
		return "contains characters that no folder may have"
	case !path.IsAbs(p):
		return "must be an absolute path, beginning with '/'"
	case path.Clean(p) != p:
		return fmt.Sprintf("must be written in its shortest form: %s", path.Clean(p))
	}
	return ""
}
