// Package source reads what users give haul to fetch: URLs, magnet links,
// torrent and metalink files. It believes nothing: everything that it returns
// is bounded, and no name leads outside of a folder.
package source

import (
	"path"
	"regexp"
	"strings"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

var (
	schemePattern   = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]*:`)
	infoHashPattern = regexp.MustCompile(`^(?:[0-9A-Fa-f]{40}|[A-Za-z2-7]{32})$`)
)

// Detect tells the kind of a source by its text alone. An http or https URL whose
// path ends in .torrent, .metalink or .meta4 is a torrent or metalink that haul
// itself fetches; over FTP such a file is a file.
//
// Errors: errs.InvalidSource, errs.SourceSchemeUnknown.
func Detect(s string) (downloader.SourceKind, error) {
	scheme := schemePattern.FindString(s)
	switch strings.ToLower(scheme) {
	case "magnet:":
		return downloader.SourceMagnet, nil
	case "http:", "https:", "ftp:", "ftps:":
		return detectURL(s)
	case "":
		return "", noURL(s)
	}
	// host:port/path looks like a scheme, but no scheme is followed by digits.
	if rest := s[len(scheme):]; rest != "" && rest[0] >= '0' && rest[0] <= '9' {
		return "", noURL(s)
	}
	return "", errs.New(errs.SourceSchemeUnknown, "The scheme %q is not supported.", cut(strings.TrimSuffix(scheme, ":"), 32))
}

func detectURL(s string) (downloader.SourceKind, error) {
	u, _, err := ParseURL(s)
	if err != nil {
		return "", err
	}
	if u.Scheme == "ftp" || u.Scheme == "ftps" {
		return downloader.SourceFTP, nil
	}
	switch strings.ToLower(path.Ext(u.Path)) {
	case ".torrent":
		return downloader.SourceTorrent, nil
	case ".metalink", ".meta4":
		return downloader.SourceMetalink, nil
	}
	return downloader.SourceHTTP, nil
}

func noURL(s string) error {
	if infoHashPattern.MatchString(s) {
		return errs.New(errs.InvalidSource, "That is an info hash alone.").WithHint("Write magnet:?xt=urn:btih:%s", s)
	}
	return errs.New(errs.InvalidSource, "That is neither a URL nor a magnet link.")
}
