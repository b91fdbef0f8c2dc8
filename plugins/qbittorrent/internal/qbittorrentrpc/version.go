package qbittorrentrpc

import (
	"fmt"
	"strconv"
	"strings"
)

// APIVersion is a version of the WebUI API, such as 2.11.4.
type APIVersion [3]int

// The versions in which something that haul uses changed.
var (
	apiStopStart = APIVersion{2, 11, 0} // 5.0 renamed pause and resume
	apiExport    = APIVersion{2, 8, 14} // 4.5 hands out .torrent files
	apiIdleLimit = APIVersion{2, 9, 2}  // 4.6 ends seeding that nobody takes part in
	apiOwnAction = APIVersion{2, 12, 0} // 5.2 has what happens at the limit for each torrent
)

// parseAPIVersion reads "2.8.19".
func parseAPIVersion(s string) (v APIVersion, ok bool) {
	parts := strings.Split(s, ".")
	if len(parts) < 2 || len(parts) > len(v) {
		return v, false
	}
	for i, part := range parts {
		n, err := strconv.Atoi(part)
		if err != nil || n < 0 {
			return v, false
		}
		v[i] = n
	}
	return v, true
}

// String returns "2.8.19".
func (v APIVersion) String() string { return fmt.Sprintf("%d.%d.%d", v[0], v[1], v[2]) }

// Less reports whether v is before w.
func (v APIVersion) Less(w APIVersion) bool {
	for i := range v {
		if v[i] != w[i] {
			return v[i] < w[i]
		}
	}
	return false
}

// EndsIdleSeeding reports whether the daemon knows a limit of idle seeding.
func (v APIVersion) EndsIdleSeeding() bool { return !v.Less(apiIdleLimit) }

// HasOwnAction reports whether each torrent may have its own action at its limits.
func (v APIVersion) HasOwnAction() bool { return !v.Less(apiOwnAction) }

// Exports reports whether the daemon hands out .torrent files.
func (v APIVersion) Exports() bool { return !v.Less(apiExport) }
