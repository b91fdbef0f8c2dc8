package qbittorrentrpc

import "strings"

// NoLimit is a limit that does not end seeding; another negative one would be
// the daemon's own.
const NoLimit = -1

// Torrent is one line of qBittorrent's list.
type Torrent struct {
	// ID is what calls take: 40 hex digits of an info hash. That of a magnet link
	// may become another one when the metadata turns out to have a v2 info hash.
	ID string `json:"hash"`
	// InfoHashV1 and InfoHashV2 are empty where the torrent has none, or where
	// that is not known yet.
	InfoHashV1 string `json:"infohash_v1"`
	InfoHashV2 string `json:"infohash_v2"`
	Name       string `json:"name"`
	State      string `json:"state"`
	// Size is that of the wanted files, TotalSize that of all; without metadata
	// the latter is not positive.
	Size      int64   `json:"size"`
	TotalSize int64   `json:"total_size"`
	Completed int64   `json:"completed"`
	Progress  float64 `json:"progress"`
	Uploaded  int64   `json:"uploaded"`
	// DownloadSpeed and UploadSpeed are in bytes per second.
	DownloadSpeed int64 `json:"dlspeed"`
	UploadSpeed   int64 `json:"upspeed"`
	// Seeds and Leeches are those that the daemon is connected to.
	Seeds       int    `json:"num_seeds"`
	Leeches     int    `json:"num_leechs"`
	SavePath    string `json:"save_path"`
	ContentPath string `json:"content_path"`
	// Tags are separated by ", ".
	Tags          string  `json:"tags"`
	RatioLimit    float64 `json:"ratio_limit"`
	ForceStart    bool    `json:"force_start"`
	DownloadLimit int64   `json:"dl_limit"`
	UploadLimit   int64   `json:"up_limit"`
	LastActivity  int64   `json:"last_activity"`
}

// HasTag reports whether the torrent carries a tag.
func (t *Torrent) HasTag(tag string) bool {
	for has := range strings.SplitSeq(t.Tags, ",") {
		if strings.TrimSpace(has) == tag {
			return true
		}
	}
	return false
}

// HasMetadata reports whether the list of files is known.
func (t *Torrent) HasMetadata() bool { return t.TotalSize >= 0 }

// File is one file of a torrent.
type File struct {
	// Index counts from 0, without the files that only align others.
	Index int `json:"index"`
	// Name is the path below the torrent's save path.
	Name     string  `json:"name"`
	Size     int64   `json:"size"`
	Progress float64 `json:"progress"`
	// Priority is 0 for a file that is not wanted.
	Priority int `json:"priority"`
}

// Preferences are the parts of qBittorrent's own settings that haul looks at.
type Preferences struct {
	// LimitAction is what happens to a torrent that reaches its share limit.
	LimitAction int `json:"max_ratio_act"`
}

// Removes reports whether torrents are removed when they reach their share limit.
func (p Preferences) Removes() bool { return p.LimitAction == 1 || p.LimitAction == 3 }
