package downloader

import (
	"slices"
	"strings"
)

// IsReserved reports whether an option's key is one of reserved in any spelling
// that a daemon may take for it: case, dashes, underscores, dots and spaces do
// not count.
func IsReserved(reserved []string, key string) bool {
	key = plainKey(key)
	return slices.ContainsFunc(reserved, func(r string) bool { return plainKey(r) == key })
}

// plainKey leaves of a key what tells it from others.
func plainKey(key string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'A' && r <= 'Z':
			return r + ('a' - 'A')
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		}
		return -1
	}, key)
}
