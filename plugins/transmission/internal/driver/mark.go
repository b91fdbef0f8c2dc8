package driver

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// What haul marks a torrent with is in its labels: one for people, one that
// tells whose it is, and one for a limit that the daemon does not have. A label
// must not have a comma.
const (
	label         = "haul"
	markPrefix    = "haul/"
	seedTimeLabel = "haul-seed-time/" // in seconds
)

// mark tells whose a torrent is and where it belongs: the downloader's id, the
// job's, and the place. It is set as the last step of an Add, so it also says
// that nothing of that is missing.
func (d *Driver) mark(jobID string, at place) string {
	return markPrefix + d.downloaderID + "/" + jobID + "/" + string(at)
}

// readMark returns what one of the labels says, if it is a mark of this
// downloader.
func (d *Driver) readMark(labels []string) (jobID string, at place, ok bool) {
	for _, l := range labels {
		rest, ok := strings.CutPrefix(l, markPrefix+d.downloaderID+"/")
		if i := strings.LastIndexByte(rest, '/'); ok && i > 0 {
			return rest[:i], place(rest[i+1:]), true
		}
	}
	return "", "", false
}

// marked returns a torrent's labels with haul's own among them; those of other
// people stay.
func (d *Driver) marked(labels []string, jobID string, at place, seed time.Duration) []string {
	out := slices.DeleteFunc(slices.Clone(labels), func(l string) bool {
		return l == label || strings.HasPrefix(l, markPrefix) || strings.HasPrefix(l, seedTimeLabel)
	})
	out = append(out, label, d.mark(jobID, at))
	if seed > 0 {
		out = append(out, seedTimeLabel+strconv.FormatInt(roundUp(int64(seed), int64(time.Second)), 10))
	}
	return out
}

// readSeedTime returns the limit that the labels hold; 0 is none.
func readSeedTime(labels []string) time.Duration {
	for _, l := range labels {
		if text, ok := strings.CutPrefix(l, seedTimeLabel); ok {
			if seconds, err := strconv.ParseInt(text, 10, 32); err == nil && seconds > 0 {
				return time.Duration(seconds) * time.Second
			}
		}
	}
	return 0
}
