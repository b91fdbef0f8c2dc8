package driver

import (
	"net/url"
	"strings"

	"github.com/haul-dl/haul/plugins/qbittorrent/internal/qbittorrentrpc"
)

// haulTag is on everything that haul adds, for people who filter by it.
const haulTag = "haul"

// jobTag marks a job of this downloader. qBittorrent separates tags by commas,
// which are escaped as everything else that could mean something.
func (d *Driver) jobTag(jobID string) string {
	return d.tagPrefix() + url.QueryEscape(jobID)
}

func (d *Driver) tagPrefix() string { return haulTag + ":" + url.QueryEscape(d.downloaderID) + ":" }

// jobOf returns the job that a torrent's tags name, "" for none of ours.
func (d *Driver) jobOf(t *qbittorrentrpc.Torrent) string {
	for tag := range strings.SplitSeq(t.Tags, ",") {
		escaped, ok := strings.CutPrefix(strings.TrimSpace(tag), d.tagPrefix())
		if !ok {
			continue
		}
		if id, err := url.QueryUnescape(escaped); err == nil {
			return id
		}
	}
	return ""
}
