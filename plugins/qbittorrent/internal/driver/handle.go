package driver

import (
	"encoding/json"
	"path"
	"regexp"
	"strings"

	"github.com/haul-dl/haul/plugins/qbittorrent/internal/qbittorrentrpc"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
	"github.com/haul-dl/haul/sdk/source"
)

const handleVersion = 1

// handle is what finds a job at the daemon, and what confines its removal.
type handle struct {
	V1  string `json:"v1,omitempty"` // info hash in 40 hex digits
	V2  string `json:"v2,omitempty"` // info hash in 64 hex digits
	Dir string `json:"dir"`
	// Padded tells that the torrent has files that only align others, which
	// qBittorrent does not list.
	Padded bool `json:"padded,omitempty"`
}

var (
	v1Pattern = regexp.MustCompile(`^[0-9a-f]{40}$`)
	v2Pattern = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

// ids are those that qBittorrent may know the torrent by.
func (h handle) ids() []string {
	var out []string
	if h.V2 != "" {
		out = append(out, h.V2[:40])
	}
	if h.V1 != "" {
		out = append(out, h.V1)
	}
	return out
}

func (h handle) ref(jobID string) downloader.Ref {
	opaque, _ := json.Marshal(h) // strings and a boolean
	return downloader.Ref{JobID: jobID, Version: handleVersion, Opaque: opaque}
}

// readHandle fails for what this plugin did not write; such a job the daemon
// does not have.
func readHandle(ref downloader.Ref) (handle, bool) {
	var h handle
	if ref.Version != handleVersion || json.Unmarshal(ref.Opaque, &h) != nil {
		return handle{}, false
	}
	v1, v2 := v1Pattern.MatchString(h.V1), v2Pattern.MatchString(h.V2)
	ok := path.IsAbs(h.Dir) && (v1 || h.V1 == "") && (v2 || h.V2 == "") && (v1 || v2)
	return h, ok
}

// holds reports whether the torrent's data goes to the job's directory.
func (h handle) holds(t *qbittorrentrpc.Torrent) bool {
	return t.SavePath != "" && path.Clean(t.SavePath) == path.Clean(h.Dir)
}

// readSource learns from a source what finds its torrent, and which of its
// files are real ones.
func readSource(req downloader.AddRequest) (handle, *source.Torrent, error) {
	h := handle{Dir: req.Dir}
	switch req.Source.Kind {
	case downloader.SourceMagnet:
		m, err := source.ParseMagnet(req.Source.URI)
		if err != nil {
			return h, nil, err
		}
		h.V1, h.V2 = m.InfoHash, m.InfoHashV2
		return h, nil, nil
	case downloader.SourceTorrent:
		t, err := source.ParseTorrent(req.Source.Content)
		if err != nil {
			return h, nil, err
		}
		h.V1, h.V2 = t.InfoHash, t.InfoHashV2
		for _, f := range t.Files {
			h.Padded = h.Padded || f.Padding
		}
		return h, t, checkIndexes(req.Files, len(t.Files))
	}
	return h, nil, errs.New(errs.SourceNotSupported, "qBittorrent does not take sources of the kind %q.", req.Source.Kind)
}

// validate refuses what could mean something else to qBittorrent than to haul.
func validate(req downloader.AddRequest) error {
	switch {
	case req.JobID == "":
		return errs.New(errs.InvalidRequest, "The job has no id.")
	case !path.IsAbs(req.Dir) || path.Clean(req.Dir) == "/" || !isPlain(req.Dir) || strings.TrimSpace(req.Dir) != req.Dir:
		return errs.New(errs.PathNotWritable, "The job's directory is not a path that qBittorrent takes.").
			WithHint("Use a data directory without control characters in its path.")
	case !isPlain(req.Source.URI):
		// A line break would separate several sources.
		return errs.New(errs.InvalidSource, "The source has control characters in it.")
	}
	return nil
}

func isPlain(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < 0x20 || r == 0x7f })
}
