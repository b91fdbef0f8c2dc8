package source

import (
	"net/url"
	"path"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/haul-dl/haul/sdk/errs"
)

const (
	maxURL  = 8 << 10
	maxName = 255 // bytes; what common file systems take
)

// ParseURL checks the URL of a file and suggests a name for it, which is empty
// where the URL tells none. The fragment, which no server sees, is dropped.
//
// Errors: errs.InvalidSource, errs.SourceSchemeUnknown.
func ParseURL(s string) (_ *url.URL, name string, _ error) {
	if len(s) > maxURL {
		return nil, "", errs.New(errs.InvalidSource, "The URL is longer than %d bytes.", maxURL)
	}
	if !printable(s) {
		return nil, "", errs.New(errs.InvalidSource, "The URL has control characters or is not UTF-8.")
	}
	u, err := url.Parse(s)
	if err != nil {
		return nil, "", errs.Wrap(err, errs.InvalidSource, "The URL is not well formed.")
	}
	switch u.Scheme {
	case "http", "https", "ftp", "ftps":
	case "":
		return nil, "", noURL(s)
	default:
		return nil, "", errs.New(errs.SourceSchemeUnknown, "The scheme %q is not supported.", u.Scheme)
	}
	if err := checkHost(u); err != nil {
		return nil, "", err
	}
	// A decoded line break could end a command of the FTP protocol.
	if !printable(u.Path) || (u.User != nil && !printable(userText(u.User))) {
		return nil, "", errs.New(errs.InvalidSource, "The URL has encoded control characters or is not UTF-8.")
	}
	u.Fragment, u.RawFragment = "", ""
	return u, FileName(path.Base(u.Path)), nil
}

func checkHost(u *url.URL) error {
	if u.Opaque != "" || u.Hostname() == "" {
		return errs.New(errs.InvalidSource, "The URL names no host.").WithHint("Write %s://HOST/PATH.", u.Scheme)
	}
	if strings.ContainsFunc(u.Hostname(), unicode.IsSpace) {
		return errs.New(errs.InvalidSource, "The URL's host has a space.")
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return errs.New(errs.InvalidSource, "The URL's port is not between 1 and 65535.")
		}
	}
	return nil
}

func userText(u *url.Userinfo) string {
	password, _ := u.Password()
	return u.Username() + password
}

// printable reports whether s is UTF-8 without control characters.
func printable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}

// FileName makes a safe file name of what a URL, a header or a link suggests:
// without separators and control characters, at most 255 bytes. It returns ""
// where nothing is left.
func FileName(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '/' || r == '\\':
			return '_'
		case unicode.IsControl(r) || r == utf8.RuneError || isBidi(r):
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
	s = strings.TrimSpace(s)
	if strings.Trim(s, "._ ") == "" {
		return ""
	}
	return shorten(s)
}

// isBidi reports whether r changes the direction of text, which makes
// "exe.txt" of "txt.exe".
func isBidi(r rune) bool {
	return r == 0x061C || r == 0x200E || r == 0x200F || (r >= 0x202A && r <= 0x202E) || (r >= 0x2066 && r <= 0x2069)
}

// shorten cuts a name to what file systems take, and keeps a short extension.
func shorten(name string) string {
	if len(name) <= maxName {
		return name
	}
	ext := path.Ext(name)
	if len(ext) > 20 {
		ext = ""
	}
	return cut(name, maxName-len(ext)) + ext
}

// cut returns at most n bytes of s, whole characters only.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
