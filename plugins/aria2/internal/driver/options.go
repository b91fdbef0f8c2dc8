package driver

import (
	"fmt"
	"maps"
	"path/filepath"
	"strings"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
	"github.com/haul-dl/haul/sdk/source"
)

// options are aria2's of one download. Values must be strings, or lists of
// them: aria2 takes numbers and booleans without a word and ignores them.
type options map[string]any

// common are set for every download, whatever the daemon's own configuration
// says.
var common = options{
	// Without a control file beside it a file is never taken for whole: it is
	// written anew, or verified where there is something to verify it with
	// (check-integrity, which costs time where there is not).
	"allow-overwrite":     "true",
	"continue":            "false",
	"check-integrity":     "false",
	"auto-file-renaming":  "false", // the job has a directory of its own
	"remove-control-file": "false",
	"conditional-get":     "false",
	"force-save":          "false", // see Driver
	"file-allocation":     "none",
	"no-netrc":            "true",
	"pause":               "false",
	"dry-run":             "false",
	"hash-check-only":     "false",
	"parameterized-uri":   "false", // a URL with {} or [] is one URL

	// aria2 tries again after timeouts and after 502, 503 and 504 alone; what
	// refuses, or says no, fails at once. A file whose server ends the
	// connection each time needs some tries too: they are counted per download.
	"max-tries":       "8",
	"retry-wait":      "2",
	"connect-timeout": "10",
	"timeout":         "20",
}

// forFile are set for plain files: what comes is the file, whatever it is.
var forFile = options{
	"follow-torrent":  "false",
	"follow-metalink": "false",
	// Browsers take names for UTF-8, aria2 for ISO 8859-1.
	"content-disposition-default-utf8": "true",
}

// forTorrent are set for torrents and magnet links.
var forTorrent = options{
	"check-integrity": "true",
	"seed-time":       "0",
	// Both files go to the job's directory, from where a daemon that starts
	// again takes the metadata.
	"rpc-save-upload-metadata": "true",
	"bt-save-metadata":         "true",
	"bt-load-saved-metadata":   "true",
	"pause-metadata":           "false",
	"bt-hash-check-seed":       "true",
	"bt-seed-unverified":       "false",
}

// options puts together what a job's download begins with. Users cannot reach
// what the driver sets, as those keys are reserved.
func (d *Driver) options(req downloader.AddRequest, gid string, kind, user options) options {
	o := options{"gid": gid, "dir": req.Dir, markOption: d.mark(req, 0, 0)}
	maps.Copy(o, common)
	maps.Copy(o, kind)
	maps.Copy(o, user)
	if req.Paused {
		o["pause"] = "true"
	}
	return o
}

// markOption carries haul's mark: aria2 has no labels. It is a free text that
// means something only when aria2 itself reads a metalink, which it never does
// for haul, and it can be read back and survives in the session.
const markOption = "metalink-version"

const (
	markPrefix = "haul"
	// markParts is how many parts a mark has, without the limit of idle seeding.
	markParts = 5
)

// mark tells whose a download is: the downloader's id, the job's, and which of
// how many parts it is. aria2 does not know of idle seeding, so the limit of
// that, in seconds, is kept behind.
func (d *Driver) mark(req downloader.AddRequest, part, parts int) string {
	m := fmt.Sprintf("%s/%s/%s/%d/%d", markPrefix, d.downloaderID, req.JobID, part, parts)
	if seed := req.Limits.Seed; seed != nil && seed.Idle > 0 {
		m = withIdle(m, seed.Idle)
	}
	return m
}

// readMark returns the job and the number of parts that a mark names, if it is
// the mark of this downloader.
func (d *Driver) readMark(mark string) (jobID string, parts int, ok bool) {
	rest, ok := strings.CutPrefix(mark, markPrefix+"/"+d.downloaderID+"/")
	if !ok {
		return "", 0, false
	}
	f := strings.Split(rest, "/")
	if len(f) < 3 || len(f) > 4 || f[0] == "" {
		return "", 0, false
	}
	if _, err := fmt.Sscanf(f[2], "%d", &parts); err != nil || parts < 0 || parts > maxParts {
		return "", 0, false
	}
	return f[0], parts, true
}

// validate refuses what could mean something else to aria2 than to haul. Its
// session file has a line for each option, so that a line break in a value
// would become an option of its own at the next start, and a tab separates URLs.
func validate(req downloader.AddRequest) error {
	switch {
	case req.JobID == "" || !isPlain(req.JobID) || strings.Contains(req.JobID, "/"):
		return errs.New(errs.InvalidRequest, "The job has no valid id.")
	case !filepath.IsAbs(req.Dir) || !isPlain(req.Dir) || strings.TrimSpace(req.Dir) != req.Dir:
		return errs.New(errs.PathNotWritable, "The job's directory is not a path that aria2 takes.").
			WithHint("Use a data directory without control characters in its path.")
	case !isPlain(req.Source.URI):
		return errs.New(errs.InvalidSource, "The source has control characters in it.")
	}
	if n := req.Source.Name; n != "" && !isFileName(n) {
		return errs.New(errs.InvalidSource, "The suggested file name is not one.")
	}
	return nil
}

func isPlain(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < 0x20 || r == 0x7f })
}

func isFileName(n string) bool {
	return isPlain(n) && filepath.IsLocal(n) && !strings.ContainsAny(n, `/\`) && n != "." &&
		strings.TrimSpace(n) == n && len(n) <= 255
}

// checksums are aria2's names of the algorithms, the best first, with how
// metalinks of both versions write them.
var checksums = []struct{ aria2, metalink string }{
	{"sha-512", "sha-512"},
	{"sha-512", "sha512"},
	{"sha-256", "sha-256"},
	{"sha-256", "sha256"},
	{"sha-1", "sha-1"},
	{"sha-1", "sha1"},
	{"md5", "md5"},
}

// checksum returns the value of aria2's option of that name; empty for none.
func checksum(f source.MetalinkFile) string {
	for _, c := range checksums {
		if digest, ok := f.Hashes[c.metalink]; ok {
			return c.aria2 + "=" + digest
		}
	}
	return ""
}
